# SPDX-License-Identifier: Apache-2.0

"""The event loop: one thread that waits for all clients of the boot server.

What the short cut answers is answered here, so that hundreds of machines
that boot at once wake one thread, which hands nothing over. Everything else,
and all of TLS, is for threads that may wait.
"""

import collections.abc
import contextlib
import dataclasses
import enum
import logging
import os
import re
import select
import socket
import threading
import time

from ironic_ext.server.front import connections
from ironic_ext.server.front import short_cut

LOG = logging.getLogger(__name__)

#: Takes what was received, and from whom; see short_cut.ShortCut.reply().
ShortCut = collections.abc.Callable[[bytes, str], short_cut.Reply | None]

#: Bytes to read at once, and of a head that is waited for here.
_CHUNK = 16 << 10
#: Events to take at once.
_EVENTS = 64
#: Seconds between two looks for clients that say nothing.
_LOOK = 1.0
#: Seconds to wait when there are too many open files, and none to close;
#: and between two complaints about it.
_PAUSE = 0.1
_SILENCE = 60

_FIRST_LINE = re.compile(rb'[^\n]*\Z|[A-Z]+ \S+ HTTP/1\.[01]\r\n')
_BARE_LINE_FEED = re.compile(rb'(?<!\r)\n')


@dataclasses.dataclass(eq=False, slots=True)
class Client:
    """Who is connected.

    :ivar address: and port.
    :ivar heard: when something came the last time, of time.monotonic().
    :ivar received: what it sent that nobody has read.
    :ivar unsent: the rest of an answer that it did not take yet.
    :ivar closes: whether that is the last one.
    :ivar connection: Cheroot's, once it was needed.
    """

    socket: socket.socket
    address: tuple[str, int]
    heard: float = 0.0
    received: bytes = b''
    unsent: bytes = b''
    closes: bool = False
    connection: connections.Connection | None = None

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            if self.connection is None:
                self.socket.close()
            else:
                self.connection.close()


class _Next(enum.Enum):
    """What is to become of a client."""

    WAIT = enum.auto()
    PASS_ON = enum.auto()
    END = enum.auto()


class EventLoop:
    """Waits for clients, and answers what needs no other thread."""

    def __init__(self, limit: int, short_cut: ShortCut,
                 hand_over: collections.abc.Callable[[Client], None]
                 ) -> None:
        """Take what is needed; nothing runs yet.

        :param limit: how many connections are kept for another request.
        :param hand_over: takes who is to be served by another thread, which
            gives it back by wait().
        """
        self._limit = limit
        self._short_cut = short_cut
        self._hand_over = hand_over
        # By file descriptor, who was heard the longest time ago first.
        # Whoever removes one has it for itself.
        self._waiting: dict[int, Client] = {}
        self._silent_until = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no more connections are to be kept."""
        return len(self._waiting) >= self._limit

    def start(self, listener: socket.socket, timeout: float, is_plain: bool
              ) -> None:
        """Begin to serve a socket that listens.

        :param timeout: seconds that a client may say nothing.
        :param is_plain: whether clients speak no TLS.
        """
        self._timeout, self._is_plain = timeout, is_plain
        listener.setblocking(False)
        self._epoll = select.epoll()
        self._ending = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._ending, select.EPOLLIN)
        self._epoll.register(listener, select.EPOLLIN)
        # A daemon, lest a server that cannot start all threads never ends.
        self._thread = threading.Thread(target=self._run, args=(listener,),
                                        name='http', daemon=True)
        self._thread.start()

    def wait(self, client: Client) -> None:
        """Let a client wait for its next request; from any thread.

        Its socket is not to block any more. It is closed if that cannot be.
        """
        if len(self._waiting) >= 2 * self._limit:
            # New ones that say nothing: those kept are not so many.
            self._drop_oldest()
        client.heard = time.monotonic()
        number = client.socket.fileno()
        self._waiting[number] = client
        try:
            self._epoll.register(number, select.EPOLLIN)
        except OSError as exc:
            # No memory, or no more of them are allowed (epoll_ctl(2)).
            self._complain('No connection can be waited for: %s', exc)
            self._drop(number)

    def expire(self, before: float) -> None:
        """Close who was not heard since a time.monotonic()."""
        for number, client in list(self._waiting.items()):
            if client.heard >= before:
                return
            self._drop(number)

    def stop(self) -> None:
        """Take no more requests."""
        os.eventfd_write(self._ending, 1)
        self._thread.join()

    def close(self) -> None:
        """Close who waits; when no thread gives one back any more."""
        for number in list(self._waiting):
            self._drop(number)
        self._epoll.close()
        os.close(self._ending)

    def _run(self, listener: socket.socket) -> None:
        listening = listener.fileno()
        next_look = time.monotonic() + _LOOK
        while True:
            for number, _events in self._epoll.poll(_LOOK, _EVENTS):
                if number == self._ending:
                    return
                try:
                    if number == listening:
                        self._accept(listener)
                    else:
                        self._listen(number)
                except Exception:
                    # The others go on.
                    LOG.exception('A connection failed')
            now = time.monotonic()
            if now >= next_look:
                next_look = now + _LOOK
                self.expire(now - self._timeout)

    def _accept(self, listener: socket.socket) -> None:
        """Take a new connection, and what is asked if it is there."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as exc:
            if listener.fileno() != -1:
                self._make_room(exc)
            return
        sock.settimeout(0)
        client = Client(sock, address[:2])
        following = self._attend(client) if self._is_plain else _Next.WAIT
        if following is _Next.WAIT:
            self.wait(client)
        elif following is _Next.PASS_ON:
            self._hand_over(client)
        else:
            client.close()

    def _listen(self, number: int) -> None:
        """Take what a client has sent that waits."""
        client = self._waiting.pop(number, None)
        if client is None:
            # Another thread needed the room.
            return
        following = (self._attend(client) if self._is_plain
                     else _Next.PASS_ON)
        if following is _Next.WAIT:
            client.heard = time.monotonic()
            self._waiting[number] = client
        elif following is _Next.PASS_ON:
            self._epoll.unregister(number)
            self._hand_over(client)
        else:
            client.close()

    def _attend(self, client: Client) -> _Next:
        """Answer what a client asks, if it does; tell what is next."""
        try:
            return self._answer(client)
        except BlockingIOError:
            return _Next.WAIT
        except OSError:
            # It is gone.
            return _Next.END
        except Exception:
            LOG.exception('The short cut fails: asking the application')
            return _Next.PASS_ON

    def _answer(self, client: Client) -> _Next:
        more = client.socket.recv(_CHUNK)
        if not more:
            return _Next.END
        client.received += more
        reply = self._short_cut(client.received, client.address[0])
        if reply is None:
            return (_Next.WAIT if _is_incomplete(client.received)
                    else _Next.PASS_ON)
        client.closes = reply.closes or self.is_full
        client.unsent = reply.encoded(client.closes)
        client.received = client.received[reply.length:]
        with contextlib.suppress(BlockingIOError):
            client.unsent = client.unsent[client.socket.send(client.unsent):]
        if client.unsent:
            # It takes its time.
            return _Next.PASS_ON
        if client.closes:
            return _Next.END
        # No more than one at once: the others wait, too.
        return _Next.PASS_ON if client.received else _Next.WAIT

    def _make_room(self, problem: OSError) -> None:
        """Go on when there are too many open files."""
        self._complain('No connection can be accepted: %s; those that wait '
                       'for longest are closed', problem)
        if self._waiting:
            self._drop_oldest()
        else:
            time.sleep(_PAUSE)

    def _complain(self, message: str, problem: OSError) -> None:
        """Log what every connection may meet, but not for each."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _SILENCE
            LOG.error(message, problem)

    def _drop(self, number: int) -> None:
        client = self._waiting.pop(number, None)
        if client is not None:
            client.close()

    def _drop_oldest(self) -> None:
        for number in list(self._waiting)[:1]:
            self._drop(number)


def _is_incomplete(received: bytes) -> bool:
    """Tell whether this is a head of HTTP of which more is to come."""
    return (len(received) < _CHUNK and b'\r\n\r\n' not in received
            and _FIRST_LINE.match(received) is not None
            and _BARE_LINE_FEED.search(received) is None)
