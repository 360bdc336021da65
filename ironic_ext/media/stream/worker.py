# SPDX-License-Identifier: Apache-2.0

"""One worker process's event loop: connections, time-outs, reports."""

import asyncio
import collections.abc
import concurrent.futures
import email.utils
import errno
import gc
import logging
import socket
import ssl
import time

from ironic_ext.media.stream import admission
from ironic_ext.media.stream import clients
from ironic_ext.media.stream import connection as connections
from ironic_ext.media.stream import contract
from ironic_ext.media.stream.http import body as bodies
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import reads
from ironic_ext.media.stream import settings as server_settings

LOG = logging.getLogger(__name__)

#: Connections accepted until those that are open have their turn.
_ACCEPTS = 64
#: Threads that read from bases that are elsewhere.
_FETCHERS = 64
#: Warnings of one minute; a flood of bad requests must not fill a disk.
_WARNINGS = 100

#: Takes reports, returns how many of them there was room for.
Report = collections.abc.Callable[
    [collections.abc.Sequence[contract.ReadReport]], int]


class Worker:
    """Serves one listening socket until :meth:`stop`.

    :ivar date: the Date header line of this second.
    :ivar clock: monotonic seconds, right to a tick: fine enough for
        deadlines, and nobody has to ask for the time.
    :ivar stopping: no connection is kept alive any more.
    """

    def __init__(self, listener: socket.socket,
                 settings: server_settings.ServerSettings,
                 media: contract.Media, bases: contract.Bases,
                 counters: metrics.Counters, report: Report,
                 tls: ssl.SSLContext | None = None) -> None:
        """Prepare; nothing is accepted before :meth:`run`.

        :param report: takes what was read, once a second.
        """
        self.settings = settings
        self.counters = counters
        self.loop = asyncio.new_event_loop()
        self.date = b''
        self.clock = time.monotonic()
        self.stopping = False
        self.admissions = admission.Admissions(
            self.loop, media, bases, settings, counters, self._cut)
        self._listener = listener
        self._listening = False
        self._tls = tls
        self._report = report
        self._unreported: list[contract.ReadReport] = []
        self._connections: set[connections.Connection] = set()
        self._clients = clients.Clients(settings.max_client_connections)
        self.reads = reads.ReadLog()
        self._warned: dict[str, int] = {}
        self._warned_at = time.monotonic()
        self._fetchers = concurrent.futures.ThreadPoolExecutor(
            _FETCHERS, thread_name_prefix='fetch')

    def run(self) -> None:
        """Serve until stopped."""
        asyncio.set_event_loop(self.loop)
        self._listener.setblocking(False)
        self._listen()
        self._tick()
        self._look()
        gc.collect()
        gc.freeze()
        try:
            self.loop.run_forever()
        finally:
            for connection in list(self._connections):
                connection.abort()
            self._hand_over()
            self.admissions.close()
            self._fetchers.shutdown(wait=False, cancel_futures=True)
            self.loop.close()

    def stop(self) -> None:
        """Let running requests end, then return from :meth:`run`.

        May be called from any thread.
        """
        self.loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self.stopping:
            return
        self._accept()                  # those that got in are served
        self.stopping = True
        self._listen(False)
        self._listener.close()
        for connection in list(self._connections):
            if connection.idle:
                connection.close()
        self.loop.call_later(self.settings.stop_timeout, self.loop.stop)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self.stopping and not self._connections:
            self.loop.call_soon(self.loop.stop)

    # Connections.

    def _listen(self, wanted: bool = True) -> None:
        if wanted != self._listening:
            self._listening = wanted
            if wanted:
                self.loop.add_reader(self._listener, self._accept)
            else:
                self.loop.remove_reader(self._listener)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            if len(self._connections) >= self.settings.max_connections:
                self._listen(False)     # until the next tick
                return
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS,
                                 errno.ENOMEM):
                    self.warn(f'Cannot accept: {exc.strerror}')
                    self._listen(False)
                return
            if not self._clients.make_room(address[0]):
                self.counters.add('refused_connections_total')
                sock.close()
                self.warn(f'{address[0]} has as many connections as '
                          '[ext_media]max_client_connections already')
                continue
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    sock = self._tls.wrap_socket(
                        sock, server_side=True,
                        do_handshake_on_connect=False)
                connection = connections.Connection(self, sock, address[0])
            except OSError:
                sock.close()
                continue
            self._connections.add(connection)
            self._clients.enter(connection)
            self.counters.add('connections_total')

    def closed(self, connection: connections.Connection) -> None:
        """Forget a connection that closed itself."""
        self._connections.discard(connection)
        self._clients.leave(connection)
        self._end_if_done()

    def _cut(self, served: admission.Served) -> None:
        for connection in list(self._connections):
            if connection.served is served:
                self.counters.add('cut_total')
                connection.abort()

    def fetch(self, served: admission.Served, source: bodies.Source,
              offset: int, length: int) -> 'asyncio.Task[bytes]':
        """Read from a base that is elsewhere, in a thread."""
        return self.loop.create_task(
            self._fetch(served.open_base, source, offset, length))

    async def _fetch(self, open_base: admission.OpenBase,
                     source: bodies.Source, offset: int, length: int
                     ) -> bytes:
        open_base.users += 1
        try:
            data = await self.loop.run_in_executor(
                self._fetchers, source.read, offset, length)
        except contract.StreamError:
            raise
        except Exception as exc:
            raise contract.BaseMissingError(
                f'reading the base failed: {exc!r}') from exc
        finally:
            open_base.users -= 1
        if len(data) != length:
            raise contract.BaseChangedError(
                f'the base gave {len(data)} bytes instead of {length}')
        self.counters.add('remote_bytes_total', length)
        return data

    # What is done now and then.

    def _look(self) -> None:
        """Look after the media, twice a second."""
        self.loop.call_later(self.settings.recheck_interval, self._look)
        self.admissions.tick({
            connection.served for connection in self._connections
            if connection.served is not None})

    def _tick(self) -> None:
        """Look after the connections, once a second."""
        self.loop.call_later(self.settings.tick, self._tick)
        self.date = b'Date: %s\r\n' % email.utils.formatdate(
            usegmt=True).encode()
        now = self.clock = time.monotonic()
        for connection in list(self._connections):
            connection.look_after(now)
        if not self.stopping:
            self._listen(len(self._connections)
                         < self.settings.max_connections)
        self.counters.set('open_connections', len(self._connections))
        self._hand_over()
        if now - self._warned_at > 60:
            self._forget_warnings(now)

    def _hand_over(self) -> None:
        fresh = self.reads.drain()
        self.counters.add('sent_bytes_total',
                          sum(report.sent for report in fresh))
        reports = reads.merged((*self._unreported, *fresh))
        taken = self._report(reports) if reports else 0
        self._unreported = reports[taken:]

    def warn(self, sentence: str) -> None:
        """Log a sentence, the same one once a minute."""
        count = self._warned.get(sentence, 0)
        if count or len(self._warned) < _WARNINGS:
            self._warned[sentence] = count + 1
            if not count:
                LOG.warning('%s', sentence)

    def _forget_warnings(self, now: float) -> None:
        for sentence, count in self._warned.items():
            if count > 1:
                LOG.warning('%s (%d times in a minute)', sentence, count)
        self._warned = {}
        self._warned_at = now
