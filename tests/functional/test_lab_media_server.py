# SPDX-License-Identifier: Apache-2.0

"""Tests for what stands before the lab's media servers."""

import select
import socket
import socketserver
import threading
import types
import urllib.error
import urllib.request

import testtools

from lab import media_server
from lab import process


class _Server(socketserver.ThreadingTCPServer):
    """Sends its name and the start of an answer that never ends."""

    daemon_threads = True

    def __init__(self, name):
        super().__init__(('127.0.0.1', 0), _Handler)
        self.name = name
        self.stopped = threading.Event()


class _Handler(socketserver.BaseRequestHandler):

    def handle(self):
        self.request.recv(1 << 16)
        self.request.sendall(b'HTTP/1.0 200 OK\r\nContent-Length: 1000000'
                             b'\r\n\r\n' + self.server.name)
        self.server.stopped.wait(30)


class LoadBalancerTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.one, self.other = self.serve(b'one'), self.serve(b'two')
        self.balancer = media_server.LoadBalancer(self.one)
        self.balancer.start()
        self.addCleanup(self.balancer.stop)

    def serve(self, name):
        server = _Server(name)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.addCleanup(server.stopped.set)
        return types.SimpleNamespace(port=server.server_address[1])

    def get(self):
        answer = urllib.request.urlopen(self.balancer.url, timeout=30)
        self.addCleanup(answer.close)
        return answer

    def test_a_switch_cuts_what_is_under_way_and_leads_elsewhere(self):
        first = self.get()
        self.assertEqual(b'one', first.read(3))
        self.balancer.switch(self.other)
        self.assertEqual(b'', first.read1(1))
        self.assertEqual(b'two', self.get().read(3))

    def test_connections_to_a_server_that_is_gone_are_closed(self):
        self.balancer.switch(types.SimpleNamespace(port=1))
        self.assertRaises((OSError, urllib.error.URLError), self.get)
        self.balancer.switch(self.one)
        self.assertEqual(b'one', self.get().read(3))

    def test_a_hold_lasts_until_it_is_released(self):
        self.balancer.hold_after(1)
        self.assertEqual(b'one', self.get().read(3))
        process.await_condition(self.balancer.is_held, 'the hold', timeout=30)
        with socket.create_connection(
                ('127.0.0.1', int(self.balancer.url.rpartition(':')[2])),
                timeout=30) as late:
            late.sendall(b'GET / HTTP/1.0\r\n\r\n')
            self.assertEqual(([], [], []), select.select([late], [], [], 0.3))
            self.balancer.release()
            self.assertTrue(late.recv(1))

    def test_a_held_balancer_can_be_stopped(self):
        self.balancer.hold_after(1)
        self.assertEqual(b'one', self.get().read(3))
        process.await_condition(self.balancer.is_held, 'the hold', timeout=30)
        self.balancer.stop()
        self.assertRaises(OSError, self.get)

    def test_stopping_ends_everything(self):
        answer = self.get()
        self.assertEqual(b'one', answer.read(3))
        self.balancer.stop()
        self.assertEqual(b'', answer.read1(1))
        self.assertRaises(OSError, self.get)
        # Once more does no harm.
        self.balancer.stop()
