# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Cheroot's WSGI server, whose threads wait for requests themselves.

Cheroot has one thread that waits for all connections and hands each request
to another one, which hands the connection back: that costs more than most
answers of the boot server. Here all threads wait together (epoll(7)), and
Linux wakes one for each request, the one that began to wait last.
"""

import collections.abc
import contextlib
import logging
import os
import select
import socket
import threading
import time
import typing

from cheroot import wsgi

from ironic_ext.server import connections

LOG = logging.getLogger(__name__)

#: Each event is for one thread, which asks for the next one.
_NEXT = select.EPOLLIN | select.EPOLLONESHOT
#: Seconds between two looks for connections that nobody uses.
_LOOK = 1.0
#: Seconds to wait when there are too many open files, and none to close;
#: and between two complaints about it.
_PAUSE = 0.1
_SILENCE = 60


class Workers:
    """The threads of a server, in the place of Cheroot's ThreadPool.

    :ivar min: how many there are; and how many connections are kept for
        their next request.
    """

    def __init__(self, server: wsgi.Server, count: int) -> None:
        """Take the server; nothing runs yet."""
        self.min = self.max = count
        self._server = server
        # By file descriptor, the longest waiting first. Whoever removes one
        # has it for itself.
        self._waiting: dict[int, connections.Connection] = {}
        self._working: set[connections.Connection] = set()
        self._threads: list[threading.Thread] = []
        self._silent_until = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no more connections are to be kept."""
        return len(self._waiting) >= self.max

    def start(self) -> None:
        """Begin to serve the server's socket."""
        listener = self._server.socket
        listener.setblocking(False)
        self._epoll = select.epoll()
        self._ending = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._ending, select.EPOLLIN)
        self._epoll.register(listener, _NEXT)
        for number in range(self.min):
            # Daemons, lest a server that cannot start all never ends.
            thread = threading.Thread(target=self._run, args=(listener,),
                                      name=f'http-{number}', daemon=True)
            thread.start()
            self._threads.append(thread)

    def put(self, connection: connections.Connection) -> None:
        """Let a connection wait for its next request."""
        if len(self._waiting) >= 2 * self.max:
            # New ones that say nothing: those kept are not so many.
            self._drop_oldest()
        connection.last_used = time.monotonic()
        number = connection.socket.fileno()
        self._waiting[number] = connection
        if connection.is_watched:
            self._epoll.modify(number, _NEXT)
        else:
            connection.is_watched = True
            self._epoll.register(number, _NEXT)

    def expire(self, before: float) -> None:
        """Close what has waited since before a time.monotonic()."""
        for number, connection in list(self._waiting.items()):
            if connection.last_used >= before:
                return
            self._drop(number)

    def stop(self, timeout: float) -> None:
        """End.

        :param timeout: seconds that what is worked on may take.
        """
        os.eventfd_write(self._ending, 1)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        for connection in list(self._working):
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        for number in list(self._waiting):
            self._drop(number)
        self._epoll.close()
        os.close(self._ending)

    def join(self) -> None:
        """Wait until all have ended."""
        for thread in self._threads:
            thread.join()

    def _run(self, listener: socket.socket) -> None:
        listening = listener.fileno()
        while True:
            [(number, _events)] = self._epoll.poll(maxevents=1)
            if number == self._ending:
                return
            try:
                found = (self._accepted(listener) if number == listening
                         else self._waiting.pop(number, None))
                if found is not None:
                    self._serve(found)
            except Exception:
                LOG.exception('A connection failed')

    def _accepted(self, listener: socket.socket
                  ) -> connections.Connection | None:
        """Return a new connection if a request is there."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionError):
            return None
        except OSError as exc:
            if self._server.ready:
                self._make_room(exc)
            return None
        finally:
            with contextlib.suppress(OSError, ValueError):
                # Fails when the server has closed it.
                self._epoll.modify(listener, _NEXT)
        sock.settimeout(self._server.timeout)
        connection = connections.Connection(self._server, sock)
        connection.remote_addr, connection.remote_port = address[:2]
        if connection.has_begun():
            return connection
        self.put(connection)
        return None

    def _serve(self, connection: connections.Connection) -> None:
        """Answer what was asked, then wait for more or close."""
        goes_on = False
        self._working.add(connection)
        try:
            goes_on = connection.communicate()
            while goes_on and connection.rfile.has_data():
                goes_on = connection.communicate()
        finally:
            self._working.discard(connection)
            if goes_on and self._server.ready:
                self.put(connection)
            else:
                connection.close()

    def _make_room(self, problem: OSError) -> None:
        """Go on when there are too many open files."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _SILENCE
            LOG.error('No connection can be accepted: %s; those that wait '
                      'for longest are closed', problem)
        if self._waiting:
            self._drop_oldest()
        else:
            time.sleep(_PAUSE)

    def _drop(self, number: int) -> None:
        connection = self._waiting.pop(number, None)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _drop_oldest(self) -> None:
        for number in list(self._waiting)[:1]:
            self._drop(number)


class Listener(wsgi.Server):
    """Cheroot's server with these threads, and our log."""

    requests: Workers

    def __init__(self, address: tuple[str, int],
                 application: collections.abc.Callable[..., typing.Any],
                 threads: int, **settings: typing.Any) -> None:
        """Take where to listen, and what Cheroot's server takes."""
        super().__init__(address, application, **settings)
        self.requests = Workers(self, threads)
        self._stopping = threading.Event()

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether a connection may be kept."""
        return self.ready and not self.requests.is_full

    def serve(self) -> None:
        """Serve until stop() is done."""
        while not self._stopping.wait(_LOOK):
            self.requests.expire(time.monotonic() - self.timeout)
        self.requests.join()

    def stop(self) -> None:
        """End; from another thread."""
        self._stopping.set()
        super().stop()

    def error_log(self, msg: str = '', level: int = logging.INFO,
                  traceback: bool = False) -> None:
        """Log what Cheroot has to say."""
        LOG.log(level, '%s', msg, exc_info=traceback)
