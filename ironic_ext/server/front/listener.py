# SPDX-License-Identifier: Apache-2.0

"""Cheroot's WSGI server, with an event loop before its threads.

Cheroot hands each request from one thread to another one, which hands the
connection back: that costs more than most answers of the boot server. Here
the event loop answers what most clients ask for, and threads do the rest.
"""

import collections.abc
import contextlib
import logging
import queue
import socket
import threading
import time
import typing

from cheroot import wsgi

from ironic_ext.server.front import connections
from ironic_ext.server.front import event_loop

LOG = logging.getLogger(__name__)


def _ask_the_application(_received: bytes, _peer: str) -> None:
    """Answer nothing by a short cut."""


class Workers:
    """The threads of a server, in the place of Cheroot's ThreadPool.

    :ivar min: how many there are; and how many connections are kept for
        their next request.
    """

    def __init__(self, server: wsgi.Server, count: int,
                 short_cut: event_loop.ShortCut) -> None:
        """Take the server; nothing runs yet."""
        self.min = self.max = count
        self.loop = event_loop.EventLoop(count, short_cut, self._put)
        self._server = server
        self._clients: queue.SimpleQueue[event_loop.Client | None] = (
            queue.SimpleQueue())
        self._working: set[event_loop.Client] = set()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to serve the server's socket."""
        for number in range(self.min):
            # Daemons, lest a server that cannot start all never ends.
            thread = threading.Thread(target=self._run, daemon=True,
                                      name=f'http-{number}')
            thread.start()
            self._threads.append(thread)
        self.loop.start(self._server.socket, self._server.timeout,
                        self._server.ssl_adapter is None)

    def stop(self, timeout: float) -> None:
        """End.

        :param timeout: seconds that what is worked on may take.
        """
        self.loop.stop()
        for _thread in self._threads:
            self._clients.put(None)
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        for client in list(self._working):
            with contextlib.suppress(OSError):
                client.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.loop.close()

    def join(self) -> None:
        """Wait until all have ended."""
        for thread in self._threads:
            thread.join()

    def _put(self, client: event_loop.Client) -> None:
        self._clients.put(client)

    def _run(self) -> None:
        while (client := self._clients.get()) is not None:
            self._working.add(client)
            try:
                if self._server.ready and self._serve(client):
                    self.loop.wait(client)
                else:
                    client.close()
            except Exception:
                LOG.exception('A connection failed')
                client.close()
            finally:
                self._working.discard(client)

    def _serve(self, client: event_loop.Client) -> bool:
        """Answer what was asked; tell whether there may be more."""
        client.socket.settimeout(self._server.timeout)
        connection = client.connection
        if connection is None:
            client.connection = connection = connections.Connection(
                self._server, client.socket)
            connection.remote_addr, connection.remote_port = client.address
        connection.rfile.take_back(client.received)
        goes_on = connection.finish(client.unsent) and not client.closes
        is_asked = not client.unsent or connection.rfile.has_data()
        client.received = client.unsent = b''
        while goes_on and is_asked:
            goes_on = connection.communicate()
            is_asked = connection.rfile.has_data()
        client.socket = connection.socket
        if goes_on:
            client.socket.settimeout(0)
        return goes_on and self._server.ready


class Listener(wsgi.Server):
    """Cheroot's server with these threads, and our log."""

    requests: Workers

    def __init__(self, address: tuple[str, int],
                 application: collections.abc.Callable[..., typing.Any],
                 threads: int,
                 short_cut: event_loop.ShortCut = _ask_the_application,
                 **settings: typing.Any) -> None:
        """Take where to listen, and what Cheroot's server takes.

        :param short_cut: is asked before the application.
        """
        super().__init__(address, application, **settings)
        self.requests = Workers(self, threads, short_cut)
        self._stopping = threading.Event()

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether a connection may be kept."""
        return self.ready and not self.requests.loop.is_full

    def serve(self) -> None:
        """Serve until stop() is done."""
        self._stopping.wait()
        self.requests.join()

    def stop(self) -> None:
        """End; from another thread."""
        self._stopping.set()
        super().stop()

    def error_log(self, msg: str = '', level: int = logging.INFO,
                  traceback: bool = False) -> None:
        """Log what Cheroot has to say."""
        LOG.log(level, '%s', msg, exc_info=traceback)
