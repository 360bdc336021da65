# SPDX-License-Identifier: Apache-2.0

"""The catalog close at hand: what machines ask for, and what changed.

Several servers share the catalog's database, so its log of changes is
followed. What this process changes is known at once, what another one
changes after [ext_server]catalog_interval.
"""

import collections
import collections.abc
import contextlib
import json
import logging
import threading
import typing

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import store
from ironic_ext import config_formats
from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.mirror import follower

LOG = logging.getLogger(__name__)

_HISTORY = 10000
#: Bytes of configs' data that are kept, and how many resources.
_MAX_BYTES = 128 << 20
_MAX_ITEMS = 20000
_PAGE = 500
_ISO, _CONFIG = catalog.ISCSICdrom.kind, catalog.BootConfig.kind

#: Is told after each look which BootConfigs changed, by name; None for any.
Listener = collections.abc.Callable[[set[str] | None], None]


class AtHand:
    """What is in memory, for which the database is not asked. Thread-safe.

    Each machine's answer looks here, without a lock.

    :ivar generation: another one after each change: what was concluded from
        the resources of one holds as long as it is that.
    :ivar items: by kind and name; None stands for a resource that does not
        exist. What was read first comes first.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.generation = 0
        self.items: collections.OrderedDict[
            tuple[str, str], typing.Any] = collections.OrderedDict()

    def iso(self, name: str) -> catalog.ISCSICdrom | None:
        """Return an ISO, or None.

        :raises: KeyError when it is not at hand
        """
        found: catalog.ISCSICdrom | None = self.items[_ISO, name]
        return found

    def config(self, name: str) -> catalog.BootConfig | None:
        """Return a BootConfig with its data, or None.

        :raises: KeyError when it is not at hand
        """
        found: catalog.BootConfig | None = self.items[_CONFIG, name]
        return found


class CatalogMirror(follower.Follower):
    """A cache of resources by name, and a feed. Thread-safe.

    :ivar at_hand: what of the catalog is in memory.
    """

    def __init__(self, catalog: store.Catalog, interval: float) -> None:
        """Begin with what the catalog is now.

        :param interval: seconds between two looks.
        :raises: DatabaseError
        """
        super().__init__('catalog-mirror')
        self._catalog = catalog
        self._interval = interval
        self.feed = feeds.Feed(_HISTORY, catalog.revision())
        self.at_hand = AtHand()
        self._bytes = 0
        # Guards what is at hand; whoever reads it reads a generation first.
        self._lock = threading.Lock()
        self._following = threading.Lock()
        self._listener: Listener = lambda names: None

    # What machines ask for

    def iso(self, name: str) -> catalog.ISCSICdrom | None:
        """Return an ISO, or None.

        :raises: DatabaseError
        """
        return typing.cast('catalog.ISCSICdrom | None',
                           self._get(catalog.ISCSICdrom, name))

    def config(self, name: str) -> catalog.BootConfig | None:
        """Return a BootConfig with its data, or None.

        :raises: DatabaseError
        """
        return typing.cast('catalog.BootConfig | None',
                           self._get(catalog.BootConfig, name))

    def _get(self, kind: type[resources.Resource], name: str
             ) -> resources.Resource | None:
        known, key = self.at_hand, (kind.kind, name)
        generation = known.generation
        with contextlib.suppress(KeyError):
            kept: resources.Resource | None = known.items[key]
            return kept
        found = typing.cast(
            'resources.Resource | None', self._catalog.find(
                typing.cast('typing.Any', kind), name))
        with self._lock:
            # What changed while the database was asked is not kept.
            if generation == known.generation and key not in known.items:
                known.items[key] = found
                self._bytes += _size(found)
                while (self._bytes > _MAX_BYTES
                       or len(known.items) > _MAX_ITEMS):
                    self._bytes -= _size(known.items.popitem(last=False)[1])
        return found

    # What changed

    def tell(self, listener: Listener) -> None:
        """Have somebody told of changes from now on."""
        self._listener = listener

    def follow(self) -> None:
        """Take in what changed since the last look.

        :raises: DatabaseError
        """
        names: set[str] = set()
        is_any = False
        with self._following:
            complete = self._catalog.revision() == self.feed.last
            while not complete:
                try:
                    found = self._catalog.changes(self.feed.last)
                except catalog.TooOldError:
                    self._start_over()
                    is_any = True
                    break
                complete = found.complete
                with self._lock:
                    for change in found.changes:
                        self._forget(change.kind, change.name)
                    self.at_hand.generation += 1
                for change in found.changes:
                    if change.type != feeds.DELETED:
                        self._get(resources.KINDS[change.kind], change.name)
                self.feed.publish(list(map(_event, found.changes)),
                                  found.revision)
                names.update(change.name for change in found.changes
                             if change.kind == catalog.BootConfig.kind)
        self._listener(None if is_any else names)

    def is_at_hand(self, since: int) -> bool:
        """Tell whether :meth:`events` needs no database."""
        return self.feed.reaches(since)

    def events(self, since: int) -> tuple[list[feeds.Event], int]:
        """Return the events after a revision, and how far they reach.

        :raises: GoneError, DatabaseError
        """
        feed = self.feed
        if feed.reaches(since):
            reached = feed.last
            found = feed.after(since)
            return found, found[-1].number if found else max(since, reached)
        try:
            # Before this process began, or longer ago than it remembers.
            changes = self._catalog.changes(since, limit=_PAGE)
        except catalog.TooOldError as exc:
            raise errors.GoneError(str(exc)) from exc
        return list(map(_event, changes.changes)), changes.revision

    def _forget(self, kind: str, name: str) -> None:
        items = self.at_hand.items
        if (kind, name) in items:
            self._bytes -= _size(items.pop((kind, name)))

    def _start_over(self) -> None:
        """Forget everything: too much changed, or the database is new."""
        old, self.feed = self.feed, feeds.Feed(
            _HISTORY, self._catalog.revision())
        with self._lock:
            self.at_hand.items.clear()
            self._bytes = 0
            self.at_hand.generation += 1
        old.close()

    def _warm(self) -> None:
        """Read what machines may ask for, before they all do at once."""
        for kind in (catalog.ISCSICdrom, catalog.BootConfig):
            following = ''
            while True:
                page = self._catalog.page(typing.cast('typing.Any', kind),
                                          after=following)
                for item in page.items:
                    if self.ending.is_set() or self._bytes > _MAX_BYTES // 2:
                        return
                    self._get(kind, item.metadata.name)
                following = page.following
                if not following:
                    break

    def run(self) -> None:
        """Follow the catalog until it is time to go."""
        failing = False
        try:
            # Entry points take long to load, too.
            config_formats.names()
            self._warm()
        except catalog.CatalogError as exc:
            LOG.error('The catalog cannot be read: %s', str(exc))
        while not self.ending.wait(self._interval):
            try:
                self.follow()
                failing = False
                self.feed.note_seen()
            except catalog.CatalogError as exc:
                if not failing:
                    LOG.error('The catalog cannot be followed: %s', str(exc))
                failing = True
                self.feed.note_unseen(str(exc))
            except Exception as exc:
                LOG.exception('The catalog cannot be followed')
                self.feed.note_unseen(
                    f'{type(exc).__name__}: see the server\'s log')


def _event(change: store.Change) -> feeds.Event:
    return feeds.Event(
        change.revision, change.type, change.kind,
        json.dumps(change.document, separators=(',', ':')).encode())


def _size(resource: resources.Resource | None) -> int:
    if isinstance(resource, catalog.BootConfig):
        return sum(map(len, resource.spec.data.values()))
    return 0
