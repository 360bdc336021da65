# SPDX-License-Identifier: Apache-2.0

"""Tests for a connection of HTTP, whatever it is that is answered."""

import asyncio
import socket
import threading

import testtools

from ironic_ext.media.stream.http import body
from ironic_ext.media.stream.http import connection
from ironic_ext.media.stream.http import response
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import settings

PATIENCE = 20


class Echo(connection.Connection):
    """Answers with the target; brings bytes that are elsewhere."""

    def _answer(self, request):
        body_ = BODIES.get(request.target)
        if body_ is not None:
            self._send(response.Representation(body_, 4, '"x"', 0).answer(
                request, self._host.date))
        else:
            self._send(response.sentence(
                200, request.target.decode(), self._host.date, request))

    def _bring(self):
        source, offset, length = self._sender.wanted()
        self._loop.call_soon(self._supply, source.read(offset, length))


class Elsewhere:
    """A body, and the source of it, that has no descriptor."""

    fd = None

    def pieces(self, first, end):
        yield self, first, end - first, first

    def read(self, offset, length):
        return b'afar'[offset:offset + length]

    def check(self):
        pass


class Truncated(Elsewhere):

    def check(self):
        raise body.TruncatedError('it is shorter')


BODIES = {b'/elsewhere': Elsewhere(), b'/truncated': Truncated()}


class Host:
    """An event loop in a thread that serves one connection."""

    date = b'Date: now\r\n'
    clock = 0.0
    stopping = False

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.settings = settings.ServerSettings()
        self.counters = metrics.SharedCounters(1).row(0)
        self.done = threading.Event()
        mine, self.peer = socket.socketpair()
        mine.setblocking(False)
        self.peer.settimeout(PATIENCE)
        self.connection = Echo(self, mine, 'peer')
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def closed(self, _connection):
        self.done.set()

    def stop(self):
        self.loop.call_soon_threadsafe(self.connection.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()
        self.peer.close()


class ConnectionTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.host = Host()
        self.addCleanup(self.host.stop)

    def ask(self, *requests):
        self.host.peer.sendall(b''.join(
            b'%s HTTP/1.1\r\nHost: x\r\n\r\n' % request
            for request in requests))

    def read_until(self, end):
        data = b''
        while not data.endswith(end):
            more = self.host.peer.recv(4096)
            self.assertTrue(more, data)
            data += more
        return data

    def test_pipelined_requests_are_answered_in_their_order(self):
        self.ask(*(b'GET /%d' % number for number in range(40)))
        data = self.read_until(b'\n/39\n')
        self.assertEqual(40, data.count(b'HTTP/1.1 200 OK'))
        self.assertLess(data.index(b'\n/7\n'), data.index(b'\n/8\n'))

    def test_other_methods_are_refused_and_the_next_request_is_answered(
            self):
        self.ask(b'DELETE /a', b'GET /b')
        data = self.read_until(b'\n/b\n')
        self.assertIn(b'HTTP/1.1 405 ', data)
        self.assertIn(b'Allow: GET, HEAD\r\n', data)

    def test_bytes_that_are_elsewhere_are_brought(self):
        self.ask(b'GET /elsewhere', b'GET /after')
        data = self.read_until(b'\n/after\n')
        self.assertIn(b'\r\n\r\nafarHTTP/1.1 200 OK', data)

    def test_what_is_no_request_ends_the_connection(self):
        self.host.peer.sendall(b'\x16\x03\x01 nonsense\r\n\r\n')
        data = self.read_until(b'\n')
        while more := self.host.peer.recv(4096):
            data += more
        self.assertIn(b'HTTP/1.1 400 ', data)
        self.host.peer.close()
        self.assertTrue(self.host.done.wait(PATIENCE))

    def test_a_body_that_cannot_be_had_is_cut_off(self):
        self.ask(b'GET /truncated')
        self.assertTrue(self.host.done.wait(PATIENCE))
