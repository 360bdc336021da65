# SPDX-License-Identifier: Apache-2.0

"""Who is connected: not too many, and nobody who keeps us waiting.

Knows no HTTP. Whom the server waits for has a time to be heard, and makes
room for others when there is none; whom it works for is left alone.
"""

import asyncio
import collections
import collections.abc
import dataclasses
import logging
import resource
import ssl
import typing

from ironic_ext.web import client_address

LOG = logging.getLogger(__name__)

#: Seconds between two looks for those whose time is over, and between two
#: complaints that there are too many.
_LOOK = 1.0
_SILENCE = 60.0
#: Open files that are not connections: databases, logs, uploads, threads'
#: own connections to Ironic.
_OTHER_FILES = 32


@dataclasses.dataclass(frozen=True)
class Limits:
    """What clients may have.

    :ivar connections: in all.
    :ivar per_address: of one address, or of one network of 64 bits.
    :ivar head: seconds for TLS and for the head of a request.
    :ivar idle: seconds for the next request.
    :ivar stall: seconds in which nothing is taken of an answer, or nothing
        to speak of comes of a body.
    :ivar rate: bytes a second that a body has to come with beyond these.
    :ivar linger: seconds for what is sent after the last answer.
    """

    connections: int = 1024
    per_address: int = 256
    head: float = 10.0
    idle: float = 30.0
    stall: float = 30.0
    rate: int = 8 << 10
    linger: float = 2.0


class Connection(typing.Protocol):
    """What is counted.

    :ivar host: the address of the client, '' when nobody knows.
    """

    host: str

    def expire(self) -> None:
        """End: the client's time is over."""

    def abort(self) -> None:
        """End at once."""


@dataclasses.dataclass(slots=True)
class _Wait:
    """Since when a client is waited for, and until when."""

    since: float
    until: float


class Connections:
    """All connections of a server; for the thread of its event loop."""

    def __init__(self, limits: Limits, is_exempt: collections.abc.Callable[
            [str], bool], tls: ssl.SSLContext | None = None) -> None:
        """Begin without any.

        :param is_exempt: tells whether an address may have all connections
            that there are, as a proxy that speaks for others.
        :param tls: what clients have to speak first.
        """
        self.limits = limits
        self.tls = tls
        #: Who begins TLS, one at a time.
        self.turn = asyncio.Lock()
        #: Where all of them receive, one at a time.
        self.buffer = memoryview(bytearray(64 << 10))
        self._most = min(limits.connections, _affordable())
        self._is_exempt = is_exempt
        self._all: dict[Connection, bytes] = {}
        self._by_address: collections.Counter[bytes] = collections.Counter()
        self._waiting: dict[Connection, _Wait] = {}
        self._silent_until = 0.0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def enter(self, connection: Connection, now: float) -> bool:
        """Count one; tell whether it may stay.

        :param now: seconds, of the event loop's clock.
        """
        key = client_address.client_of(connection.host)
        if (self._by_address[key] >= self.limits.per_address
                and not self._is_exempt(connection.host)
                and not self._make_room(key)):
            return False
        if len(self._all) >= self._most:
            self.complain(now, 'there are %d already', self._most)
            if not self._make_room():
                return False
        self._all[connection] = key
        self._by_address[key] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """Count one no more; any number of times."""
        key = self._all.pop(connection, None)
        self._waiting.pop(connection, None)
        if key is not None:
            self._by_address[key] -= 1
            if not self._by_address[key]:
                del self._by_address[key]

    def wait(self, connection: Connection, since: float, seconds: float
             ) -> None:
        """Note that a client is waited for.

        :param since: when that began.
        :param seconds: that it has from then on.
        """
        if connection in self._all:
            self._waiting[connection] = _Wait(since, since + seconds)

    def work(self, connection: Connection) -> None:
        """Note that it is the client's turn to wait."""
        self._waiting.pop(connection, None)

    def expire(self, now: float) -> None:
        """End those whose time is over."""
        for connection in [connection for connection, wait
                           in self._waiting.items() if wait.until <= now]:
            connection.expire()

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look for those whose time is over, as long as a loop runs."""
        self.expire(loop.time())
        loop.call_later(_LOOK, self.follow, loop)

    def lack(self, now: float, problem: OSError) -> None:
        """Go on when the system has nothing left for a new one."""
        self.complain(now, '%s', problem)
        for _number in range(1 + len(self._waiting) // 4):
            self._make_room()

    def complain(self, now: float, why: str, what: object) -> None:
        """Log what every connection may meet, but not for each."""
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE
            LOG.error('No connection can be accepted: ' + why + '; those '
                      'that are waited for longest are closed', what)

    def _make_room(self, key: bytes | None = None) -> bool:
        """End whom is waited for the longest time; tell whether one was.

        :param key: of the address that needs the room.
        """
        victim = min((connection for connection in self._waiting
                      if key is None or self._all[connection] == key),
                     key=lambda connection: self._waiting[connection].since,
                     default=None)
        if victim is None:
            return False
        victim.abort()
        self.leave(victim)
        return True


def _affordable() -> int:
    """Return the connections that there are open files for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return 1 << 20
    return max(hard * 3 // 4 - _OTHER_FILES, 8)
