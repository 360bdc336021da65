# SPDX-License-Identifier: Apache-2.0

"""What to answer: status, header and the pieces of the body.

GET and HEAD of one representation, RFC 9110. Pure: nothing is sent here.
"""

import collections.abc
import email.utils
import http
import secrets
import typing

from ironic_ext.media.stream.http import body as bodies
from ironic_ext.media.stream.http import conditions
from ironic_ext.media.stream.http import ranges
from ironic_ext.media.stream.http import request as requests

_TYPE = b'application/octet-stream'


def _status_line(status: int) -> bytes:
    return b'HTTP/1.1 %d %s\r\n' % (
        status, http.HTTPStatus(status).phrase.encode())


_OK = _status_line(200)
_PARTIAL = _status_line(206)


class Response(typing.NamedTuple):
    """An answer, before it is sent.

    :ivar head: up to the empty line.
    :ivar pieces: of the body, or None.
    """

    status: int
    head: bytes
    pieces: collections.abc.Iterator[bodies.Piece] | None


def _connection(request: requests.Request) -> bytes:
    if not request.keep_alive:
        return b'Connection: close\r\n'
    return b'Connection: keep-alive\r\n' if request.old else b''


def sentence(status: int, text: str, date: bytes,
             request: requests.Request | None = None,
             extra: bytes = b'') -> Response:
    """Return a plain text answer.

    :param date: the Date header line.
    :param request: None when the connection ends with this answer.
    :param extra: further header lines.
    """
    body = text.encode() + b'\n'
    head = b''.join((
        _status_line(status), date,
        b'Content-Type: text/plain; charset=utf-8\r\n'
        b'Cache-Control: no-store\r\nContent-Length: %d\r\n' % len(body),
        extra,
        _connection(request) if request else b'Connection: close\r\n',
        b'\r\n'))
    if request is not None and request.method == b'HEAD':
        return Response(status, head, None)
    return Response(status, head + body, None)


class Representation:
    """What a URL names; header lines that never change are ready."""

    def __init__(self, body: bodies.Body, size: int, etag: str,
                 last_modified: int) -> None:
        """Prepare the header.

        :param size: bytes of the body.
        :param etag: the strong entity tag, quoted.
        :param last_modified: seconds since the epoch.
        """
        self._body = body
        self._size = size
        self._etag = etag.encode()
        self._modified = last_modified
        self._validators = (
            b'ETag: %s\r\nLast-Modified: %s\r\n'
            # The URL is secret, and so is what is behind it.
            b'Cache-Control: private\r\n' % (
                self._etag,
                email.utils.formatdate(self._modified,
                                       usegmt=True).encode()))
        fixed = b'%sAccept-Ranges: bytes\r\n' % self._validators
        self._whole = (b'%sContent-Type: %s\r\nContent-Length: %d\r\n' % (
            fixed, _TYPE, self._size))
        self._one = (b'%sContent-Type: %s\r\nContent-Length: %%d\r\n'
                     b'Content-Range: bytes %%d-%%d/%d\r\n' % (
                         fixed.replace(b'%', b'%%'), _TYPE, self._size))
        self._fixed = fixed

    def answer(self, request: requests.Request, date: bytes) -> Response:
        """Answer a GET or HEAD request.

        :param date: the Date header line.
        """
        headers = request.headers
        if request.conditional:
            status = conditions.status(headers, self._etag, self._modified)
            if status == 304:
                return Response(304, b''.join((
                    _status_line(304), date, self._validators,
                    _connection(request), b'\r\n')), None)
            if status == 412:
                return sentence(412, 'The image is not the one that the '
                                'request is about.', date, request)
        if request.method == b'HEAD':
            return Response(200, b''.join((
                _OK, date, self._whole, _connection(request), b'\r\n')), None)
        wanted = headers.get(b'range')
        if wanted is not None and (
                b'if-range' not in headers or conditions.if_range(
                    headers[b'if-range'], self._etag, self._modified)):
            try:
                found = ranges.parse(wanted, self._size)
            except ranges.RangeError as exc:
                return sentence(
                    416, f'No such range: {exc}.', date, request,
                    b'Content-Range: bytes */%d\r\n' % self._size)
            if found is not None:
                if len(found) > 1:
                    return self._parts(request, date, found)
                first, end = found[0]
                kept = request.keep_alive and not request.old
                return Response(206, b''.join((
                    _PARTIAL, date, self._one % (end - first, first, end - 1),
                    b'\r\n' if kept else _connection(request) + b'\r\n')),
                    self._body.pieces(first, end))
        return Response(200, b''.join((
            _OK, date, self._whole, _connection(request), b'\r\n')),
            self._body.pieces(0, self._size))

    def _parts(self, request: requests.Request, date: bytes,
               found: collections.abc.Sequence[tuple[int, int]]
               ) -> Response:
        """Answer with multipart/byteranges (RFC 9110, section 14.6)."""
        boundary = secrets.token_hex(12).encode()
        heads = [b'\r\n--%s\r\nContent-Type: %s\r\n'
                 b'Content-Range: bytes %d-%d/%d\r\n\r\n' % (
                     boundary, _TYPE, first, end - 1, self._size)
                 for first, end in found]
        tail = b'\r\n--%s--\r\n' % boundary
        length = (sum(map(len, heads)) + len(tail)
                  + sum(end - first for first, end in found))

        def pieces() -> collections.abc.Iterator[bodies.Piece]:
            for head, (first, end) in zip(heads, found):
                yield head, 0, len(head), -1
                yield from self._body.pieces(first, end)
            yield tail, 0, len(tail), -1

        return Response(206, b''.join((
            _PARTIAL, date, self._fixed,
            b'Content-Type: multipart/byteranges; boundary=%s\r\n'
            b'Content-Length: %d\r\n' % (boundary, length),
            _connection(request), b'\r\n')), pieces())
