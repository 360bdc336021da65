# SPDX-License-Identifier: Apache-2.0

"""One connection: read a request, answer it, send what it asked for.

Each method is called from the worker's event loop and never blocks. What
the kernel does not take is sent when the socket is writable again.
"""

import enum
import functools
import logging
import socket
import struct
import time
import typing

from ironic_ext.media.stream import admission
from ironic_ext.media.stream import contract
from ironic_ext.media.stream.http import pace
from ironic_ext.media.stream.http import request as requests
from ironic_ext.media.stream.http import transport as transports
from ironic_ext.media.stream import refusal
from ironic_ext.media.stream import response as responses
from ironic_ext.media.stream import sender

if typing.TYPE_CHECKING:
    import asyncio

    from ironic_ext.media.stream import worker as workers

LOG = logging.getLogger(__name__)

_METHODS = (b'GET', b'HEAD')
#: Pipelined requests answered until the others have their turn.
_REQUESTS = 16
#: Seconds in which a peer has to take the answer that refuses it.
_LINGER_SECONDS = 2.0
#: Bytes of a refused request that are read away meanwhile.
_LINGER_BYTES = 1 << 18
_NO_LINGER = struct.pack('ii', 1, 0)


class _State(enum.Enum):
    HANDSHAKE = 'handshake'
    #: Waiting for a request, or for the rest of one.
    READING = 'reading'
    #: Waiting for a thread: a token's medium, or bytes from elsewhere.
    WAITING = 'waiting'
    SENDING = 'sending'
    #: The last answer is out; the peer is to see it before the end.
    LINGERING = 'lingering'
    CLOSED = 'closed'


# Looking a member up in its class takes as long as a call.
_HANDSHAKE, _READING, _WAITING, _SENDING, _LINGERING, _CLOSED = _State


class Connection:
    """A client's connection.

    :ivar deadline: monotonic seconds by which something has to happen.
    :ivar served: the medium of the response under way, or None.
    """

    __slots__ = (
        'deadline', 'served', '_worker', '_loop', '_socket', '_fd',
        '_transport', '_client', '_reader', '_state', '_keep_alive',
        '_sender', '_writing', '_paused', '_pace',
        '_refused_bytes', '_target', '_route', '_granted')

    def __init__(self, worker: 'workers.Worker', sock: socket.socket,
                 client: str) -> None:
        self._worker = worker
        self._loop = worker.loop
        self._socket = sock
        self._fd = sock.fileno()
        self._client = client
        self._transport = transports.of(sock)
        self._state = (_HANDSHAKE if self._transport.secure
                       else _READING)
        self._reader = requests.RequestReader(worker.settings.max_head,
                                              worker.settings.max_headers)
        self.served: admission.Served | None = None
        self._sender = sender.Sender(self._transport)
        # A client asks for one image all the time: its path, what that
        # says, and the medium once it may read it.
        self._target = b''
        self._route: tuple[str, str] | None = None
        self._granted: admission.Served | None = None
        self._keep_alive = True
        self._writing = False
        self._paused = False
        self._refused_bytes = 0
        self._pace = pace.Pace(worker.clock, worker.settings.rate_window,
                               worker.settings.min_rate)
        self.deadline = worker.clock + worker.settings.header_timeout
        self._loop.add_reader(self._fd, self._readable)

    # Reading.

    def _readable(self) -> None:
        """Read requests, and answer them."""
        reader = self._reader
        while self._state is _READING:
            try:
                data = self._transport.receive()
            except BlockingIOError:
                return
            except OSError:
                data = b''
            if not data:
                self.close()
                return
            if not reader.midway:
                self.deadline = (self._worker.clock
                                 + self._worker.settings.header_timeout)
            try:
                reader.feed(data)
            except requests.RequestError as exc:
                self._refuse(exc.status, str(exc))
                return
            if reader.ready:
                self._serve()
            if not self._transport.has_more():
                return
        self._readable_otherwise()

    def _readable_otherwise(self) -> None:
        if self._state is _HANDSHAKE:
            self._handshake()
        elif self._state is _LINGERING:
            self._discard()
        elif self._state is not _CLOSED and not self._paused:
            # A pipelined request, or the peer is gone: looked at when the
            # answer is out.
            self._loop.remove_reader(self._fd)
            self._paused = True

    def _handshake(self) -> None:
        try:
            self._transport.handshake()
        except BlockingIOError:
            # The server's own flight fits into any socket's buffer.
            return
        except OSError as exc:
            self._worker.counters.add('tls_errors_total')
            LOG.debug('TLS with %s failed: %s', self._client, exc)
            self.close()
            return
        self._state = _READING
        if self._transport.has_more():
            self._readable()

    def _refuse(self, status: int, text: str) -> None:
        """Answer what cannot be parsed; pipelined requests go under."""
        self._reader.ready.clear()
        self._keep_alive = False
        self._send(responses.sentence(
            status, f'Refused: {text}.', self._worker.date))
        self._go_on()

    # Answering.

    def _serve(self) -> None:
        """Answer the requests that are complete, as far as it goes."""
        ready = self._reader.ready
        turns = _REQUESTS
        while ready and self._state is _READING:
            if not turns:
                self._state = _WAITING
                self._loop.call_soon(self._resume)
                return
            turns -= 1
            request = ready.pop(0)
            self._keep_alive = request.keep_alive = (
                request.keep_alive and not self._worker.stopping)
            if request.target != self._target:
                self._target = request.target
                self._route = request.route()
                self._granted = None
            granted = self._granted
            if (granted is not None and request.method in _METHODS
                    and granted.fresh_until > time.monotonic()):
                self._send(granted.representation.answer(
                    request, self._worker.date), granted)
            else:
                self._answer(request)

    def _resume(self) -> None:
        if self._state is _WAITING:
            self._state = _READING
            self._go_on()

    def _answer(self, request: requests.Request) -> None:
        """Answer a request of which nothing is known yet."""
        if request.method not in _METHODS:
            self._turn_down(request, refusal.METHOD)
            return
        if self._route is None:
            self._answer_other(request)
            return
        token, name = self._route
        served = self._worker.admissions.at_hand(token)
        if served is not None:
            self._answer_medium(request, name, served)
            return
        self._state = _WAITING
        self._worker.admissions.admit(token).add_done_callback(
            functools.partial(self._admitted, request, name))

    def _answer_other(self, request: requests.Request) -> None:
        if request.path() != b'/healthz':
            self._turn_down(request, refusal.NOTHING_HERE)
        elif self._worker.stopping or not self._worker.admissions.answering:
            self._turn_down(request, refusal.Refusal(503, 'Not ready.'))
        else:
            self._send(responses.sentence(200, 'Ready.', self._worker.date,
                                          request))

    def _admitted(self, request: requests.Request, name: str,
                  task: 'asyncio.Task[admission.Served | None]') -> None:
        """Go on with a request whose token was looked up."""
        if self._state is _CLOSED or task.cancelled():
            return
        self._state = _READING
        error = task.exception()
        served = None if error else task.result()
        if served is not None:
            self._answer_medium(request, name, served)
        else:
            self._turn_down(request, refusal.of_error(error, self._client)
                            if error else refusal.NOTHING_HERE)
        self._go_on()

    def _answer_medium(self, request: requests.Request, name: str,
                       served: admission.Served) -> None:
        refused = refusal.of_medium(served, name, self._client)
        if refused is not None:
            self._turn_down(request, refused)
            return
        self._granted = served
        self._sender.reader = self._worker.reads.reader(served.stream,
                                                        self._client)
        self._send(served.representation.answer(request, self._worker.date),
                   served)

    def _turn_down(self, request: requests.Request, why: refusal.Refusal
                   ) -> None:
        if why.warning:
            self._worker.warn(why.warning)
        self._send(responses.sentence(
            why.status, why.text, self._worker.date, request, why.extra))

    # Sending.

    def _send(self, response: responses.Response,
              served: admission.Served | None = None) -> None:
        self._worker.counters.response(response.status)
        self._state = _SENDING
        self._sender.head = response.head
        self._sender.pieces = response.pieces
        reader = self._sender.reader
        if served is not None and reader is not None and response.pieces:
            self.served = served
            served.used = self._worker.clock
            if not reader.requests:
                reader.first_at = time.time()
            reader.requests += 1
        self._pump()

    def _pump(self) -> None:
        try:
            outcome = self._sender.pump()
        except contract.StreamError as exc:
            self._fail(exc)
            return
        except OSError:
            self.abort()
            return
        if outcome is sender.DONE:
            self.served = None
            if self._writing:
                self._stop_writing()
            self._state = _READING
            self.deadline = (self._worker.clock
                             + self._worker.settings.idle_timeout)
            if not self._keep_alive or self._worker.stopping:
                self._linger()
        elif outcome is sender.BLOCKED:
            self.deadline = (self._worker.clock
                             + self._worker.settings.send_timeout)
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._fd, self._writable)
        else:
            self._fetch()

    def _stop_writing(self) -> None:
        self._writing = False
        self._loop.remove_writer(self._fd)

    def _writable(self) -> None:
        self._pump()
        self._go_on()

    def _go_on(self) -> None:
        """Answer what was pipelined, then read on."""
        if self._state is not _READING:
            return
        self._serve()
        if self._state is not _READING:
            return
        if self._paused:
            self._paused = False
            self._loop.add_reader(self._fd, self._readable)
        if self._transport.has_more():
            self._readable()

    def _fail(self, error: contract.StreamError) -> None:
        served = self.served
        if served is not None:
            self._worker.warn(f'Ended a response of medium '
                              f'{served.stream.id}: {error}')
            if isinstance(error, contract.BaseChangedError):
                self._worker.admissions.base_failed(served, error)
        self.abort()

    def _fetch(self) -> None:
        """Have bytes brought that are elsewhere."""
        if self._writing:
            self._stop_writing()
        self._state = _WAITING
        # The server is what is slow now.
        self.deadline = float('inf')
        assert self.served is not None
        self._worker.fetch(
            self.served, *self._sender.wanted()).add_done_callback(
                self._fetched)

    def _fetched(self, task: 'asyncio.Task[bytes]') -> None:
        if self._state is _CLOSED or task.cancelled():
            return
        try:
            self._sender.supply(task.result())
        except contract.StreamError as exc:
            self._fail(exc)
            return
        self._state = _SENDING
        self._pump()
        self._go_on()

    # The end.

    @property
    def idle(self) -> bool:
        """Whether it waits for a request that has not begun."""
        return self._state is _READING and not self._reader.midway

    def look_after(self, now: float) -> None:
        """Report what went out; end what takes too long.

        :param now: monotonic seconds.
        """
        self._sender.note()
        if self._state is not _SENDING:
            self._pace.rest(now, self._sender.total)
            if now >= self.deadline:
                self._time_out()
        elif now >= self.deadline or self._pace.is_due(now):
            taken = (self._sender.total
                     - transports.unacknowledged(self._socket))
            if now >= self.deadline and self._pace.advances(taken):
                self.deadline = now + self._worker.settings.send_timeout
            if now >= self.deadline or self._pace.is_slow(now, taken):
                self._worker.counters.add('timeouts_total')
                self.abort()

    def _time_out(self) -> None:
        if self._state is _READING and self._reader.midway:
            self._worker.counters.add('timeouts_total')
            self._refuse(408, 'the request took too long')
        else:
            self.close()

    def _linger(self) -> None:
        """Close when the peer has the answer (RFC 9112, section 9.6)."""
        try:
            self._transport.half_close()
        except OSError:
            self.close()
            return
        self._state = _LINGERING
        self.deadline = self._worker.clock + _LINGER_SECONDS
        if self._paused:
            self._paused = False
            self._loop.add_reader(self._fd, self._readable)

    def _discard(self) -> None:
        try:
            got = len(self._transport.receive())
        except BlockingIOError:
            return
        except OSError:
            got = 0
        self._refused_bytes += got
        if not got or self._refused_bytes > _LINGER_BYTES:
            self.close()

    def abort(self) -> None:
        """Close at once; what the kernel has not sent is dropped."""
        if self._state is _CLOSED:
            return
        try:
            self._sender.note(transports.unacknowledged(self._socket))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    _NO_LINGER)
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        """Close the socket and forget everything."""
        if self._state is _CLOSED:
            return
        self._sender.note()
        self._state = _CLOSED
        self.served = self._granted = None
        self._sender.drop()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._socket.close()
        self._worker.closed(self)
