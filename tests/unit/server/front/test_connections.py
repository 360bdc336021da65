# SPDX-License-Identifier: Apache-2.0

"""Tests for connections, over sockets that keep what was sent apart."""

import gc
import socket
import weakref

import fixtures
import testtools

from ironic_ext.server.front import connections
from ironic_ext.server.front import listener

_GET = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'


class ConnectionTestCase(testtools.TestCase):
    """Requests, and what is sent in one go for each."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        # What one send() sent, one recv() receives.
        self.client, self.ours = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.client.close)
        self.addCleanup(self.ours.close)
        self.client.settimeout(60)
        server = listener.Listener(('127.0.0.1', 0), self.answer, 1)
        server.ready, server.software = True, 'test'
        self.connection = connections.Connection(server, self.ours)
        self.headers = [('Content-Length', '4')]
        self.status, self.body = '200 OK', [b'body']
        self.asked = []

    def answer(self, environ, start_response):
        self.asked.append(environ['wsgi.input'].read())
        start_response(self.status, self.headers)
        return self.body

    def ask(self, request=_GET):
        """Return whether the connection is kept."""
        self.client.sendall(request)
        return self.connection.communicate()

    def received(self):
        return self.client.recv(1 << 16)

    def test_head_and_body_are_sent_together(self):
        self.assertTrue(self.ask())
        head, _end, body = self.received().partition(b'\r\n\r\n')
        self.assertTrue(head.startswith(b'HTTP/1.1 200 OK\r\n'))
        self.assertEqual(b'body', body)

    def test_each_chunk_is_sent_when_it_is_there(self):
        def chunks():
            yield b'one'
            # The client has it before the next one is made.
            self.assertTrue(self.received().endswith(
                b'\r\n\r\n3\r\none\r\n'))
            yield b'two'
            self.assertEqual(b'3\r\ntwo\r\n', self.received())

        self.headers, self.body = [], chunks()
        self.assertTrue(self.ask())
        self.assertEqual(b'0\r\n\r\n', self.received())

    def test_an_answer_without_a_body_is_sent_and_the_next_one(self):
        for request, self.status, self.headers in (
                (_GET, '304 Not Modified', []),
                (_GET, '204 No Content', []),
                (_GET.replace(b'GET', b'HEAD'), '200 OK',
                 [('Content-Length', '4')])):
            self.body = []
            self.assertTrue(self.ask(request))
            found = self.received()
            self.assertTrue(found.startswith(
                b'HTTP/1.1 %s\r\n' % self.status.encode()))
            self.assertTrue(found.endswith(b'\r\n\r\n'))
            self.assertNotIn(b'Connection: close', found)

    def test_who_asks_first_is_told_to_send_the_body(self):
        self.client.sendall(b'PUT / HTTP/1.1\r\nHost: a\r\n'
                            b'Expect: 100-continue\r\n'
                            b'Content-Length: 3\r\n\r\n')
        self.client.sendall(b'abc')
        self.assertTrue(self.connection.communicate())
        self.assertEqual(b'HTTP/1.1 100 Continue\r\n\r\n', self.received())
        self.assertTrue(self.received().endswith(b'\r\n\r\nbody'))
        self.assertEqual([b'abc'], self.asked)

    def test_what_is_no_http_is_told_so_and_ends_it(self):
        self.assertFalse(self.ask(b'nonsense\r\n'))
        self.assertTrue(self.received().startswith(b'HTTP/1.1 400 '))
        self.assertEqual([], self.asked)

    def test_an_error_before_the_body_keeps_no_head_back(self):
        def fails():
            raise OSError(5, 'a disk')
            yield b''

        self.body = fails()
        self.assertFalse(self.ask())
        self.assertTrue(self.received().startswith(b'HTTP/1.1 200 OK\r\n'))

    def test_a_second_request_in_the_buffer_is_seen(self):
        self.assertTrue(self.ask(_GET + _GET))
        self.assertTrue(self.connection.rfile.has_data())
        self.assertTrue(self.connection.communicate())
        self.assertFalse(self.connection.rfile.has_data())
        self.assertEqual(self.received(), self.received())

    def test_what_others_have_read_comes_first(self):
        self.connection.rfile.take_back(_GET[:5])
        self.assertTrue(self.connection.rfile.has_data())
        self.assertTrue(self.ask(_GET[5:]))
        self.assertTrue(self.received().endswith(b'body'))
        self.assertFalse(self.connection.rfile.has_data())

    def test_a_client_that_left_gets_no_rest_of_an_answer(self):
        self.assertTrue(self.connection.finish(b''))
        self.assertTrue(self.connection.finish(b'rest'))
        self.assertEqual(b'rest', self.received())
        self.client.close()
        self.assertFalse(self.connection.finish(b'rest'))

    def test_a_closed_connection_leaves_nothing_to_the_collector(self):
        gc.disable()
        self.addCleanup(gc.enable)
        self.ask()
        known = weakref.ref(self.connection)
        self.connection.close()
        del self.connection
        self.assertIsNone(known())


class WriterTestCase(testtools.TestCase):
    """What a slow client is sent."""

    def test_a_client_that_takes_little_gets_all_of_it(self):
        class Slow:
            taken = []

            def send(self, data):
                self.taken.append(bytes(data[:3]))
                return len(self.taken[-1])

        writer = connections.Writer(Slow())
        writer.hold()
        writer.write(b'head')
        self.assertEqual([], Slow.taken)
        writer.write(b'body')
        self.assertEqual([b'hea', b'dbo', b'dy'], Slow.taken)
        writer.flush()
        writer.write(b'more')
        self.assertEqual([b'mor', b'e'], Slow.taken[3:])
