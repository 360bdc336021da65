# SPDX-License-Identifier: Apache-2.0

"""A request and its answer, as ASGI has them."""

import asyncio
import collections.abc
import http
import typing

Message = collections.abc.MutableMapping[str, typing.Any]
Scope = dict[str, typing.Any]
Receive = collections.abc.Callable[[], collections.abc.Awaitable[Message]]
Send = collections.abc.Callable[[Message], collections.abc.Awaitable[None]]
Application = collections.abc.Callable[
    [Scope, Receive, Send], collections.abc.Awaitable[None]]
Headers = collections.abc.Iterable[tuple[bytes, bytes]]
#: The status of an answer, its headers as block() makes them, its body.
Made = tuple[int, bytes, bytes]
#: Returns an answer that needs no waiting, None for any other.
AtOnce = collections.abc.Callable[[Scope], Made | None]

#: Of all whose clients take what they are sent; nobody waits for it.
WRITABLE = asyncio.Event()
WRITABLE.set()
#: Bytes of a body that wait to be read, and for which whoever reads it is
#: told: a byte now and then costs no more than to keep it.
_UNREAD = 64 << 10
_ENOUGH = 4 << 10
_STATUS_LINES = {status.value: b'HTTP/1.1 %d %s' % (
    status.value, status.phrase.encode()) for status in http.HTTPStatus}


def block(headers: Headers) -> bytes:
    """Return headers as they are sent.

    :raises: ValueError for a header of several lines
    """
    lines = [*map(b': '.join, headers), b'']
    found = b'\r\n'.join(lines)
    if found.count(b'\n') != len(lines) - 1:
        raise ValueError('a header of an answer has several lines')
    return found


def head(code: int, default: bytes, headers: Headers) -> bytes:
    """Return the head of an answer.

    :param default: the headers of all answers; see block().
    :raises: ValueError for a header of several lines
    """
    return b'%b\r\n%b%b\r\n' % (
        _STATUS_LINES[code], default, block(headers))


def plain(code: int, sentence: str, default: bytes) -> bytes:
    """Return an answer that no application has made.

    :param default: the headers of all answers; see block().
    """
    body = f'{sentence}\n'.encode()
    return head(code, default, [
        (b'content-type', b'text/plain; charset=utf-8'),
        (b'x-content-type-options', b'nosniff'),
        (b'content-length', b'%d' % len(body)),
        (b'connection', b'close')]) + body


class Link(typing.Protocol):
    """The connection of a request.

    :ivar default_block: headers of all answers; see block().
    :ivar writable: whether the client takes what it was sent.
    :ivar is_half_closed: whether the client sends no more.
    """

    default_block: bytes
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    writable: asyncio.Event
    is_half_closed: bool

    def pause(self) -> None:
        """Receive nothing."""

    def wait_for_body(self, waited: float, received: int) -> float:
        """Wait for more of a body."""

    def got_body(self, began: float) -> float:
        """Wait no more."""

    def answered(self, request: 'Exchange') -> None:
        """Go on after an answer."""


class Exchange:
    """A request and its answer, as ASGI has them.

    :ivar received: bytes of the body so far.
    :ivar keeps: whether another request may follow.
    :ivar expects: whether the client waits to be told to send a body.
    :ivar is_begun: whether somebody works for it.
    :ivar is_complete: whether all of the request is here.
    :ivar is_streamed: whether the answer's length is not known before.
    """

    received = 0
    keeps = expects = is_begun = is_complete = is_started = False
    is_streamed = is_answered = is_gone = False
    _news: asyncio.Future[None] | None = None
    _waited = 0.0
    _head: tuple[int, Headers] | None = None
    _is_ended = False

    def __init__(self, connection: Link, scope: Scope) -> None:
        """Begin with the head of a request."""
        self.scope = scope
        self._connection = connection
        self._body = bytearray()

    def take(self, body: bytes) -> None:
        """Take a part of the body."""
        if self.is_answered:
            return
        self.expects = False
        self.received += len(body)
        self._body += body
        if len(self._body) >= _UNREAD:
            self._connection.pause()
        if len(self._body) >= _ENOUGH:
            self._tell()

    def complete(self) -> None:
        """Note that this was all."""
        self.is_complete = True
        if self._news is not None:
            self._tell()

    def disconnect(self) -> None:
        """Note that nobody waits for the answer."""
        self.is_gone = True
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def receive(self) -> Message:
        """Return what comes next; see ASGI."""
        # What came is handed out, whether or not the rest does.
        while not self.is_answered and (self._body or not self.is_gone):
            if self._body or self.is_complete and not self._is_ended:
                body, self._body = bytes(self._body), bytearray()
                self._is_ended = self.is_complete
                return {'type': 'http.request', 'body': body,
                        'more_body': not self.is_complete}
            connection = self._connection
            if self.expects and not self.is_started:
                self.expects = False
                connection.transport.write(b'HTTP/1.1 100 Continue\r\n\r\n')
            self._news = connection.loop.create_future()
            if self.is_complete:
                await self._news
            else:
                began = connection.wait_for_body(self._waited, self.received)
                await self._news
                if not self.is_gone:
                    self._waited += connection.got_body(began)
        return {'type': 'http.disconnect'}

    async def send(self, message: Message) -> None:
        """Send a part of the answer; see ASGI.

        :raises: ConnectionError when the client is gone
        """
        connection = self._connection
        if not connection.writable.is_set():
            await connection.writable.wait()
        if self.is_gone or (connection.is_half_closed
                            and message.get('more_body')):
            raise ConnectionResetError('the client is gone')
        if self.is_answered:
            raise RuntimeError('the answer has ended')
        if message['type'] == 'http.response.start':
            self._head = message['status'], message['headers']
        else:
            self._write(message.get('body', b''),
                        message.get('more_body', False))

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer, to a client that takes what it was sent.

        All of the request is here, and nobody waits for a part of it.

        :param headers: see block().
        """
        self.is_started = self.is_answered = True
        connection = self._connection
        connection.transport.write(b'%b\r\n%b%b%b\r\n%b' % (
            _STATUS_LINES[status], connection.default_block, headers,
            b'' if self.keeps else b'connection: close\r\n',
            b'' if self.scope['method'] == 'HEAD' else body))
        connection.answered(self)

    def _write(self, body: bytes, more: bool) -> None:
        """Send a part of the answer, the head before the first one."""
        data = [] if self.is_started else [self._started(more)]
        if self.scope['method'] == 'HEAD':
            body = b''
        if not self.is_streamed or self.scope['http_version'] == '1.0':
            data.append(body)
        else:
            if body:
                data += b'%x\r\n' % len(body), body, b'\r\n'
            if not more:
                data.append(b'0\r\n\r\n')
        self.is_answered = not more
        self._connection.transport.write(b''.join(data))
        if not more:
            self._tell()
            self._connection.answered(self)

    def _started(self, more: bool) -> bytes:
        """Return the head of the answer."""
        assert self._head is not None
        self.is_started, self.is_streamed = True, more
        if not self.is_complete:
            # A body that nobody wants is not read to its end.
            self.keeps = False
        status, made = self._head
        headers = [*made]
        if more and self.scope['http_version'] == '1.1':
            headers.append((b'transfer-encoding', b'chunked'))
        if not self.keeps:
            headers.append((b'connection', b'close'))
        return head(status, self._connection.default_block, headers)
