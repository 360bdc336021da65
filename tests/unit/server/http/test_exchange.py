# SPDX-License-Identifier: Apache-2.0

"""Bodies of requests over real connections."""

import asyncio
import contextlib
import hashlib
import os
from unittest import mock

import testtools

from ironic_ext.server.http import exchange
from tests.unit.server.http import served


class PartsTestCase(testtools.TestCase):
    """What whoever reads a body is told of it."""

    def test_a_byte_now_and_then_is_kept_until_there_are_more(self):
        async def run():
            link = mock.Mock(loop=asyncio.get_running_loop())
            link.got_body.return_value = 0.0
            request = exchange.Exchange(link, {})
            reading = asyncio.ensure_future(request.receive())
            for part in (b'', *[b'1'] * 4095):
                request.take(part)
                await asyncio.sleep(0)
                self.assertFalse(reading.done())
            request.take(b'2')
            self.assertEqual(b'1' * 4095 + b'2', (await reading)['body'])
            reading = asyncio.ensure_future(request.receive())
            request.take(b'3')
            request.complete()
            self.assertEqual({'type': 'http.request', 'body': b'3',
                              'more_body': False}, await reading)
        asyncio.run(run())

    def test_what_came_of_a_body_is_handed_out_when_the_client_is_gone(self):
        async def run():
            link = mock.Mock(loop=asyncio.get_running_loop())
            link.got_body.return_value = 0.0
            request = exchange.Exchange(link, {})
            reading = asyncio.ensure_future(request.receive())
            await asyncio.sleep(0)
            request.take(b'123')
            request.disconnect()
            return await reading, await request.receive()

        self.assertEqual(
            ({'type': 'http.request', 'body': b'123', 'more_body': True},
             {'type': 'http.disconnect'}), asyncio.run(run()))


class BodyTestCase(served.ServerTestCase):
    """What comes after a head."""

    def put(self, connection, *parts):
        connection.sendall(served.POST + b'Content-Length: %d\r\n\r\n' % sum(
            map(len, parts)))
        for part in parts:
            connection.sendall(part)
            self.assertTrue(self.begun.acquire(timeout=60))
        self.assertEqual(hashlib.sha256(b''.join(parts)).hexdigest().encode(),
                         self.answered(connection)[1])

    def test_a_body_is_read_as_it_comes(self):
        connection = self.connect()
        self.put(connection, b'1' * 5000, b'67890')
        self.put(connection, b'1' * 5000, os.urandom(8 << 20))
        self.put(connection, b'12345')

    def test_who_asks_first_is_told_when_the_body_is_wanted(self):
        head = (served.POST + b'Content-Length: 3\r\n'
                b'Expect: 100-continue\r\n\r\n')
        connection = self.connect()
        self.assertEqual(b'HTTP/1.1 100 Continue\r\n\r\n',
                         self.ask(connection, head)[0])
        self.ask(connection, b'abc')
        # Nobody wants this one.
        found, _body = self.ask(connection, head.replace(b'/body', b'/'))
        self.assertIn(b' 200 OK', found)
        self.assertIn(b'\r\nconnection: close\r\n', found)

    def test_a_body_that_nobody_wants_closes_the_connection(self):
        for length in (b'Content-Length: %d' % (100 << 20),
                       b'Transfer-Encoding: chunked'):
            connection = self.connect()
            head, body = self.ask(
                connection, served.POST.replace(b'/body', b'/') + length
                + b'\r\n\r\n')
            self.assertIn(b'\r\nconnection: close\r\n', head)
            self.assertEqual(b'hello', body)
            self.assertClosed(connection)

    def test_the_answer_arrives_though_nobody_wants_the_body(self):
        for _number in range(20):
            connection = self.connect()
            connection.sendall(served.POST.replace(b'/body', b'/')
                               + b'Content-Length: 1000000\r\n\r\n'
                               + bytes(500000))
            self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_body_is_not_received_before_it_is_wanted(self):
        connection = self.connect()
        connection.sendall(served.POST.replace(b'/body', b'/slow')
                           + b'Content-Length: %d\r\n\r\n' % (64 << 20))
        self.assertTrue(self.begun.acquire(timeout=60))
        connection.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                sent += connection.send(bytes(1 << 20))
        # What the system holds for both, and one buffer of ours.
        self.assertLess(sent, 32 << 20)
        self.go_on()
