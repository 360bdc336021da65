# SPDX-License-Identifier: Apache-2.0

"""Applications of ASGI without a network, and with one."""

import asyncio
import dataclasses
import json
import socket
import threading
import typing

import fixtures

from ironic_ext.server.http import connections
from ironic_ext.server.http import server


@dataclasses.dataclass
class Answer:
    """What an application answers. Names of headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    data: bytes = b''

    @property
    def json(self) -> typing.Any:
        """The body."""
        return json.loads(self.data)


def scope(path: str, method: str = 'GET', headers=(), peer='192.0.2.1'):
    """Return a request."""
    path, _mark, query = path.partition('?')
    return {'type': 'http', 'http_version': '1.1', 'method': method,
            'scheme': 'http', 'path': path, 'raw_path': path.encode(),
            'query_string': query.encode(), 'root_path': '',
            'headers': [(name.lower().encode(), value.encode())
                        for name, value in headers],
            'client': (peer, 1234), 'server': ('127.0.0.1', 80)}


def ask(app, path: str, method: str = 'GET', headers=(), body: bytes = b'',
        peer: str = '192.0.2.1') -> Answer:
    """Return what an application answers to a request."""
    found = Answer()
    parts = [body]

    async def receive():
        if not parts:
            return {'type': 'http.disconnect'}
        return {'type': 'http.request', 'body': parts.pop(),
                'more_body': False}

    async def send(message):
        if message['type'] == 'http.response.start':
            found.status = message['status']
            found.headers = {name.decode(): value.decode()
                             for name, value in message['headers']}
        else:
            found.data += message.get('body', b'')

    if body:
        headers = [*headers, ('Content-Length', str(len(body)))]
    asyncio.run(app(scope(path, method, headers, peer), receive, send))
    return found


class Server(fixtures.Fixture):
    """An application on a port of loopback, in a thread."""

    def __init__(self, app, limits=None, tls=None, is_exempt=None,
                 before_end=lambda: None, at_once=lambda scope: None):
        super().__init__()
        self.shared = connections.Connections(
            limits or connections.Limits(),
            is_exempt or (lambda host: False), tls)
        self.server = server.Server(app, self.shared, before_end,
                                    at_once)

    def _setUp(self):
        listener = socket.create_server(('127.0.0.1', 0),
                                        backlog=server.BACKLOG)
        self.address = listener.getsockname()
        self.thread = threading.Thread(target=self.server.run,
                                       args=([listener],))
        self.thread.start()
        self.addCleanup(self.stop)

    def stop(self):
        """End it."""
        self.server.stop()
        self.thread.join()

    def connect(self, source='127.0.0.1'):
        """Return a connection."""
        made = socket.create_connection(self.address, 60, (source, 0))
        self.addCleanup(made.close)
        return made
