# SPDX-License-Identifier: Apache-2.0

"""All hosts in memory: found by name, MAC or IP without a scan."""

import bisect
import collections.abc
import dataclasses
import secrets
import threading

from ironic_ext.node import host as hosts
from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds

_HISTORY = 20000

#: Takes an owner and a lessee.
Sees = collections.abc.Callable[[str, str], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A host as it was last told.

    :ivar version: its resource version.
    :ivar document: JSON.
    """

    host: hosts.Host
    version: str
    document: bytes


class HostIndex:
    """All hosts, by name, address and node. Thread-safe.

    Resource versions hold for this process only: they begin with a word
    that no other process has.
    """

    def __init__(self, history: int = _HISTORY) -> None:
        """Begin without any hosts, and not loaded."""
        self._epoch = secrets.token_hex(4)
        self.feed = feeds.Feed(history)
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}
        self._names: list[tuple[str, str]] = []
        self._keys: dict[tuple[str, str], str] = {}
        # Sets are replaced, never changed: machines ask without the lock,
        # and wait for nobody who lists or watches.
        self._found: dict[str, dict[str, frozenset[str]]] = {
            index: {} for index in ('mac', 'ip', 'image', 'config')}
        #: Whether Ironic was asked once.
        self.loaded = threading.Event()
        #: Why there cannot be any, '' where all is well.
        self.problem = ''

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    @property
    def version(self) -> str:
        """Resource version of the whole: a watch from it misses nothing."""
        return self.version_at(self.feed.last)

    def version_at(self, number: int) -> str:
        """Return the resource version of an event."""
        return f'{self._epoch}.{number}'

    def number_of(self, version: str) -> int:
        """Return the event of a resource version.

        :raises: GoneError for one of another process
        """
        epoch, _, number = version.partition('.')
        if epoch != self._epoch or not number.isdecimal() or len(
                number) > 18:
            raise errors.GoneError(
                'that resource version is none of this server: list the '
                'hosts again')
        return int(number)

    # Reading

    def get(self, namespace: str, name: str) -> Entry | None:
        """Return a host by its name."""
        with self._lock:
            uuid = self._keys.get((namespace, name))
            return None if uuid is None else self._entries[uuid]

    def by_uuid(self, uuid: str) -> hosts.Host | None:
        """Return a host by its node's UUID."""
        entry = self._entries.get(uuid)
        return entry.host if entry else None

    def by_mac(self, mac: str) -> list[hosts.Host]:
        """Return the hosts with a MAC, as hosts.mac() writes it."""
        return self._by('mac', mac)

    def by_ip(self, ip: str) -> list[hosts.Host]:
        """Return the hosts with an address, as hosts.address() writes it."""
        return self._by('ip', ip)

    def users(self, index: str, name: str) -> list[hosts.Host]:
        """Return the hosts that name an ``image`` or a ``config``."""
        return self._by(index, name)

    def used(self, index: str) -> list[str]:
        """Return each ``image`` or ``config`` that some host names."""
        return list(self._found[index])

    def _by(self, index: str, value: str) -> list[hosts.Host]:
        found = self._found[index].get(value)
        if not found:
            return []
        return [entry.host for entry in map(self._entries.get, found)
                if entry is not None]

    def page(self, *, namespace: str = '', search: str = '',
             after: tuple[str, str] = ('', ''), limit: int = 500,
             sees: Sees = lambda owner, lessee: True) -> tuple[
                 list[Entry], bool, str]:
        """Return hosts in the order of their names.

        :param search: part of a name, a MAC or an IP.
        :param after: key of the last host of the page before.
        :param sees: tells those that are wanted by owner and lessee.
        :returns: them, whether there are more, and the version as of now.
        """
        found: list[Entry] = []
        wanted = search.strip().lower()
        with self._lock:
            version = self.version
            start = bisect.bisect_right(self._names, after)
            for key in self._names[start:]:
                if namespace and key[0] != namespace:
                    continue
                entry = self._entries[self._keys[key]]
                if wanted and not _has(entry.host, wanted):
                    continue
                if not sees(entry.host.owner, entry.host.lessee):
                    continue
                if len(found) == limit:
                    return found, True, version
                found.append(entry)
        return found, False, version

    # Writing

    def put(self, host: hosts.Host) -> Entry:
        """Add or replace a host; tell of it if it changed."""
        with self._lock:
            old = self._entries.get(host.uuid)
            if old is not None and old.host == host:
                return old
            known = self._keys.get(host.key)
            if known is not None and known != host.uuid:
                # A name went from one node to another between two looks.
                self.remove(known)
            # To those who may not see it any more it is gone.
            is_new = old is None or (
                old.host.key, *_whose(old.host)) != (
                    host.key, *_whose(host))
            if old is not None and is_new:
                self._tell(feeds.DELETED, old.host)
            entry = self._tell(feeds.ADDED if is_new else feeds.MODIFIED,
                               host)
            # In one step for who asks by a MAC or an address meanwhile.
            self._entries[host.uuid] = entry
            self._move(old.host if old else None, host)
            return entry

    def remove(self, uuid: str) -> None:
        """Forget a host, if it is there, and tell of it."""
        with self._lock:
            entry = self._entries.pop(uuid, None)
            if entry is not None:
                self._move(entry.host, None)
                self._tell(feeds.DELETED, entry.host)

    def _tell(self, kind_of_change: str, host: hosts.Host) -> Entry:
        number = self.feed.last + 1
        version = self.version_at(number)
        entry = Entry(host, version, hosts.encoded(host, version))
        self.feed.publish([feeds.Event(number, kind_of_change, hosts.KIND,
                                       entry.document, host.namespace,
                                       _whose(host))])
        return entry

    def _move(self, old: hosts.Host | None, new: hosts.Host | None) -> None:
        """Note what a host is found by now, then what it no longer is."""
        before, after = _indexed(old), _indexed(new)
        uuid = {host.uuid for host in (old, new) if host is not None}
        for index, value in after - before:
            found = self._found[index]
            found[value] = found.get(value, frozenset()) | uuid
        for index, value in before - after:
            found = self._found[index]
            found[value] -= uuid
            if not found[value]:
                del found[value]
        if new is not None and (old is None or old.key != new.key):
            self._keys[new.key] = new.uuid
            bisect.insort(self._names, new.key)
        if old is not None and (new is None or old.key != new.key):
            del self._keys[old.key]
            del self._names[bisect.bisect_left(self._names, old.key)]


def _whose(host: hosts.Host) -> tuple[str, str]:
    return host.owner, host.lessee


def _indexed(host: hosts.Host | None) -> set[tuple[str, str]]:
    """Return what a host is found by: an index, and a value there."""
    if host is None:
        return set()
    return {*(('mac', mac) for mac in host.macs),
            *(('ip', ip) for ip in host.ips),
            *((index, value) for index, value in (
                ('image', host.image), ('config', host.config_name))
              if value)}


def _has(host: hosts.Host, text: str) -> bool:
    return (text in host.name.lower()
            or any(text in mac for mac in host.macs)
            or any(text in ip for ip in host.ips))
