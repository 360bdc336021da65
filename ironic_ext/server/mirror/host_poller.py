# SPDX-License-Identifier: Apache-2.0

"""Keeps the hosts in step with Ironic, which need not tell of changes.

Every few seconds it asks for what changed last, and which nodes there are:
what was deleted is in no list of changes. Now and then it asks for all, and
in between for single nodes that somebody has hinted at.
"""

import collections.abc
import contextlib
import datetime
import gc
import itertools
import logging
import threading
import time

from ironic_ext import host_records
from ironic_ext.node import host as hosts
from ironic_ext.server import errors
from ironic_ext.server.mirror import follower
from ironic_ext.server.mirror import hints as hinting
from ironic_ext.server.mirror import history as histories
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_records as record_mirror
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.mirror import kept_hosts
from ironic_ext.server.mirror import modes as host_modes
from ironic_ext.server.mirror import ports as ports_of_nodes
from ironic_ext.server.mirror import tenancy
from ironic_ext.server.mirror import uuid_round

LOG = logging.getLogger(__name__)

#: Ironic's times have whole seconds, and its processes write at once.
_OVERLAP = datetime.timedelta(seconds=5)
#: Items of a page of what changed; as many known ones end the look.
_NEWEST = 20
#: Inventories that are asked for in one look, each by a request of its own.
_INVENTORIES = 100
#: Nodes that are asked for one by one when somebody hints at them; of more, a
#: look for changes is cheaper.
_HINTED = 5
#: Seconds between two questions because of hints, and after a failure at
#: most.
_PACE = 0.25
_RETRY = 5.0
#: Ironic shows a project its own nodes alone, and says nothing of others.
_NARROW = ('the login of [ext_ironic] sees no nodes and is that of a project: '
           'set system_scope = all in place of the project')

_Ask = collections.abc.Callable[
    ..., collections.abc.Iterator[ironic_api.Node]]


class HostPoller(follower.Follower):
    """Fills an index from Ironic, in a thread of its own.

    :param interval: seconds between two looks for changes.
    :param resync_interval: seconds between two looks at everything.
    :param inventories: whether to ask for the addresses that
        inspections found.
    :param records: where ends are noted that only this shows.
    :param trusted_owners: see catalog.view.project_of().
    :param history: where it is noted what happens to hosts.
    :param kept: where it is kept for the next start.

    :ivar hints: which nodes to look at next.
    :ivar resync_requests: to Ironic by the last look at everything.
    :ivar resync_seconds: that it took.
    """

    def __init__(self, api: ironic_api.IronicApi,
                 index: host_index.HostIndex, *, interval: float,
                 resync_interval: float, inventories: bool = True,
                 records: record_mirror.RecordMirror | None = None,
                 trusted_owners: collections.abc.Collection[str] = (),
                 history: histories.HistoryWriter | None = None,
                 kept: kept_hosts.KeptHosts | None = None,
                 modes: host_modes.Modes | None = None) -> None:
        super().__init__('host-poller')
        self._api = api
        self._records = records
        self._trusted_owners = trusted_owners
        self._history = history
        self._kept = kept
        self._modes = modes
        self.hints = hinting.Hints()
        self.resync_requests = 0
        self.resync_seconds = 0.0
        self._index = index
        self._interval = interval
        self._resync_interval = resync_interval
        self._inventories = inventories
        self._ports = ports_of_nodes.Ports()
        # Documents by UUID.
        self._nodes: dict[str, ironic_api.Node] = {}
        self._found: dict[str, tuple[str, tuple[str, ...]]] = {}
        # Nodes whose inspection ended since their inventory was read.
        self._inspected: dict[str, str] = {}
        self._seen = {'nodes': ironic_api.EPOCH, 'ports': ironic_api.EPOCH}
        self._any_updated = False
        # Guards all of the above; never held while Ironic is asked.
        self._lock = threading.RLock()
        # Nodes that were looked at since the last look at all began.
        self._noted: set[str] = set()
        # Nodes of which something else is known than is kept.
        self._unkept: set[str] = set()
        self._round = uuid_round.UuidRound(api)

    def refresh(self, uuid: str) -> host_index.Entry:
        """Look at one node now.

        :raises: NotFoundError, IronicError
        """
        try:
            node = self._api.node(uuid)
        except errors.NotFoundError:
            self._forget(uuid)
            raise
        return self.note(node)

    def note(self, node: ironic_api.Node) -> host_index.Entry:
        """Take a node as Ironic answered a change of it."""
        with self._lock:
            self._noted.add(node['uuid'])
            return self._put(node)

    def reread(self, uuids: collections.abc.Iterable[str]) -> None:
        """Look again at what is known of some hosts beside their nodes."""
        for uuid in uuids:
            self._put_again([uuid])

    def recall(self) -> None:
        """Begin with what was known when the server ended."""
        if self._kept is None:
            return
        kept, seen = self._kept.load()
        if seen is None:
            return
        for known in kept:
            uuid = known.node['uuid']
            with self._lock:
                self._ports.recall(uuid, known.macs)
                self._found[uuid] = known.inspected, known.ips
                self._put(known.node)
        with self._lock:
            self._unkept.clear()
        self._index.feed.note_unseen(
            'Ironic was not asked since this server started', seen)
        self._index.loaded.set()
        LOG.info('%(count)d hosts are known as they were at %(seen)s, until '
                 'Ironic tells', {'count': len(kept), 'seen': seen})

    def keep(self) -> None:
        """Keep what has changed, for the next start."""
        if self._kept is None:
            return
        with self._lock:
            unkept, self._unkept = self._unkept, set()
            changed = {uuid: kept_hosts.KeptHost(
                self._nodes[uuid], tuple(sorted(self._ports.macs(uuid))),
                *self._found.get(uuid, ('', ())))
                if uuid in self._nodes else None for uuid in unkept}
        self._kept.save(changed, self._index.feed.seen)

    def resync(self) -> None:
        """Look at all nodes and ports.

        :raises: IronicError
        """
        began, asked = time.monotonic(), self._api.requests
        with self._lock:
            self._noted.clear()
        self._take_all_ports(list(self._api.ports()))
        seen = set()
        for node in self._api.nodes():
            # One at a time: what did not change is let go at once, and
            # machines wait for none of it.
            seen.add(node['uuid'])
            with self._lock:
                self._note_seen('nodes', [self._take_node(node)])
        with self._lock:
            gone = self._nodes.keys() - seen - self._noted
        for uuid in gone:
            self._forget(uuid)
        self._index.problem = _NARROW if (
            not seen and self._api.is_narrow()) else ''
        self._index.loaded.set()
        self.resync_requests = self._api.requests - asked
        self.resync_seconds = time.monotonic() - began

    def catch_up(self) -> None:
        """Look at what changed last.

        :raises: IronicError
        """
        nodes = self._newest('nodes', self._api.nodes)
        ports = self._newest('ports', self._api.ports)
        with self._lock:
            self._take_changes(nodes, ports)
            self._note_seen('nodes', nodes)
            self._note_seen('ports', ports)

    def look_for_deleted(self) -> None:
        """Look at the next thousand UUIDs; forget what a round did not meet.

        :raises: IronicError
        """
        for uuid in self._round.go_on(lambda: set(self._nodes)):
            self._forget(uuid)

    def follow_hints(self) -> None:
        """Look at what somebody has hinted at.

        :raises: IronicError
        """
        hinted = self.hints.take()
        if len(hinted) > _HINTED:
            self.catch_up()
            # It does not find those, unless they are not known anyway.
            hinted = {uuid: what for uuid, what in hinted.items()
                      if hinting.What.GONE in what and uuid in self._nodes}
            self.hints.add_again(dict(itertools.islice(
                hinted.items(), _HINTED, None)))
        for uuid, what in itertools.islice(hinted.items(), _HINTED):
            with contextlib.suppress(errors.NotFoundError):
                if hinting.What.PORTS in what:
                    found = list(self._api.ports(node=uuid))
                    with self._lock:
                        self._put_again(self._ports.take_all_of(uuid, found))
                self.refresh(uuid)

    def look_into_inventories(self) -> None:
        """Ask what inspections found that ended since the last look.

        :raises: IronicError
        """
        if not self._inventories:
            return
        with self._lock:
            inspected = dict(itertools.islice(self._inspected.items(),
                                              _INVENTORIES))
            for uuid in inspected:
                del self._inspected[uuid]
        for uuid, finished in inspected.items():
            try:
                ips = hosts.inventory_ips(self._api.inventory(uuid))
            except errors.ServerError:
                with self._lock:
                    self._inspected = {**inspected, **self._inspected}
                raise
            with self._lock:
                self._found[uuid] = (finished, ips)
                self._put_again([uuid])

    def _newest(self, kind: str, ask: _Ask) -> list[ironic_api.Node]:
        """Return what changed since the last look, and perhaps some more."""
        found: dict[str, ironic_api.Node] = {}
        floor = self._seen[kind] - _OVERLAP
        for key in ('updated_at', 'created_at'):
            known = 0
            for item in ask(newest=key, page=_NEWEST):
                when = ironic_api.time_of(item.get(key))
                if when is None:
                    # Never updated, and found by its creation.
                    # (PostgreSQL has such nodes first, others have them
                    # last. MACs of ports that change there are found by the
                    # look at everything.)
                    if found or kind == 'ports' or not self._any_updated:
                        break
                    continue
                if when < floor:
                    break
                known = known + 1 if self._knows(item) else 0
                if known == _NEWEST:
                    break
                found[item['uuid']] = item
        return list(found.values())

    def _knows(self, item: ironic_api.Node) -> bool:
        """Tell whether nothing is new about a node or a port."""
        if 'address' in item:
            return self._ports.knows(item)
        known = self._nodes.get(item['uuid'])
        return known is not None and (ironic_api.changed_at(known)
                                      == ironic_api.changed_at(item))

    def _take_changes(self, nodes: collections.abc.Iterable[
            ironic_api.Node], ports: collections.abc.Iterable[
                ironic_api.Node]) -> None:
        touched = self._ports.take(ports)
        for node in nodes:
            self._take_node(node)
        self._put_again(touched)

    def _take_node(self, node: ironic_api.Node) -> ironic_api.Node:
        """Take a node unless it is known; return what is known of it now."""
        newer = self._newer(node)
        if newer is not self._nodes.get(node['uuid']):
            self._put(newer)
        return newer

    def _take_all_ports(self, ports: collections.abc.Collection[
            ironic_api.Node]) -> None:
        """Note all ports there are, and what hosts have other MACs now."""
        with self._lock:
            touched = self._ports.take_all(ports)
            self._note_seen('ports', ports)
        for uuid in touched:
            self._put_again([uuid])

    def _put_again(self, uuids: collections.abc.Iterable[str]) -> None:
        """Put hosts of which something else is known than of their nodes."""
        with self._lock:
            for uuid in uuids:
                if uuid in self._nodes:
                    self._put(self._nodes[uuid])

    def _forget(self, uuid: str) -> None:
        with self._lock:
            self._unkept.add(uuid)
            self._nodes.pop(uuid, None)
            self._found.pop(uuid, None)
            self._index.remove(uuid)
        if self._history is not None:
            self._history.forget(uuid)

    def _put(self, node: ironic_api.Node) -> host_index.Entry:
        uuid = node['uuid']
        finished = node.get('inspection_finished_at') or ''
        if finished and self._found.get(uuid, ('', ()))[0] != finished:
            self._inspected[uuid] = finished
        host = hosts.from_node(
            node, self._ports.macs(uuid),
            self._found.get(uuid, ('', ()))[1],
            self._records.of(uuid).address if self._records else '',
            self._trusted_owners)
        if self._modes is not None:
            host = self._modes.of(host, node.get('instance_info') or {})
        before = self._index.by_uuid(uuid)
        if before is not None and tenancy.has_ended(before, host):
            # First: what the next one has is not to be had by old tokens.
            self._end_tokens(host)
        self._nodes[uuid] = node
        self._unkept.add(uuid)
        self._any_updated |= bool(node.get('updated_at'))
        if before not in (None, host) and self._history is not None:
            self._history.note_change(before, host,
                                      str(node.get('updated_at') or ''))
        return self._index.put(host)

    def _end_tokens(self, host: hosts.Host) -> None:
        """Note that the tokens of a host are over.

        :raises: UnavailableError
        """
        if self._records is None:
            return
        try:
            self._records.end(
                host.uuid, above=host.token_generation,
                generation=self._records.of(host.uuid).generation)
        except host_records.RecordsError as exc:
            raise errors.UnavailableError(str(exc)) from exc

    def _newer(self, node: ironic_api.Node) -> ironic_api.Node:
        """Return a node, or what is known if that is the same or newer."""
        known = self._nodes.get(node['uuid'])
        if known is None:
            return node
        newer = known == node or (ironic_api.changed_at(known)
                                  > ironic_api.changed_at(node))
        return known if newer else node

    def _note_seen(self, kind: str, items: collections.abc.Iterable[
            ironic_api.Node]) -> None:
        self._seen[kind] = max([self._seen[kind],
                                *map(ironic_api.changed_at, items)])

    def _say(self, problem: str) -> None:
        """Tell those who look at hosts what is wrong, '' for nothing."""
        feed = self._index.feed
        if not problem:
            feed.note_seen()
        elif feed.staleness is None or feed.staleness.reason != problem:
            LOG.error('There are no hosts: %s', problem)
            feed.note_unseen(problem)

    def stop(self) -> None:
        """Follow no more, in a moment; what is known stays."""
        self.ending.set()
        self.hints.wake()
        super().stop()

    def run(self) -> None:
        """Follow Ironic until it is time to go."""
        resync_at = look_at = 0.0
        failing = False
        first = True
        self.recall()
        while not self.ending.is_set():
            now = time.monotonic()
            try:
                if now >= resync_at:
                    self.resync()
                    if first:
                        first = False
                        # Ten thousand hosts that stay make the collector
                        # hold up all threads for a quarter of a second.
                        gc.collect()
                        gc.freeze()
                    resync_at = time.monotonic() + self._resync_interval
                elif now >= look_at:
                    self.catch_up()
                    self.look_for_deleted()
                self.follow_hints()
                self.look_into_inventories()
                if now >= look_at:
                    look_at = time.monotonic() + self._interval
                    self._say(self._index.problem)
                if failing:
                    LOG.info('Ironic answers again')
                failing = False
            except errors.ServerError as exc:
                if not failing:
                    LOG.error('Hosts are not up to date: %s', str(exc))
                failing = True
                self._index.feed.note_unseen(str(exc))
            except Exception as exc:
                LOG.exception('Hosts are not up to date')
                failing = True
                self._index.feed.note_unseen(
                    f'{type(exc).__name__}: see the server\'s log')
            self.keep()
            if failing:
                # A look finds all that was to be looked at.
                look_at = 0.0
            self._pause(look_at or now + min(self._interval, _RETRY))
        if self._kept is not None:
            self._kept.close()

    def _pause(self, until: float) -> None:
        """Wait until that time, or until there are hints; not too short."""
        self.ending.wait(min(self._interval, _PACE))
        if not self.ending.is_set():
            self.hints.wait(until - time.monotonic())
