# SPDX-License-Identifier: Apache-2.0

"""One connection: read a request, have it answered, send the answer.

What is answered is a subclass's matter. Each method is called from the
event loop of its host and never blocks. What the kernel does not take is
sent when the socket is writable again.
"""

import asyncio
import enum
import logging
import socket
import struct
import typing

from ironic_ext.media.stream.http import body as bodies
from ironic_ext.media.stream.http import pace
from ironic_ext.media.stream.http import request as requests
from ironic_ext.media.stream.http import response as responses
from ironic_ext.media.stream.http import sender
from ironic_ext.media.stream.http import transport as transports

LOG = logging.getLogger(__name__)

_METHODS = (b'GET', b'HEAD')
#: Pipelined requests answered until the others have their turn.
_REQUESTS = 16
#: Seconds in which a peer has to take the answer that refuses it.
_LINGER_SECONDS = 2.0
#: Bytes of a refused request that are read away meanwhile.
_LINGER_BYTES = 1 << 18
_NO_LINGER = struct.pack('ii', 1, 0)


class Limits(typing.Protocol):
    """What a connection may take; times are in seconds.

    See :class:`..settings.ServerSettings`.
    """

    @property
    def max_head(self) -> int:
        """Bytes of a request line and its header."""

    @property
    def max_headers(self) -> int:
        """Header lines that a request may have."""

    @property
    def header_timeout(self) -> float:
        """For a TLS handshake or a whole request head."""

    @property
    def idle_timeout(self) -> float:
        """Seconds between two requests of a connection."""

    @property
    def send_timeout(self) -> float:
        """Without a byte leaving for the reader."""

    @property
    def min_rate(self) -> int:
        """Bytes per second on average over the window."""

    @property
    def rate_window(self) -> float:
        """That the rate is taken over."""


class Counters(typing.Protocol):
    """Where it is counted what happens."""

    def add(self, name: str, count: int = 1) -> None:
        """Add to a counter."""

    def response(self, status: int) -> None:
        """Count a response."""


class Host(typing.Protocol):
    """What a connection asks of whoever accepted it.

    :ivar date: the Date header line of this second.
    :ivar clock: monotonic seconds, right to a tick.
    :ivar stopping: no connection is kept alive any more.
    """

    date: bytes
    clock: float
    stopping: bool

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where all its connections are served."""

    @property
    def settings(self) -> Limits:
        """The same for all connections."""

    @property
    def counters(self) -> Counters:
        """Those of this host."""

    def closed(self, connection: typing.Any) -> None:
        """Forget a connection that closed itself."""


class State(enum.Enum):
    """What a connection is about."""

    HANDSHAKE = 'handshake'
    #: Waiting for a request, or for the rest of one.
    READING = 'reading'
    #: Waiting for somebody else: for an answer, or for bytes of it.
    WAITING = 'waiting'
    SENDING = 'sending'
    #: The last answer is out; the peer is to see it before the end.
    LINGERING = 'lingering'
    CLOSED = 'closed'


# Looking a member up in its class takes as long as a call.
_HANDSHAKE, READING, WAITING, _SENDING, _LINGERING, CLOSED = State


class Connection:
    """A client's connection.

    A subclass answers (:meth:`_answer`), brings bytes that are elsewhere
    (:meth:`_bring`) and may hear of the end of a body (:meth:`_sent`,
    :meth:`_failed`).

    :ivar deadline: monotonic seconds by which something has to happen.
    """

    __slots__ = (
        'deadline', '_host', '_loop', '_socket', '_fd', '_transport',
        '_client', '_reader', '_state', '_keep_alive', '_sender',
        '_writing', '_paused', '_pace', '_refused_bytes')

    def __init__(self, host: Host, sock: socket.socket, client: str) -> None:
        self._host = host
        self._loop = host.loop
        self._socket = sock
        self._fd = sock.fileno()
        self._client = client
        self._transport = transports.of(sock)
        self._state = _HANDSHAKE if self._transport.secure else READING
        self._reader = requests.RequestReader(host.settings.max_head,
                                              host.settings.max_headers)
        self._sender = sender.Sender(self._transport)
        self._keep_alive = True
        self._writing = False
        self._paused = False
        self._refused_bytes = 0
        self._pace = pace.Pace(host.clock, host.settings.rate_window,
                               host.settings.min_rate)
        self.deadline = host.clock + host.settings.header_timeout
        self._loop.add_reader(self._fd, self._readable)

    # What a subclass does.

    def _answer(self, request: requests.Request) -> None:
        """Answer a GET or HEAD request by :meth:`_send`, now or later.

        Later: ``_state`` is WAITING until then, and :meth:`_go_on` follows.
        """
        raise NotImplementedError

    def _bring(self) -> None:
        """Have the bytes brought that the sender wants, for _supply()."""
        raise NotImplementedError

    def _sent(self) -> None:
        """Take note that an answer is out."""

    def _failed(self, error: bodies.SourceError) -> None:
        """End an answer whose body cannot be had."""
        self.abort()

    # Reading.

    def _readable(self) -> None:
        """Read requests, and answer them."""
        reader = self._reader
        while self._state is READING:
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
                self.deadline = (self._host.clock
                                 + self._host.settings.header_timeout)
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
        elif self._state is not CLOSED and not self._paused:
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
            self._host.counters.add('tls_errors_total')
            LOG.debug('TLS with %s failed: %s', self._client, exc)
            self.close()
            return
        self._state = READING
        if self._transport.has_more():
            self._readable()

    def _refuse(self, status: int, text: str) -> None:
        """Answer what cannot be parsed; pipelined requests go under."""
        self._reader.ready.clear()
        self._keep_alive = False
        self._send(responses.sentence(
            status, f'Refused: {text}.', self._host.date))
        self._go_on()

    # Answering.

    def _serve(self) -> None:
        """Answer the requests that are complete, as far as it goes."""
        ready = self._reader.ready
        turns = _REQUESTS
        while ready and self._state is READING:
            if not turns:
                self._state = WAITING
                self._loop.call_soon(self._resume)
                return
            turns -= 1
            request = ready.pop(0)
            self._keep_alive = request.keep_alive = (
                request.keep_alive and not self._host.stopping)
            if request.method in _METHODS:
                self._answer(request)
            else:
                self._send(responses.sentence(
                    405, 'Only GET and HEAD are possible.', self._host.date,
                    request, b'Allow: GET, HEAD\r\n'))

    def _resume(self) -> None:
        if self._state is WAITING:
            self._state = READING
            self._go_on()

    # Sending.

    def _send(self, response: responses.Response) -> None:
        self._host.counters.response(response.status)
        self._state = _SENDING
        self._sender.head = response.head
        self._sender.pieces = response.pieces
        self._pump()

    def _pump(self) -> None:
        try:
            outcome = self._sender.pump()
        except bodies.SourceError as exc:
            self._failed(exc)
            return
        except OSError:
            self.abort()
            return
        if outcome is sender.DONE:
            self._sent()
            if self._writing:
                self._stop_writing()
            self._state = READING
            self.deadline = (self._host.clock
                             + self._host.settings.idle_timeout)
            if not self._keep_alive or self._host.stopping:
                self._linger()
        elif outcome is sender.BLOCKED:
            self.deadline = (self._host.clock
                             + self._host.settings.send_timeout)
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._fd, self._writable)
        else:
            if self._writing:
                self._stop_writing()
            self._state = WAITING
            # The server is what is slow now.
            self.deadline = float('inf')
            self._bring()

    def _stop_writing(self) -> None:
        self._writing = False
        self._loop.remove_writer(self._fd)

    def _writable(self) -> None:
        self._pump()
        self._go_on()

    def _supply(self, data: bytes) -> None:
        """Go on with the bytes that were brought."""
        self._sender.supply(data)
        self._state = _SENDING
        self._pump()
        self._go_on()

    def _go_on(self) -> None:
        """Answer what was pipelined, then read on."""
        if self._state is not READING:
            return
        self._serve()
        if self._state is not READING:
            return
        if self._paused:
            self._paused = False
            self._loop.add_reader(self._fd, self._readable)
        if self._transport.has_more():
            self._readable()

    # The end.

    @property
    def client(self) -> str:
        """The address of the peer."""
        return self._client

    @property
    def idle(self) -> bool:
        """Whether it waits for a request that has not begun."""
        return self._state is READING and not self._reader.midway

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
                self.deadline = now + self._host.settings.send_timeout
            if now >= self.deadline or self._pace.is_slow(now, taken):
                self._host.counters.add('timeouts_total')
                self.abort()

    def _time_out(self) -> None:
        if self._state is READING and self._reader.midway:
            self._host.counters.add('timeouts_total')
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
        self.deadline = self._host.clock + _LINGER_SECONDS
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
        if self._state is CLOSED:
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
        if self._state is CLOSED:
            return
        self._sender.note()
        self._state = CLOSED
        self._sender.drop()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._socket.close()
        self._host.closed(self)
