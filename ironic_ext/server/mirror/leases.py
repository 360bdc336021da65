# SPDX-License-Identifier: Apache-2.0

"""Leases of dnsmasq: who has an address now, by the MAC.

Files as dnsmasq writes them (--dhcp-leasefile): a line has the second of
its end, the MAC, the address, a name and a client id. Leases of DHCPv6 tell
no MAC, and are left out.
"""

import collections.abc
import logging
import os
import threading
import time

from ironic_ext.node import host as hosts

LOG = logging.getLogger(__name__)

#: Bytes; a lease has about 80.
_MAX_SIZE = 64 << 20
#: Nanoseconds after a change in which another one may have the same time.
_TICK = 20_000_000
_TRIES = 5


class LeaseFile:
    """A file of leases. Thread-safe; what changes is seen at once."""

    def __init__(self, path: str) -> None:
        """Take the path; nothing needs to be there yet."""
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._text = b''
        self._failing = False

    def macs(self, address: str) -> set[str]:
        """Return the MACs that lease an address.

        :param address: as hosts.address() writes it.
        """
        text = self._read()
        wanted = f' {address} '.encode()
        found = set()
        # Not one line of ten thousand is parsed that need not be: the file
        # changes with each lease.
        place = text.find(wanted)
        while place >= 0:
            start, end = text.rfind(b'\n', 0, place) + 1, text.find(
                b'\n', place)
            if end >= 0:
                found.add(_mac(text[start:end].decode(errors='replace'),
                               address))
            place = text.find(wanted, place + 1)
        return found - {''}

    def _read(self) -> bytes:
        with self._lock:
            try:
                for _try in range(_TRIES):
                    now = _state(self._path)
                    if now == self._seen:
                        return self._text
                    with open(self._path, 'rb') as file:
                        self._text = file.read(_MAX_SIZE)
                    # It is written in place: look until it holds still.
                    if _state(self._path) == now:
                        break
                settled = time.time_ns() - now[0] > _TICK
                self._seen = now if settled else ()
                self._failing = False
            except OSError as exc:
                self._text, self._seen = b'', ()
                if not self._failing:
                    LOG.warning('Leases cannot be read '
                                '([ext_server]dhcp_lease_files): %s', exc)
                self._failing = True
            return self._text


class Leases:
    """All files of leases."""

    def __init__(self, paths: collections.abc.Iterable[str] = ()) -> None:
        self._files = tuple(map(LeaseFile, paths))

    def macs(self, address: str) -> set[str]:
        """Return the MACs that lease an address, see LeaseFile.macs()."""
        return {mac for file in self._files for mac in file.macs(address)}


def _state(path: str) -> tuple[int, ...]:
    """Return what differs after a change of a file; first when it was."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _mac(line: str, address: str) -> str:
    """Return the MAC of a line about an address, '' for none or expired."""
    fields = line.split()
    if len(fields) < 4 or fields[2] != address or not (
            fields[0].isascii() and fields[0].isdecimal()):
        return ''
    # Zero stands for a lease without an end.
    if 0 < int(fields[0][:18]) < time.time():
        return ''
    return hosts.mac(fields[1])
