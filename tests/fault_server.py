# SPDX-License-Identifier: Apache-2.0

"""A web server on loopback that misbehaves the way a test says.

Each path has a Resource, served as RFC 9110 wants it. A fault changes the
reply to one request; faults are used up one after the other, by GET only.
"""

import collections.abc
import contextlib
import dataclasses
import gzip
import http.server
import re
import socket
import ssl
import threading
import typing

_SPAN = re.compile(r'bytes=(\d+)-(\d*)')
_PIECE = 16 << 10


@dataclasses.dataclass
class Reply:
    """What is about to be sent.

    :param cut: close the connection after so many bytes of the body.
    :param stall: send nothing more after so many bytes.
    :param pause: seconds between pieces of ``piece`` bytes.
    :param chunked: send no Content-Length.
    :param endless: repeat the body until the client goes away.
    """

    status: int
    headers: dict[str, str]
    body: bytes | memoryview = b''
    cut: int | None = None
    stall: int | None = None
    pause: float = 0
    piece: int = _PIECE
    chunked: bool = False
    endless: bool = False


Fault = collections.abc.Callable[[Reply, 'Resource'], None]


@dataclasses.dataclass
class Resource:
    """What the server has at one path.

    :param head: False refuses HEAD, as pre-signed URLs do.
    :param authorization: the header that a client must send.
    :param headers: to add to every answer.
    :param conditions: False ignores If-None-Match and its like.
    :param if_range: False ignores If-Range.
    :param faults: for the next GETs; None is an answer without a fault.
    :param always: the fault of every answer, whatever the method.
    """

    content: bytes = b''
    etag: str | None = '"v1"'
    last_modified: str | None = 'Thu, 01 Jan 2026 00:00:00 GMT'
    kind: str = 'application/octet-stream'
    ranges: bool = True
    head: bool = True
    authorization: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    conditions: bool = True
    if_range: bool = True
    chunked: bool = False
    faults: list[Fault | None] = dataclasses.field(default_factory=list)
    always: Fault | None = None
    gate: threading.Event | None = None


# Faults


def cut(after: int) -> Fault:
    """Break the connection off after so many bytes of the body."""
    return lambda reply, resource: setattr(reply, 'cut', after)


def stall(after: int) -> Fault:
    """Send nothing more after so many bytes, and keep the connection."""
    return lambda reply, resource: setattr(reply, 'stall', after)


def trickle(pause: float, piece: int = 1) -> Fault:
    """Send so many bytes at a time."""
    def apply(reply: Reply, resource: Resource) -> None:
        reply.pause, reply.piece = pause, piece
    return apply


def announce(length: int) -> Fault:
    """Lie about the length; the connection is closed after the body."""
    return header('Content-Length', str(length))


def header(name: str, value: str | None) -> Fault:
    """Send a header with another value, or without."""
    def apply(reply: Reply, resource: Resource) -> None:
        reply.headers.pop(name, None)
        if value is not None:
            reply.headers[name] = value
    return apply


def status(code: int, body: bytes = b'no', **headers: str) -> Fault:
    """Answer with a status, and headers such as ``Retry_After``."""
    def apply(reply: Reply, resource: Resource) -> None:
        reply.status, reply.body = code, body
        reply.headers = {name.replace('_', '-'): value
                         for name, value in headers.items()}
        reply.headers['Content-Length'] = str(len(body))
    return apply


def redirect(location: str, code: int = 302, **headers: str) -> Fault:
    """Send the client elsewhere; headers as of :func:`status`."""
    return status(code, Location=location, **headers)


def page() -> Fault:
    """Answer with a login page, as captive portals do."""
    return status(200, b'\n<!DOCTYPE html><title>Login</title>',
                  Content_Type='text/html; charset=utf-8')


def compressed() -> Fault:
    """Compress though the client asked for the image as it is."""
    def apply(reply: Reply, resource: Resource) -> None:
        reply.body = gzip.compress(bytes(reply.body))
        reply.headers['Content-Encoding'] = 'gzip'
        reply.headers['Content-Length'] = str(len(reply.body))
    return apply


def endless() -> Fault:
    """Never end, and never say so."""
    def apply(reply: Reply, resource: Resource) -> None:
        reply.status, reply.body = 200, bytes(_PIECE)
        reply.chunked = reply.endless = True
    return apply


def change(content: bytes, etag: str) -> Fault:
    """Have another image from the next request on."""
    def apply(reply: Reply, resource: Resource) -> None:
        resource.content, resource.etag = content, etag
    return apply


def both(*faults: Fault) -> Fault:
    """Join faults."""
    def apply(reply: Reply, resource: Resource) -> None:
        for fault in faults:
            fault(reply, resource)
    return apply


# The server


@dataclasses.dataclass
class Request:
    """A request that the server got.

    :ivar sent: bytes of the body that the answer had.
    :ivar client: port of the client's end of the connection.
    """

    method: str
    path: str
    headers: dict[str, str]
    client: int
    sent: int = 0


class FaultServer(http.server.ThreadingHTTPServer):
    """Serves ``resources`` and keeps ``requests``."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.resources: dict[str, Resource] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self._scheme = 'https' if context else 'http'
        if context:
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end."""
        return f'{self._scheme}://127.0.0.1:{self.server_address[1]}'

    def add(self, path: str, content: bytes = b'', **facts: typing.Any
            ) -> Resource:
        """Serve something, and return it."""
        return self.resources.setdefault(path, Resource(content, **facts))

    def sent(self, method: str = 'GET') -> list[str | None]:
        """Return the Range header of every request of a method."""
        return [request.headers.get('Range') for request in self.requests
                if request.method == method]

    def hang_up(self) -> None:
        """Close every connection, and take no part in what goes on there."""
        self.closing.set()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request_thread(self, request: typing.Any,
                               address: typing.Any) -> None:
        self.connections.add(request)
        try:
            super().process_request_thread(request, address)
        finally:
            self.connections.discard(request)

    def handle_error(self, request: typing.Any, address: typing.Any) -> None:
        """A client that goes away early is a client's right."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 30
    disable_nagle_algorithm = True
    server: FaultServer

    def do_GET(self) -> None:
        request = Request(self.command, self.path, dict(self.headers),
                          self.client_address[1])
        self.server.requests.append(request)
        resource = self.server.resources.get(self.path.partition('?')[0])
        if resource is None:
            reply = Reply(404, {'Content-Length': '2'}, b'no')
        else:
            if resource.gate:
                resource.gate.wait(30)
            reply = self._reply(resource)
        self._send(reply, request)

    do_HEAD = do_GET

    def _reply(self, resource: Resource) -> Reply:
        reply = self._fair_reply(resource)
        if resource.always:
            resource.always(reply, resource)
        if self.command == 'GET' and resource.faults:
            fault = resource.faults.pop(0)
            if fault:
                fault(reply, resource)
        return reply

    def _fair_reply(self, resource: Resource) -> Reply:
        wanted = resource.authorization
        if wanted and self.headers.get('Authorization') != wanted:
            return Reply(401, {'Content-Length': '2',
                               'WWW-Authenticate': 'Basic realm="x"'}, b'no')
        if self.command == 'HEAD' and not resource.head:
            return Reply(403, {'Content-Length': '0'})
        headers = {'Content-Type': resource.kind, **resource.headers}
        if resource.etag:
            headers['ETag'] = resource.etag
        if resource.last_modified:
            headers['Last-Modified'] = resource.last_modified
        if self._failed_match(resource):
            return Reply(412, {'Content-Length': '0'})
        if self._unmodified(resource):
            return Reply(304, headers)
        reply = Reply(200, headers, resource.content,
                      chunked=resource.chunked)
        if resource.ranges:
            headers['Accept-Ranges'] = 'bytes'
            self._cut_out(reply, resource)
        if not reply.chunked:
            headers['Content-Length'] = str(len(memoryview(reply.body)))
        return reply

    def _failed_match(self, resource: Resource) -> bool:
        match = self.headers.get('If-Match')
        return (resource.conditions and match is not None
                and match != resource.etag)

    def _unmodified(self, resource: Resource) -> bool:
        if not resource.conditions:
            return False
        tag = self.headers.get('If-None-Match')
        if tag is not None:
            return tag == resource.etag
        since = self.headers.get('If-Modified-Since')
        return since is not None and since == resource.last_modified

    def _cut_out(self, reply: Reply, resource: Resource) -> None:
        span = _SPAN.fullmatch(self.headers.get('Range', ''))
        held = self.headers.get('If-Range')
        if span is None or self.command == 'HEAD' or (
                resource.if_range and held is not None
                and held not in (resource.etag, resource.last_modified)):
            return
        size = len(resource.content)
        first, last = int(span[1]), int(span[2] or size - 1)
        end = min(last + 1, size)
        if first >= size:
            reply.status, reply.body = 416, b''
            reply.headers['Content-Range'] = f'bytes */{size}'
            return
        reply.status = 206
        reply.body = memoryview(resource.content)[first:end]
        reply.headers['Content-Range'] = f'bytes {first}-{end - 1}/{size}'

    def _send(self, reply: Reply, request: Request) -> None:
        if reply.chunked:
            reply.headers.pop('Content-Length', None)
            reply.headers['Transfer-Encoding'] = 'chunked'
        length = reply.headers.get('Content-Length')
        body = memoryview(reply.body)
        if length is not None and self.command == 'GET' and int(
                length) != len(body):
            reply.headers['Connection'] = 'close'
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == 'HEAD' or reply.status == 304:
            return
        self._send_body(reply, body, request)
        if reply.headers.get('Connection') == 'close':
            self.close_connection = True

    def _send_body(self, reply: Reply, body: memoryview, request: Request
                   ) -> None:
        while True:
            for start in range(0, len(body), reply.piece):
                end = min(start + reply.piece, len(body))
                for stop, wait in ((reply.cut, False), (reply.stall, True)):
                    if stop is not None and request.sent + end - start > stop:
                        self._write(reply, body[start:start + stop
                                                - request.sent], request)
                        if wait:
                            self.server.closing.wait(30)
                        self.close_connection = True
                        return
                self._write(reply, body[start:end], request)
                if reply.pause and self.server.closing.wait(reply.pause):
                    self.close_connection = True
                    return
            if not reply.endless or self.server.closing.is_set():
                break
        if reply.chunked:
            self.wfile.write(b'0\r\n\r\n')

    def _write(self, reply: Reply, part: memoryview, request: Request
               ) -> None:
        if not part:
            return
        if reply.chunked:
            self.wfile.write(b'%x\r\n' % len(part))
        self.wfile.write(part)
        if reply.chunked:
            self.wfile.write(b'\r\n')
        request.sent += len(part)

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at ``requests``."""


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None
            ) -> collections.abc.Iterator[FaultServer]:
    """Run a server as long as the context lasts.

    :param context: for TLS.
    """
    server = FaultServer(context)
    thread = threading.Thread(target=server.serve_forever,
                              kwargs={'poll_interval': 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
