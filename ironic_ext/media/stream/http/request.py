# SPDX-License-Identifier: Apache-2.0

"""Requests out of a stream of bytes: llhttp (httptools) and our limits.

RFC 9112. Bodies are never read: nothing here takes one, so a request that
has one is the connection's last.
"""

import re
from urllib import parse as urlparse

import httptools

#: Headers that anybody looks at; all others are counted and forgotten.
_KEPT = frozenset((
    b'range', b'if-range', b'if-match', b'if-none-match',
    b'if-modified-since', b'if-unmodified-since', b'host', b'connection',
    b'content-length', b'transfer-encoding'))
_CONDITIONS = frozenset((
    b'if-match', b'if-none-match', b'if-modified-since',
    b'if-unmodified-since'))

_ABSOLUTE = re.compile(rb'(?i:https?)://[^/?#]+(/[^?#]*)?')


class RequestError(Exception):
    """The request cannot be answered as it is.

    :ivar status: the status code to refuse it with.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request:
    """The head of a request.

    :ivar headers: the kept ones, by lower-case name.
    :ivar old: of HTTP/1.0.
    """

    # Most requests change few of these: made faster than slots.
    method = b''
    target = b''
    count = 0
    conditional = False
    keep_alive = True
    old = False

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}

    def path(self) -> bytes:
        """Return the target's path, percent-decoded, without a query.

        The absolute form (RFC 9112, section 3.2.2) is what proxies send.
        """
        target = self.target
        absolute = _ABSOLUTE.match(target)
        if absolute:
            target = absolute[1] or b'/'
        target = target.partition(b'?')[0]
        return (urlparse.unquote_to_bytes(target) if b'%' in target
                else target)


class RequestReader:
    """Turns what a connection receives into requests.

    :ivar ready: requests that wait for their answer.
    :ivar over: nothing more will be read from this connection.
    """

    __slots__ = ('ready', 'over', '_parser', '_request', '_pending',
                 '_max_head', '_max_headers')

    def __init__(self, max_head: int, max_headers: int) -> None:
        # A list: an empty deque takes as much as all the rest.
        self.ready: list[Request] = []
        self.over = False
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._pending = 0
        self._max_head = max_head
        self._max_headers = max_headers

    @property
    def midway(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._request is not None

    def feed(self, data: bytes) -> None:
        """Take bytes; requests that they complete are in ``ready``.

        :raises: RequestError; the connection is of no use after it.
        """
        if self.over:
            return
        self._pending += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nobody switches protocols here; the request is answered.
            self._end()
        except httptools.HttpParserError as exc:
            if not self.over:           # else it is about a body
                self.over = True
                self._raise(exc)
        if self._request is None:
            self._pending = 0
        elif self._pending > self._max_head:
            self.over = True
            raise RequestError(
                431, f'the header has more than {self._max_head} bytes')

    def _raise(self, error: Exception) -> None:
        cause = error.__context__
        if isinstance(cause, RequestError):
            raise cause from None
        # Bytes after the last request ("Connection: close") are nobody's.
        if self._request is not None or not self.ready:
            raise RequestError(400, 'the request is malformed') from error

    def _end(self) -> None:
        self.over = True
        if self.ready:
            self.ready[-1].keep_alive = False

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._request = Request()

    def on_url(self, part: bytes) -> None:
        assert self._request is not None
        self._request.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is None:             # a trailer
            return
        request.count += 1
        if request.count > self._max_headers:
            raise RequestError(
                431, f'there are more than {self._max_headers} headers')
        name = name.lower()
        if name in _KEPT:
            if name in request.headers:
                if name == b'host':
                    raise RequestError(400, 'there are two Host headers')
                value = request.headers[name] + b', ' + value
            request.headers[name] = value
            if name in _CONDITIONS:
                request.conditional = True

    def on_headers_complete(self) -> None:
        request, self._request = self._request, None
        if request is None or self.over:
            return
        parser = self._parser
        headers = request.headers
        request.method = parser.get_method()
        request.keep_alive = parser.should_keep_alive()
        if b'host' not in headers or b'connection' in headers:
            version = parser.get_http_version()
            request.old = version == '1.0'
            if version not in ('1.0', '1.1'):
                raise RequestError(505, 'only HTTP/1.0 and 1.1 are spoken')
            if not request.old and b'host' not in headers:
                raise RequestError(400, 'the Host header is missing')
        self.ready.append(request)
        if (headers.get(b'content-length', b'0') != b'0'
                or b'transfer-encoding' in headers):
            self._end()
