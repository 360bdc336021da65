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

"""Tests for the threads that serve connections, over real ones."""

import contextlib
import errno
import hashlib
import itertools
import os
import socket
import ssl
import struct
import tempfile
import threading
import time
import unittest.mock

from cheroot.ssl import builtin
import fixtures
import testtools
import trustme

from ironic_ext.server import listener

_GET = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
_CLOSE = _GET.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n')


class _ListenerTestCase(testtools.TestCase):
    threads = 2
    body = b'body'

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.server = listener.Listener(
            ('127.0.0.1', 0), self.answer, self.threads, timeout=60,
            shutdown_timeout=60)
        self.configure()
        self.server.prepare()
        serving = threading.Thread(target=self.server.serve)
        serving.start()
        self.addCleanup(serving.join)
        self.addCleanup(self.server.stop)

    def configure(self):
        pass

    def answer(self, environ, start_response):
        return self.said(start_response)

    def said(self, start_response, body=None):
        body = self.body if body is None else body
        start_response('200 OK', [('Content-Length', str(len(body)))])
        return [body]

    def connect(self):
        made = socket.create_connection(self.server.bind_addr, 60)
        self.addCleanup(made.close)
        return made

    def received(self, connection, count=1):
        """Return the head and the bodies of some answers."""
        found = b''
        while found.count(self.body) < count:
            more = connection.recv(1 << 16)
            self.assertNotEqual(b'', more, found)
            found += more
        return found


class ListenerTestCase(_ListenerTestCase):
    """Connections of several clients."""

    def test_a_connection_is_kept_for_more_requests(self):
        connection = self.connect()
        for _number in range(3):
            connection.sendall(_GET)
            self.received(connection)

    def test_requests_in_a_row_are_answered_in_a_row(self):
        connection = self.connect()
        connection.sendall(_GET * 5)
        self.received(connection, 5)
        connection.sendall(_CLOSE)
        self.received(connection)
        self.assertEqual(b'', connection.recv(1))

    def test_those_who_say_nothing_hold_nobody_up(self):
        silent = [self.connect() for _number in range(self.threads + 1)]
        for connection in (None, *silent):
            connection = connection or self.connect()
            connection.sendall(_CLOSE)
            self.received(connection)

    def test_a_client_that_leaves_is_forgotten(self):
        at_once = struct.pack('ii', 1, 0)
        for request, linger in itertools.product(
                (b'', _GET), (struct.pack('ii', 0, 0), at_once)):
            connection = self.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  linger)
            connection.sendall(request)
            connection.close()
        connection = self.connect()
        connection.sendall(_GET)
        self.received(connection)

    def test_what_nobody_uses_is_closed(self):
        connection = self.connect()
        connection.sendall(_GET)
        self.received(connection)
        connection.setblocking(False)
        until = time.monotonic() + 60
        while True:
            self.server.requests.expire(time.monotonic())
            with contextlib.suppress(BlockingIOError):
                self.assertEqual(b'', connection.recv(1))
                return
            self.assertLess(time.monotonic(), until)

    def test_what_waits_for_little_is_not_closed(self):
        connection = self.connect()
        connection.sendall(_GET)
        self.received(connection)
        self.server.requests.expire(time.monotonic() - 60)
        connection.sendall(_GET)
        self.received(connection)

    def test_only_some_connections_are_kept(self):
        kept = []
        for _number in range(20):
            connection = self.connect()
            connection.sendall(_GET)
            if b'Connection: close' in self.received(connection):
                break
            kept.append(connection)
        else:
            self.fail('20 connections are kept')
        self.assertGreaterEqual(len(kept), self.threads)
        for connection in kept:
            connection.sendall(_GET)
            self.received(connection)

    def test_the_oldest_silent_one_makes_room(self):
        first, *_others = [self.connect() for _number in range(10)]
        self.assertEqual(b'', first.recv(1))

    def test_too_many_open_files_end_some_connection(self):
        idle = self.connect()
        idle.sendall(_GET)
        self.received(idle)
        full = unittest.mock.Mock()
        full.accept.side_effect = OSError(errno.EMFILE, 'too many')
        full.fileno.return_value = self.server.socket.fileno()
        with unittest.mock.patch.object(listener, '_PAUSE', 0):
            # The answer may be here before the connection waits again.
            while idle.fileno() != -1:
                self.assertIsNone(self.server.requests._accepted(full))
                idle.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    self.assertEqual(b'', idle.recv(1))
                    break
        connection = self.connect()
        connection.sendall(_GET)
        self.received(connection)


class BodyTestCase(_ListenerTestCase):
    """Bodies that come and go slowly."""

    threads = 1

    def setUp(self):
        super().setUp()
        self.half = threading.Event()

    def answer(self, environ, start_response):
        body = environ['wsgi.input']
        if environ['PATH_INFO'] == '/watch':
            start_response('200 OK', [])
            return self.lines()
        found = hashlib.sha256(body.read(5))
        self.half.set()
        while more := body.read(1 << 16):
            found.update(more)
        return self.said(start_response, found.hexdigest().encode() + b'body')

    def lines(self):
        yield b'first body\n'
        self.half.wait(60)
        yield b'second body\n'

    def put(self, connection, *parts):
        connection.sendall(b'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: '
                           b'%d\r\n\r\n' % sum(map(len, parts)))
        for part in parts:
            connection.sendall(part)
            self.assertTrue(self.half.wait(60))
        self.assertIn(hashlib.sha256(b''.join(parts)).hexdigest().encode(),
                      self.received(connection))

    def test_the_first_half_of_a_body_is_read_before_the_second_comes(self):
        self.put(self.connect(), b'12345', b'67890')

    def test_a_large_body_goes_through_and_the_next_request(self):
        connection = self.connect()
        self.put(connection, b'12345', os.urandom(8 << 20))
        self.put(connection, b'12345')

    def test_the_first_line_of_a_watch_comes_before_the_second_is_there(self):
        connection = self.connect()
        connection.sendall(b'GET /watch HTTP/1.1\r\nHost: a\r\n\r\n')
        self.assertIn(b'first body\n', self.received(connection))
        self.half.set()
        self.assertIn(b'second body\n', self.received(connection))

    def test_the_end_does_not_wait_for_a_body(self):
        self.server.shutdown_timeout = 0
        connection = self.connect()
        connection.sendall(b'PUT / HTTP/1.1\r\nHost: a\r\n'
                           b'Content-Length: 6\r\n\r\n12345')
        self.assertTrue(self.half.wait(60))
        self.server.stop()
        # Not a half answer.
        with contextlib.suppress(ConnectionError):
            self.assertNotIn(b'200 OK', connection.recv(1 << 16))


class TlsTestCase(_ListenerTestCase):
    """The same over TLS."""

    body = bytes(1 << 20) + b'body'

    def configure(self):
        authority = trustme.CA()
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        with tempfile.NamedTemporaryFile() as file:
            certificate = authority.issue_cert('127.0.0.1')
            certificate.private_key_and_cert_chain_pem.write_to_path(
                file.name)
            self.server.ssl_adapter = builtin.BuiltinSSLAdapter(
                file.name, file.name)

    def received(self, connection, count=1):
        found = 0
        while found < count * len(self.body):
            more = connection.recv(1 << 16)
            self.assertNotEqual(b'', more)
            found += len(more)

    def secured(self):
        made = self.context.wrap_socket(self.connect(),
                                        server_hostname='127.0.0.1')
        self.addCleanup(made.close)
        return made

    def test_a_large_answer_comes_over_a_connection_that_is_kept(self):
        connection = self.secured()
        for _number in range(2):
            connection.sendall(_GET)
            self.received(connection)

    def test_requests_of_one_record_are_all_answered(self):
        # Longer than the buffer: the rest is where epoll(7) sees nothing.
        padded = _GET.replace(b'a\r', b'a\r\nX: ' + b'x' * 4500 + b'\r')
        connection = self.secured()
        connection.sendall(padded * 3)
        self.received(connection, 3)

    def test_those_who_do_not_speak_hold_nobody_up(self):
        for _number in range(2 * self.threads):
            self.connect()
        connection = self.secured()
        connection.sendall(_GET)
        self.received(connection)

    def test_who_speaks_no_tls_is_left(self):
        stranger = self.connect()
        stranger.sendall(_GET)
        with contextlib.suppress(ConnectionError):
            self.assertEqual(b'', stranger.recv(1))
        connection = self.secured()
        connection.sendall(_GET)
        self.received(connection)
