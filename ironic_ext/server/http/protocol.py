# SPDX-License-Identifier: Apache-2.0

"""HTTP/1.1 (RFC 9110, RFC 9112) between uvicorn's server and ASGI.

The parser is httptools' (llhttp), strict. What uvicorn's own protocol leaves
to clients is bounded here: heads, bodies that nobody wants, requests in a
row, the time that each of them takes. TLS begins after a client is counted.
"""

import asyncio
import collections
import collections.abc
import logging
import typing

import httptools
import uvicorn
from uvicorn import server as uvicorn_server

from ironic_ext.server.http import connections
from ironic_ext.server.http import exchange
from ironic_ext.server.http import heads
from ironic_ext.server.http import tls

LOG = logging.getLogger(__name__)

#: Requests that are sent before the first one is answered.
_MAX_WAITING = 16
_FAULT = 'the server has an error'


class HttpConnection(asyncio.BufferedProtocol):
    """A connection, from before TLS to its end.

    uvicorn makes them of a class; see bound().
    """

    _shared: connections.Connections
    _at_once: exchange.AtOnce
    #: Headers of all answers, as they are sent: the server's class has them.
    default_block = b''

    # What all begin with: most machines ask once.
    host = ''
    writable = exchange.WRITABLE
    # The second one is below TLS.
    transport: typing.Any = None
    _raw: typing.Any = None
    _secured: tls.Secured | None = None
    # Bytes of answers that were not taken when this was looked at.
    _unsent: int | None = 0
    _parser: typing.Any = None
    # What each scope has of the connection.
    _said: dict[str, typing.Any]
    # Of the request that is read: its target, its headers, itself once its
    # head is here, and the bytes of it that came.
    _target: bytes
    _headers: list[tuple[bytes, bytes]]
    _open: exchange.Exchange | None = None
    _came = 0
    # Whether that one has its time, and whether one may be answered now.
    _is_timed = _is_next = False
    _is_paused = _is_closing = False
    # Whether no request follows those that are here; and whether the client
    # has said so itself.
    _is_last = is_half_closed = False
    _refusal: heads.RefusedError | None = None
    was_served: bool | None = None

    @classmethod
    def bound(cls, shared: connections.Connections,
              at_once: exchange.AtOnce) -> type['HttpConnection']:
        """Return the class of the connections of one server."""
        return type(cls.__name__, (cls,), {
            '_shared': shared, '_at_once': staticmethod(at_once)})

    def __init__(self, config: uvicorn.Config,
                 server_state: uvicorn_server.ServerState,
                 app_state: dict[str, typing.Any], **_loop: typing.Any
                 ) -> None:
        """Take what uvicorn's server gives."""
        self.app: typing.Any = config.loaded_app
        self.server_state = server_state
        # uvicorn's set is of its own protocols, of which it asks as much.
        self._known: typing.Any = server_state.connections
        self.loop = self._shared.loop
        self._requests: collections.deque[exchange.Exchange] = (
            collections.deque())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with TLS if that is spoken here."""
        self.transport = self._raw = transport
        peer = transport.get_extra_info('peername') or ('', 0)
        self._said = {'scheme': 'https' if self._shared.tls else 'http',
                      'client': peer[:2], 'server': self._shared.server}
        self.host = peer[0]
        if not self._shared.enter(self, self.loop.time()):
            self.transport.abort()
            return
        self._known.add(self)
        if self._shared.tls is None:
            self.begin()
            return
        self.transport = self._secured = tls.Secured(self, self._shared)

    def begin(self) -> None:
        """Read requests from now on."""
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the connection and of who works for it."""
        self._shared.leave(self)
        self._known.discard(self)
        self._is_last = self._is_closing = True
        # They refer to this: nothing is left to the garbage collector.
        self._parser = self._secured = None
        self.transport = self._raw
        if self.writable is not exchange.WRITABLE:
            self.writable.set()
        for request in self._requests:
            request.disconnect()

    def shutdown(self) -> None:
        """Take no more requests; uvicorn's server ends."""
        self._stop_reading()
        if not self._requests:
            self._close()

    def abort(self) -> None:
        """End at once."""
        self.transport.abort()

    def compute(self) -> None:
        """Begin to work for a request, or go on with TLS: it has its turn."""
        if self._requests:
            tasks = self.server_state.tasks
            task = self.loop.create_task(self._run(self._requests[0]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        elif self._secured is not None and self._parser is None:
            self._secured.handshake()

    def has_unread(self) -> bool:
        """Tell whether something came that was not looked at yet."""
        return connections.has_unread(self._raw.get_extra_info('socket'))

    def expire(self) -> None:
        """End, since the client took too long."""
        limits = self._shared.limits
        left = self._raw.get_write_buffer_size()
        if left and (self._unsent is None or left <= self._unsent
                     - limits.rate * limits.stall):
            # It takes something all the time, or is to.
            self._unsent = left
            self._shared.wait(self, self.loop.time(), limits.stall)
        elif self._is_closing or not self.writable.is_set():
            self.abort()
        elif self._came:
            self.was_served = False
            self._refuse(heads.RefusedError(408, 'that takes too long'))
        else:
            if self._parser is None:
                # Its handshake has no end.
                self.was_served = False
            self._close()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to receive."""
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came."""
        data = self._shared.buffer[:nbytes]
        if self._secured is None:
            self.received(data)
        else:
            self._secured.receive(data)

    def received(self, data: memoryview) -> None:
        """Read what came, without TLS."""
        if self._is_done():
            if self._requests:
                self.pause()
            return
        self._came += len(data)
        self._is_next = True
        try:
            self._parser.feed_data(data)
            if self._came:
                # Something is not complete.
                heads.require_bounds(
                    self._came, self._open.received if self._open else None)
                self._go_on()
        except httptools.HttpParserUpgrade:
            # Not here, and what follows may be of another protocol.
            self._stop_reading()
            self._go_on()
        except httptools.HttpParserCallbackError as exc:
            cause = exc.__context__
            if isinstance(cause, heads.RefusedError):
                self._refuse(cause)
            elif not isinstance(cause, heads.EndError):
                LOG.error('A request cannot be read', exc_info=exc)
                self._refuse(heads.RefusedError(500, _FAULT))
        except httptools.HttpParserError as exc:
            if not self._is_done():
                self._refuse(
                    heads.RefusedError(400, f'this is no HTTP: {exc}'))
        except heads.RefusedError as exc:
            self._refuse(exc)

    def _go_on(self) -> None:
        """Work for what is here, and wait for what is not."""
        if self._requests:
            if not self._requests[0].is_begun:
                # Its body may be long.
                self._start(self._requests[0])
        elif self._came and not self._is_timed and not self._is_last:
            # The next request, of which more is to come in a moment.
            self._is_timed = True
            self._shared.wait(self, self.loop.time(),
                              self._shared.limits.head)

    def eof_received(self) -> bool:
        """Answer what was asked, if that is not for ever."""
        last = self._requests[-1] if self._requests else None
        if (last is None or not last.is_complete or last.is_streamed
                or self.transport.get_extra_info('sslcontext')):
            return False
        self.is_half_closed = True
        self._stop_reading()
        return True

    def _is_done(self) -> bool:
        """Tell whether nothing that comes is of use."""
        return self._parser is None or self._is_last and self._open is None

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_last:
            raise heads.EndError
        self._target, self._headers = b'', []
        # It may begin with the end of another one.
        self._came = self._came or 1

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; none of those after a body."""
        if self._open is None:
            headers = self._headers
            if len(headers) >= heads.MAX_HEADERS:
                raise heads.RefusedError(431, 'the head has too many headers')
            headers.append((name.lower(), value.strip(b' \t')))

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        expects = heads.require_plain(version, self._target, headers)
        request = self._open = exchange.Exchange(self, heads.scope(
            version, parser.get_method().decode(), self._target, headers,
            self._said))
        request.expects = expects
        request.keeps = (version == '1.1' and parser.should_keep_alive()
                         and not parser.should_upgrade()
                         and len(self._requests) + 1 < _MAX_WAITING)
        self._is_last = not request.keeps
        self._requests.append(request)
        if len(self._requests) > 1:
            self.pause()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._open is not None:
            self._open.take(body)

    def on_message_complete(self) -> None:
        """End a request; what follows is another one."""
        request, self._open = self._open, None
        self._came, self._is_timed = 0, False
        if request is not None:
            request.complete()
            if request is self._requests[0] and not request.is_begun:
                self._start(request)

    def _start(self, request: exchange.Exchange) -> None:
        request.is_begun = True
        takes = self.writable.is_set()
        if takes and self._is_next and request.is_complete:
            # No more than one in a row: the others wait, too.
            self._is_next = False
            try:
                if made := self._at_once(request.scope):
                    return request.answer(*made)
            except Exception:
                LOG.exception('A request fails')
                return self._fail()
        if takes:
            self._shared.work(self)
        # Of a thousand who ask in one moment, each waits for all others.
        self._shared.take_turn(self, self.loop, goes_on=False)

    async def _run(self, request: exchange.Exchange) -> None:
        try:
            await self.app(request.scope, request.receive, request.send)
        except ConnectionError:
            # The client is gone, or will be.
            request.is_started = True
        except Exception:
            LOG.exception('A request fails')
        finally:
            # Whose client is gone has its end already.
            if not request.is_answered and not request.is_gone:
                if request.is_started:
                    self.abort()
                else:
                    self._fail()

    def _fail(self) -> None:
        self._requests.clear()
        self._send_refusal(heads.RefusedError(500, _FAULT))

    def answered(self, request: exchange.Exchange) -> None:
        """Go on after an answer."""
        self.was_served = True
        self._requests.popleft()
        if self._requests:
            if request.keeps:
                self._start(self._requests[0])
            else:
                self._close()
        elif self._refusal is not None:
            self._send_refusal(self._refusal)
        elif not request.keeps:
            self._close(lingers=not request.is_complete)
        elif self._is_last:
            self._close()
        else:
            if self.writable.is_set():
                self._wait_for_request()
            self.resume()

    def _wait_for_request(self) -> None:
        limits = self._shared.limits
        self._shared.wait(self, self.loop.time(),
                          limits.head if self._came else limits.idle)

    def _refuse(self, refusal: heads.RefusedError) -> None:
        """Answer what is no request, after those that are."""
        self._is_last = True
        request = self._requests[0] if self._requests else None
        if request is None:
            self._send_refusal(refusal)
        elif request is not self._open:
            self._refusal = refusal
            if self._open is not None:
                # Its answer was to follow.
                self._requests.remove(self._open)
            self._open = None
        elif request.is_started:
            self.abort()
        else:
            self._requests.clear()
            request.disconnect()
            self._send_refusal(refusal)

    def _send_refusal(self, refusal: heads.RefusedError) -> None:
        self.transport.write(exchange.plain(
            refusal.code, str(refusal), self.default_block))
        self._close(lingers=True)

    def _close(self, lingers: bool = False) -> None:
        """End, when all was sent.

        :param lingers: whether what still comes is thrown away for a moment:
            closed at once, the client might not get to the answer.
        """
        self._stop_reading()
        self._is_closing, self._open = True, None
        limits = self._shared.limits
        if not self.transport.is_closing():
            self._unsent = None
            if lingers and self.transport.can_write_eof():
                self.resume()
                self.transport.write_eof()
            else:
                self.transport.close()
                if not self._raw.get_write_buffer_size():
                    # All was taken: there is nothing to wait for.
                    return
            self._shared.wait(self, self.loop.time(), limits.linger)

    def _stop_reading(self) -> None:
        self._is_last = True
        if self._requests:
            self._requests[-1].keeps = False

    def pause(self) -> None:
        """Receive nothing."""
        if not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Receive again."""
        if self._is_paused and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()

    def wait_for_body(self, waited: float, received: int) -> float:
        """Wait for more of a body, which is not to dribble.

        :param waited: seconds that were waited for it before.
        :param received: bytes of it.
        :returns: when this began.
        """
        now, limits = self.loop.time(), self._shared.limits
        self._shared.wait(self, now - max(waited - received / limits.rate, 0),
                          limits.stall)
        self.resume()
        return now

    def got_body(self, began: float) -> float:
        """Wait no more; return the seconds that were waited."""
        if self.writable.is_set():
            self._shared.work(self)
        return self.loop.time() - began

    def pause_writing(self) -> None:
        """Wait for a client that takes nothing."""
        self.writable = asyncio.Event()
        self._unsent = self._raw.get_write_buffer_size()
        self._shared.wait(self, self.loop.time(), self._shared.limits.stall)

    def resume_writing(self) -> None:
        """Go on."""
        self.writable.set()
        if self._requests:
            self._shared.work(self)
        elif not self._is_closing:
            self._wait_for_request()
