# SPDX-License-Identifier: Apache-2.0

"""Notes what happens to hosts, without a wait for those who see it."""

import collections
import logging
import time

from ironic_ext import host_records
from ironic_ext.node import changes
from ironic_ext.node import host as hosts
from ironic_ext.server.mirror import follower

LOG = logging.getLogger(__name__)

#: Seconds between two writes.
_INTERVAL = 1.0
#: Events that wait for the database; later ones are lost.
_WAITING = 20000
#: What a machine fetches again within so many seconds is no event, unless
#: something else happened to its host.
_AGAIN = 3600
#: What is remembered of a host: others may ask for its script, too.
_REMEMBERED = 32
#: Of a host that was deleted: it is no event.
_GONE = 'gone'


class HistoryWriter(follower.Follower):
    """Writes events in a thread of its own. Thread-safe."""

    def __init__(self, history: host_records.History) -> None:
        """Take where they are kept."""
        super().__init__('history-writer')
        self._history = history
        self._waiting: collections.deque[host_records.Event] = (
            collections.deque(maxlen=_WAITING))
        # By node: when what was fetched last. Each answer looks at it.
        self._fetched: dict[str, dict[tuple[str, str, str], float]] = {}

    def note_change(self, before: hosts.Host, after: hosts.Host,
                    version: str) -> None:
        """Note what a look at a host shows.

        :param version: of its node, as all servers see it.
        """
        now = time.time()
        found = [host_records.Event(after.uuid, now, change.kind,
                                    change.text, _whose(after), version)
                 for change in changes.between(before, after)]
        if found:
            self._fetched.pop(after.uuid, None)
            self._waiting.extend(found)

    def note_fetched(self, host: hosts.Host, kind: str, text: str,
                     address: str) -> None:
        """Note what a machine was given.

        :param address: of who asked.
        """
        node = host.uuid
        now = time.time()
        known = self._fetched.get(node)
        if known is None:
            known = self._fetched[node] = {}
        key = kind, text, address
        if now - known.get(key, 0) < _AGAIN:
            return
        if len(known) >= _REMEMBERED:
            known.clear()
        known[key] = now
        self._waiting.append(host_records.Event(
            node, now, kind, f'{text} fetched by {address}', _whose(host)))

    def note_read(self, host: hosts.Host, text: str, at: float,
                  medium: str) -> None:
        """Note what was read of a medium.

        :param at: seconds since the epoch.
        :param medium: its id.
        """
        self._waiting.append(host_records.Event(
            host.uuid, at, changes.READ, text, _whose(host), medium))

    def of(self, host: hosts.Host, limit: int) -> list[host_records.Event]:
        """Return what happened while it had its present owner and lessee.

        :raises: RecordsError
        """
        return self._history.of(host.uuid, _whose(host), limit)

    def forget(self, node: str) -> None:
        """Forget a host that is gone."""
        self._fetched.pop(node, None)
        self._waiting.append(host_records.Event(node, 0, _GONE, ''))

    def stop(self) -> None:
        """Write what is left, and no more."""
        super().stop()
        self._write()

    def run(self) -> None:
        """Write until it is time to go."""
        while not self.ending.wait(_INTERVAL):
            self._write()

    def _write(self) -> None:
        events: dict[tuple[str, str], host_records.Event] = {}
        gone: set[str] = set()
        while self._waiting:
            event = self._waiting.popleft()
            if event.kind == _GONE:
                gone.add(event.node)
            else:
                events.setdefault((event.node, event.mark), event)
        try:
            if events:
                self._history.add(events.values())
            for node in gone:
                self._history.forget(node)
        except host_records.RecordsError as exc:
            LOG.warning('%s events of hosts are lost: %s', len(events),
                        str(exc))


def _whose(host: hosts.Host) -> str:
    return f'{host.owner}/{host.lessee}'
