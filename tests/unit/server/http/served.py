# SPDX-License-Identifier: Apache-2.0

"""A server of HTTP with an application for tests, and clients of it."""

import asyncio
import contextlib
import hashlib
import re
import threading
import time

import fixtures
import testtools

from ironic_ext.server.http import connections
from tests.unit.server import asgi

GET = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
CLOSE = GET.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n')
POST = b'POST /body HTTP/1.1\r\nHost: a\r\n'
_LENGTH = re.compile(rb'content-length: (\d+)')


class ServerTestCase(testtools.TestCase):
    limits = connections.Limits()
    tls = None

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.paths, self.bodies = [], []
        self.begun = threading.Semaphore(0)
        self.goes_on = asyncio.Event()
        self.server = self.useFixture(asgi.Server(
            self.answer, self.limits, self.tls, self.is_exempt,
            at_once=lambda scope: self.at_once(scope)))

    def is_exempt(self, host):
        return False

    def at_once(self, scope):
        return None

    async def answer(self, scope, receive, send):
        self.paths.append(scope['path'])
        body = b'hello'
        if scope['path'] == '/body':
            body = await self.read(receive)
        elif scope['path'] == '/slow':
            self.begun.release()
            await self.goes_on.wait()
        elif scope['path'] == '/large':
            body = bytes(32 << 20)
        elif scope['path'] == '/lines':
            await self.send_lines(send)
            return
        elif scope['path'] == '/fault':
            raise KeyError('a fault')
        await send({'type': 'http.response.start', 'status': 200, 'headers': [
            (b'content-length', b'%d' % len(body))]})
        await send({'type': 'http.response.body', 'body': body})

    async def read(self, receive):
        found = hashlib.sha256()
        while True:
            message = await receive()
            if message['type'] != 'http.request':
                raise ConnectionResetError
            found.update(message['body'])
            self.begun.release()
            if not message['more_body']:
                return found.hexdigest().encode()

    async def send_lines(self, send):
        await send({'type': 'http.response.start', 'status': 200,
                    'headers': []})
        await send({'type': 'http.response.body', 'body': b'one\n',
                    'more_body': True})
        self.begun.release()
        await self.goes_on.wait()
        await send({'type': 'http.response.body', 'body': b'two\n',
                    'more_body': True})
        await send({'type': 'http.response.body'})

    def go_on(self):
        loop = self.server.server.servers[0].get_loop()
        loop.call_soon_threadsafe(self.goes_on.set)

    def connect(self, source='127.0.0.1'):
        return self.server.connect(source)

    def answered(self, connection):
        """Return the head of an answer and its body; b'' for none."""
        found = b''
        while b'\r\n\r\n' not in found:
            more = connection.recv(1)
            if not more:
                return found, b''
            found += more
        length = int((_LENGTH.search(found) or [0, 0])[1])
        body = bytearray()
        while len(body) < length:
            more = connection.recv(min(1 << 20, length - len(body)))
            self.assertNotEqual(b'', more)
            body += more
        return found, bytes(body)

    def ask(self, connection, request=GET):
        connection.sendall(request)
        return self.answered(connection)

    def await_count(self, count):
        """Wait until so many connections are left."""
        until = time.monotonic() + 60
        while len(self.server.shared) > count:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def assertClosed(self, connection):
        with contextlib.suppress(ConnectionError):
            self.assertEqual(b'', connection.recv(1))
