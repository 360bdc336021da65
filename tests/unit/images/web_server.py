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

"""A web server on loopback whose answers a test decides."""

import collections.abc
import contextlib
import dataclasses
import http.server
import threading
import typing


@dataclasses.dataclass
class Page:
    """What the server has at one path.

    :param announce: Content-Length to send instead of the true one; -1 is
        none at all.
    """

    content: bytes = b''
    status: int = 200
    etag: str | None = None
    last_modified: str | None = None
    kind: str = 'application/octet-stream'
    announce: int | None = None
    gate: threading.Event | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that the server got."""

    method: str
    path: str
    headers: dict[str, str]


class WebServer(http.server.ThreadingHTTPServer):
    """Serves ``pages`` and keeps ``requests``."""

    daemon_threads = True
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end."""
        return f'http://127.0.0.1:{self.server_address[1]}'

    def handle_error(self, request: typing.Any, address: typing.Any) -> None:
        """A client that goes away early is a client's right."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server: WebServer

    def do_GET(self) -> None:
        path = self.path.partition('?')[0]
        self.server.requests.append(
            Request(self.command, self.path, dict(self.headers)))
        page = self.server.pages.get(path, Page(b'not here', 404))
        if page.gate:
            page.gate.wait(30)
        content, status = page.content, page.status
        matches = (page.etag is not None and self.headers.get(
            'If-None-Match') == page.etag)
        matches |= (page.last_modified is not None and self.headers.get(
            'If-Modified-Since') == page.last_modified)
        if matches:
            content, status = b'', 304
        elif span := self.headers.get('Range'):
            first, last = span.removeprefix('bytes=').split('-')
            content, status = content[int(first):int(last) + 1], 206
        self.send_response(status)
        if page.etag:
            self.send_header('ETag', page.etag)
        if page.last_modified:
            self.send_header('Last-Modified', page.last_modified)
        self.send_header('Content-Type', page.kind)
        length = len(content) if page.announce is None else page.announce
        if length >= 0:
            self.send_header('Content-Length', str(length))
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at ``requests``."""


@contextlib.contextmanager
def serving() -> collections.abc.Iterator[WebServer]:
    """Run a server as long as the context lasts."""
    server = WebServer()
    thread = threading.Thread(target=server.serve_forever,
                              kwargs={'poll_interval': 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
