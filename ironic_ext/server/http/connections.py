# SPDX-License-Identifier: Apache-2.0

"""Who is connected: not too many, and nobody who keeps us waiting.

Knows no HTTP. Whom the server waits for has a time to be heard, and makes
room for others when there is none; whom it works for is left alone.
"""

import asyncio
import collections
import collections.abc
import dataclasses
import fcntl
import itertools
import logging
import resource
import socket
import ssl
import sys
import termios
import typing

from ironic_ext.server.http import turns
from ironic_ext.web import client_address

LOG = logging.getLogger(__name__)

#: Seconds between two looks for those whose time is over, and between two
#: complaints that there are too many.
_LOOK = 1.0
_SILENCE = 60.0
#: Open files that are not connections: databases, logs, uploads, threads'
#: own connections to Ironic.
_OTHER_FILES = 32
#: Connections that are looked at until one is found that is to make room.
_LOOKED_AT = 16
#: Those that are ended in one go, others being heard between.
_ENDED = 8
#: Those that are accepted before somebody has a turn to compute.
_ENTERED = 16
#: Clients of whom is known how their last connection went.
_REMEMBERED = 1 << 14


@dataclasses.dataclass(frozen=True)
class Limits:
    """What clients may have.

    :ivar connections: in all.
    :ivar per_address: of one address, or of one network of 64 bits.
    :ivar head: seconds for TLS and for the head of a request.
    :ivar idle: seconds for the next request, up to a 32nd less.
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
    :ivar was_served: whether the client had an answer and left, True, or
        made us wait for the rest of what it had begun, False; None for
        neither.
    """

    host: str
    was_served: bool | None

    def expire(self) -> None:
        """End: the client's time is over."""

    def abort(self) -> None:
        """End at once."""

    def compute(self) -> None:
        """Do what was to wait for its turn."""

    def has_unread(self) -> bool:
        """Tell whether something came that was not looked at yet."""


#: When those have their turn who were served, who were not, who are new.
_RANKS = {True: turns.KNOWN, False: turns.LAST, None: turns.USUAL}

#: Those that are waited for, the one that is for longest first: since when,
#: until when, and for how long at most.
_Queue = collections.OrderedDict[Connection, tuple[float, float, float]]
#: The part of a client's time that it may have less, so that not each request
#: over a connection that is kept begins another one.
_LESS = 1 / 32


class _Address:
    """What one address has.

    :ivar key: see client_address.client_of().
    """

    __slots__ = ('key', 'count', 'waiting')

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.count = 0
        self.waiting: _Queue = collections.OrderedDict()


class Connections:
    """All connections of a server; for the thread of its event loop.

    What one costs does not depend on how many there are: whoever connects
    and says nothing is to have no part of what others wait for.
    """

    def __init__(self, limits: Limits, is_exempt: collections.abc.Callable[
            [str], bool], tls: ssl.SSLContext | None = None) -> None:
        """Begin without any.

        :param is_exempt: tells whether an address may have all connections
            that there are, as a proxy that speaks for others.
        :param tls: what clients have to speak first.
        """
        self.limits = limits
        self.tls = tls
        #: Which all of them are of.
        self.loop: asyncio.AbstractEventLoop
        #: Where the server listens: its address and port.
        self.server = '', 0
        #: Where all of them receive, one at a time.
        self.buffer = memoryview(bytearray(64 << 10))
        self._most = min(limits.connections, _affordable())
        self._is_exempt = is_exempt
        self._all: dict[Connection, _Address] = {}
        self._addresses: dict[bytes, _Address] = {}
        self._waiting: _Queue = collections.OrderedDict()
        self._silent_until = 0.0
        self._turns: turns.Turns[Connection] = turns.Turns()
        self._has_turns = self._has_entered = False
        self._passed = 0
        # Of clients, the last ones last: whether they were served.
        self._served: collections.OrderedDict[bytes, bool] = (
            collections.OrderedDict())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    def enter(self, connection: Connection, now: float) -> bool:
        """Count one, and wait for its head; tell whether it may stay.

        :param now: seconds, of the event loop's clock.
        """
        key = client_address.client_of(connection.host)
        address = self._addresses.get(key) or _Address(key)
        if (address.count >= self.limits.per_address
                and not self._is_exempt(connection.host)
                and not self._make_room(address.waiting)):
            return False
        if len(self._all) >= self._most:
            self.complain(now, 'there are %d already', self._most)
            if not self._make_room(self._waiting):
                return False
        # The last of it may have made room.
        self._addresses[key] = self._all[connection] = address
        address.count += 1
        self._has_entered = True
        # As wait() would, for whom nobody waits for yet.
        head = self.limits.head
        self._waiting[connection] = address.waiting[connection] = (
            now, now + head, head)
        return True

    def leave(self, connection: Connection) -> None:
        """Count one no more; any number of times."""
        address = self._all.pop(connection, None)
        if address is not None:
            self._waiting.pop(connection, None)
            address.waiting.pop(connection, None)
            if self._has_turns:
                self._turns.leave(connection)
            if self.tls is not None and connection.was_served is not None:
                self._remember(address.key, connection.was_served)
            address.count -= 1
            if not address.count:
                del self._addresses[address.key]

    def _remember(self, key: bytes, was_served: bool) -> None:
        """Note how a client's connection went, for when it comes again."""
        self._served[key] = was_served
        self._served.move_to_end(key)
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)

    def wait(self, connection: Connection, since: float, seconds: float
             ) -> None:
        """Note that a client is waited for.

        :param since: when that began.
        :param seconds: that it has from then on.
        """
        address = self._all.get(connection)
        known = self._waiting.get(connection)
        if (known is not None and address is not None and known[2] == seconds
                and 0 <= since - known[0] < seconds * _LESS):
            # It is nobody who says nothing.
            self._waiting.move_to_end(connection)
            address.waiting.move_to_end(connection)
        elif address is not None:
            wait = since, since + seconds, seconds
            for waiting in (self._waiting, address.waiting):
                waiting[connection] = wait
                # Most began just now. Whoever sends a body too slowly did so
                # for a part of the time that this took, and is the first
                # once that is the most.
                waiting.move_to_end(
                    connection,
                    last=since >= waiting[next(iter(waiting))][0])

    def work(self, connection: Connection) -> None:
        """Note that it is the client's turn to wait."""
        if self._waiting.pop(connection, None) is not None:
            self._all[connection].waiting.pop(connection)

    def expire(self, now: float, most: int = sys.maxsize) -> bool:
        """End those whose time is over; tell whether all were.

        :param most: that are ended now.
        """
        over = [connection for connection, (_since, until, _seconds)
                in self._waiting.items() if until <= now]
        for connection in over[:most]:
            # It may wait for something else then, as for its last answer to
            # be taken.
            self.work(connection)
            connection.expire()
        return len(over) <= most

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look for those whose time is over, as long as a loop runs."""
        self.loop = loop
        if self.expire(loop.time(), _ENDED):
            loop.call_later(_LOOK, self.follow, loop)
        else:
            # Who came together is not ended together.
            loop.call_soon(self.follow, loop)

    def take_turn(self, connection: Connection,
                  loop: asyncio.AbstractEventLoop, goes_on: bool) -> None:
        """Have one compute something, when it is its turn.

        There is one turn between two moments in which all are heard.

        :param goes_on: whether it had its first turn already: little is
            left to do.
        """
        address = self._all.get(connection)
        if address is not None:
            is_exempt = self._is_exempt(connection.host)
            self._turns.add(
                connection, b'' if is_exempt else address.key,
                turns.GOING_ON if goes_on else turns.KNOWN if is_exempt
                else _RANKS[self._served.get(address.key)])
            if not self._has_turns:
                self._has_turns = True
                loop.call_soon(self._next_turn, loop)

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._has_turns = bool(self._turns)
        if self._has_turns:
            # The next one's comes whatever becomes of this one.
            loop.call_soon(self._next_turn, loop)
            if self._has_entered and self._passed < _ENTERED:
                # One was accepted, and the system has others in the order
                # in which they came: the last one is to be here, too.
                self._passed += 1
                self._has_entered = False
            else:
                self._passed = 0
                self._turns.take().compute()

    def lack(self, now: float, problem: OSError) -> None:
        """Go on when the system has nothing left for a new one."""
        self.complain(now, '%s', problem)
        for _number in range(1 + len(self._waiting) // 4):
            self._make_room(self._waiting)

    def complain(self, now: float, why: str, what: object) -> None:
        """Log what every connection may meet, but not for each."""
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE
            LOG.error('No connection can be accepted: ' + why + '; those '
                      'that are waited for longest are closed', what)

    def _make_room(self, waiting: _Queue) -> bool:
        """End whom is waited for the longest time; tell whether one was.

        Who has said something is not waited for, but waits for us, unless
        all do whom there is time to look at.
        """
        if not waiting:
            return False
        victim = next((connection for connection in itertools.islice(
            waiting, _LOOKED_AT) if not connection.has_unread()),
            next(iter(waiting)))
        victim.abort()
        self.leave(victim)
        return True


def has_unread(sock: socket.socket) -> bool:
    """Tell whether the system has bytes for whoever reads next."""
    found = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4))
    return found != bytes(4)


def _affordable() -> int:
    """Return the connections that there are open files for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return 1 << 20
    return max(hard * 3 // 4 - _OTHER_FILES, 8)
