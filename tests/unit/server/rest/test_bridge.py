# SPDX-License-Identifier: Apache-2.0

"""Between coroutines and WSGI: when a body is read, and how much of it."""

import asyncio
import concurrent.futures
import threading

import falcon
import fixtures
import testtools

from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import bridge
from ironic_ext.server import threads
from tests.unit.server import asgi

MIB = 1 << 20


class _Client:
    """Who sends a body in parts, the last of which may never come."""

    def __init__(self, *parts, ends=True):
        self._parts = list(parts)
        self._ends = ends
        self.asked = 0
        self.goes_on = asyncio.Event()

    async def receive(self):
        self.asked += 1
        if not self._parts:
            await self.goes_on.wait()
            return {'type': 'http.request', 'body': b'', 'more_body': False}
        part = self._parts.pop(0)
        return {'type': 'http.request', 'body': part,
                'more_body': bool(self._parts) or not self._ends}


class BridgeTestCase(testtools.TestCase):
    """A WSGI application behind a login, and its clients."""

    def setUp(self):
        super().setUp()
        self.logins, self.bodies, self.users = [], [], []
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.addCleanup(self.pool.shutdown)
        self.bridge = bridge.Bridge(self.app, self.guard,
                                    threads.Threads(self.pool))

    def guard(self, app):
        def guarded(environ, start_response):
            self.logins.append(environ['PATH_INFO'])
            if environ.get('HTTP_X_USER') != 'admin':
                start_response('401 Unauthorized', [])
                return [b'who are you?']
            environ['test.user'] = 'admin'
            return app(environ, start_response)
        return guarded

    def app(self, environ, start_response):
        req = falcon.Request(environ)
        if req.path == '/watch':
            bridge.go_on(req, self.watch)
        elif req.path != '/nothing':
            self.bodies.append(bodies.read(req, MIB))
            self.users.append(environ['test.user'])
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [threading.current_thread().name.encode()]

    async def watch(self, receive, answer):
        self.watching += 1
        await self.ends.wait()
        return answer

    def ask(self, client, path='/', user='admin', length=None):
        return self.bridge.answer(asgi.scope(path, 'POST', [
            ('X-User', user), ('Transfer-Encoding', 'chunked')
            if length is None else ('Content-Length', str(length))]),
            client.receive)

    def test_a_body_is_read_after_the_login_and_judged_with_it(self):
        async def run():
            client = _Client(b'a' * 10, b'b' * 10)
            return await self.ask(client, length=20)

        self.assertEqual(200, asyncio.run(run()).status)
        self.assertEqual([b'a' * 10 + b'b' * 10], self.bodies)
        # Once, though the application ran twice.
        self.assertEqual((['/'], ['admin']), (self.logins, self.users))

    def test_of_who_may_not_no_byte_is_read(self):
        async def run():
            client = _Client(b'x', ends=False)
            answer = await self.ask(client, user='stranger')
            return client.asked, answer.status, answer.data

        self.assertEqual((0, 401, b'who are you?'), asyncio.run(run()))
        self.assertEqual([], self.bodies)

    def test_of_what_is_not_wanted_no_byte_is_read(self):
        async def run():
            client = _Client(b'x', ends=False)
            answer = await self.ask(client, '/nothing')
            return client.asked, answer.status

        self.assertEqual((0, 200), asyncio.run(run()))

    def test_too_long_a_body_is_not_begun_if_it_says_so(self):
        async def run():
            client = _Client(b'x', ends=False)
            with testtools.ExpectedException(errors.TooLargeError):
                await self.ask(client, length=MIB + 1)
            return client.asked

        self.assertEqual(0, asyncio.run(run()))

    def test_too_long_a_body_is_read_no_further(self):
        async def run():
            client = _Client(*[bytes(MIB // 2)] * 10)
            with testtools.ExpectedException(errors.TooLargeError):
                await self.ask(client)
            return client.asked

        self.assertEqual(3, asyncio.run(run()))

    def test_all_bodies_together_have_64_mib(self):
        async def run():
            clients = [_Client(bytes(MIB - 1024), ends=False)
                       for _number in range(64)]
            asked = [asyncio.create_task(self.ask(client))
                     for client in clients]
            while any(client.asked < 2 for client in clients):
                await asyncio.sleep(0.01)
            # 64 KiB are left.
            self.assertEqual(200, (await self.ask(_Client(
                bytes(64 << 10)))).status)
            with testtools.ExpectedException(errors.BusyError):
                await self.ask(_Client(bytes((64 << 10) + 1)))
            # Who was refused holds nothing any more.
            self.assertEqual(200, (await self.ask(_Client(
                bytes(64 << 10)))).status)
            for client in clients:
                client.goes_on.set()
            for answer in await asyncio.gather(*asked):
                self.assertEqual(200, answer.status)
            # Nobody does.
            clients = [_Client(bytes(MIB)) for _number in range(64)]
            await asyncio.gather(*map(self.ask, clients))

        asyncio.run(run())
        self.assertEqual(64 + 2 + 64, len(self.bodies))

    def test_a_body_has_30_seconds(self):
        timeouts = []

        def timeout(seconds):
            timeouts.append(seconds)
            return real(seconds / 300)

        real = asyncio.timeout
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.server.rest.bridge.asyncio.timeout', timeout))

        async def run():
            client = _Client(bytes(MIB), ends=False)
            for _number in range(70):
                # What they held is given back.
                timeouts.clear()
                asked = asyncio.create_task(self.ask(client))
                if _number < 68:
                    while not client.asked:
                        await asyncio.sleep(0)
                    asked.cancel()
                    await asyncio.wait([asked])
                else:
                    with testtools.ExpectedException(errors.TimedOutError):
                        await asked
                client = _Client(bytes(MIB), ends=False)

        asyncio.run(run())
        self.assertEqual([30.0], timeouts)
        self.assertEqual([], self.bodies)

    def test_what_takes_its_time_has_no_thread(self):
        async def run():
            self.watching, self.ends = 0, asyncio.Event()
            watches = [asyncio.create_task(self.ask(_Client(), '/watch',
                                                    length=0))
                       for _number in range(50)]
            while self.watching < 50:
                await asyncio.sleep(0.01)
            # The only thread there is has time.
            answer = await self.ask(_Client(b'x'))
            self.ends.set()
            await asyncio.gather(*watches)
            return answer

        answer = asyncio.run(run())
        self.assertIsInstance(answer, answers.Answer)
        self.assertEqual(200, answer.status)
