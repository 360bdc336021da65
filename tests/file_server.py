# SPDX-License-Identifier: Apache-2.0

"""A web server of a folder's files: whole ones, for Python knows no ranges."""

import functools
import http.server
import pathlib
import threading
import typing

import fixtures


class _Handler(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *args: object) -> None:
        """Requests are of no interest."""


class _Server(http.server.ThreadingHTTPServer):

    def handle_error(self, request: typing.Any, address: typing.Any) -> None:
        """A client that goes away early is a client's right."""


class FileServer(fixtures.Fixture):
    """Serves a folder on loopback; `url` has no slash at its end."""

    url: str

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__()
        self._folder = folder

    def _setUp(self) -> None:
        server = _Server(('127.0.0.1', 0), functools.partial(
            _Handler, directory=self._folder))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.url = f'http://127.0.0.1:{server.server_port}'
