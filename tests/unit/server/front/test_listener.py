# SPDX-License-Identifier: Apache-2.0

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

from ironic_ext.server.front import event_loop
from ironic_ext.server.front import listener
from ironic_ext.server.front import short_cut
from ironic_ext.server.machines import answers as machine_answers

_GET = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
_CLOSE = _GET.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n')


class _ListenerTestCase(testtools.TestCase):
    threads = 2
    body = b'body'

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.server = listener.Listener(
            ('127.0.0.1', 0), self.answer, self.threads,
            short_cut=self.answer_shortly, timeout=60, shutdown_timeout=60)
        self.configure()
        self.server.prepare()
        serving = threading.Thread(target=self.server.serve)
        serving.start()
        self.addCleanup(serving.join)
        self.addCleanup(self.server.stop)

    def configure(self):
        pass

    def answer_shortly(self, received, peer):
        return None

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

    def kept(self, request):
        """Return the connections that are kept, when all are to be."""
        found = []
        for _number in range(20):
            connection = self.connect()
            connection.sendall(request)
            if b'Connection: close' in self.received(connection):
                self.assertEqual(b'', connection.recv(1))
                self.assertGreaterEqual(len(found), self.threads)
                return found
            found.append(connection)
        self.fail('20 connections are kept')


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
            self.server.requests.loop.expire(time.monotonic())
            with contextlib.suppress(BlockingIOError):
                self.assertEqual(b'', connection.recv(1))
                return
            self.assertLess(time.monotonic(), until)

    def test_what_waits_for_little_is_not_closed(self):
        connection = self.connect()
        connection.sendall(_GET)
        self.received(connection)
        self.server.requests.loop.expire(time.monotonic() - 60)
        connection.sendall(_GET)
        self.received(connection)

    def test_only_some_connections_are_kept(self):
        for connection in self.kept(_GET):
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
        with unittest.mock.patch.object(event_loop, '_PAUSE', 0):
            # The answer may be here before the connection waits again.
            while idle.fileno() != -1:
                self.server.requests.loop._accept(full)
                idle.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    self.assertEqual(b'', idle.recv(1))
                    break
        connection = self.connect()
        connection.sendall(_GET)
        self.received(connection)


class ShortCutTestCase(_ListenerTestCase):
    """Requests that no other thread has to answer."""

    threads = 4
    short = b'GET /short HTTP/1.1\r\nHost: a\r\n\r\n'
    closing = b'GET /last HTTP/1.1\r\nHost: a\r\n\r\n'
    #: More than the kernel takes at once.
    large = bytes(32 << 20)

    def setUp(self):
        self.peers = set()
        self.begun = threading.Semaphore(0)
        self.goes_on = threading.Event()
        super().setUp()
        # Before the server is to stop.
        self.addCleanup(self.goes_on.set)

    def answer_shortly(self, received, peer):
        self.peers.add(peer)
        for request, body in ((self.short, b'short body'),
                              (self.closing, b'last body'),
                              (b'GET /large\r\n\r\n', self.large)):
            if received.startswith(request):
                return short_cut.Reply(
                    len(request), request == self.closing,
                    machine_answers.Answer('text/plain', body))
        return None

    def answer(self, environ, start_response):
        if environ['PATH_INFO'] == '/slow':
            self.begun.release()
            self.goes_on.wait(60)
        return self.said(start_response)

    def ask(self, connection, request=_GET):
        connection.sendall(request)
        return self.received(connection)

    def test_it_is_answered_while_all_threads_are_busy(self):
        slow = [self.connect() for _number in range(self.threads)]
        for connection in slow:
            connection.sendall(_GET.replace(b'/', b'/slow', 1))
            self.assertTrue(self.begun.acquire(timeout=60))
        connection = self.connect()
        for _number in range(3):
            self.assertIn(b'short body', self.ask(connection, self.short))
        self.assertEqual({'127.0.0.1'}, self.peers)
        self.goes_on.set()
        for connection in slow:
            self.received(connection)

    def test_both_kinds_come_over_one_connection(self):
        connection = self.connect()
        for _number in range(3):
            self.assertIn(b'short body', self.ask(connection, self.short))
            self.assertNotIn(b'short', self.ask(connection))

    def test_requests_in_a_row_are_answered_in_a_row(self):
        connection = self.connect()
        connection.sendall(self.short + _GET + self.short)
        found = self.received(connection, 3)
        # What follows is the application's.
        self.assertTrue(found.startswith(b'HTTP/1.1 200 OK'))
        self.assertEqual(1, found.count(b'short body'))
        self.assertLess(found.index(b'short body'),
                        found.rindex(b'HTTP/1.1'))
        self.assertIn(b'short body', self.ask(connection, self.short))

    def test_the_last_answer_ends_the_connection(self):
        connection = self.connect()
        self.ask(connection, self.short)
        self.assertIn(b'Connection: close',
                      self.ask(connection, self.closing))
        self.assertEqual(b'', connection.recv(1))
        connection = self.connect()
        connection.sendall(self.closing + self.short)
        self.assertNotIn(b'short', self.received(connection))

    def test_a_client_that_takes_its_time_holds_nobody_up(self):
        slow, connection = self.connect(), self.connect()
        slow.sendall(b'GET /large\r\n\r\n')
        head = slow.recv(1 << 10)
        self.assertIn(b'short body', self.ask(connection, self.short))
        rest = len(self.large) + head.index(b'\r\n\r\n') + 4 - len(head)
        while rest:
            more = slow.recv(1 << 20)
            self.assertNotEqual(b'', more)
            rest -= len(more)
        self.assertIn(b'short body', self.ask(slow, self.short))
        self.ask(slow)

    def test_a_client_that_leaves_amid_an_answer_is_forgotten(self):
        for _number in range(self.threads):
            slow = self.connect()
            slow.sendall(b'GET /large\r\n\r\n')
            slow.recv(1 << 10)
            slow.close()
        self.ask(self.connect())

    def test_heads_that_come_in_pieces_hold_no_thread(self):
        pieces = [self.connect() for _number in range(self.threads)]
        for request in (self.short, _GET):
            for end in range(1, len(request)):
                for connection in pieces:
                    connection.sendall(request[end - 1:end])
            # Not kept, lest one of the others is not.
            self.ask(self.connect(), _CLOSE)
            for connection in pieces:
                self.ask(connection, request[-1:])

    def test_what_is_no_http_is_told_so_at_once(self):
        for request in (b'nonsense\r\n', b'GET / HTTP/1.1\n',
                        b'GET / HTTP/1.1\r\nHost: a\n', b'\r\n\r\n',
                        b'GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n'):
            connection = self.connect()
            connection.sendall(request)
            self.assertIn(b'HTTP/1.1 400 ', connection.recv(1 << 16))

    def test_the_application_answers_when_the_short_cut_fails(self):
        with unittest.mock.patch.object(
                self.server.requests.loop, '_short_cut',
                side_effect=RuntimeError('a fault')):
            connection = self.connect()
            for _number in range(2):
                self.assertNotIn(b'short', self.ask(connection, self.short))
        self.assertIn('a fault', self.log.output)
        self.assertIn(b'short body', self.ask(connection, self.short))

    def test_who_cannot_be_waited_for_is_closed_and_told_once(self):
        loop = self.server.requests.loop
        kept, other = self.connect(), self.connect()
        # Twice: before the first answer, it may not be waited for yet.
        for connection in (kept, other, kept, other):
            self.ask(connection, self.short)
        epoll = unittest.mock.Mock(wraps=loop._epoll)
        epoll.register.side_effect = OSError(errno.ENOSPC, 'too many')
        with unittest.mock.patch.object(loop, '_epoll', epoll):
            self.assertEqual(b'', self.connect().recv(1))
            # By another thread, which gives it back.
            self.ask(other)
            self.assertEqual(b'', other.recv(1))
            self.ask(kept, self.short)
        self.assertEqual(1, self.log.output.count('can be waited for'))
        self.ask(self.connect(), self.short)

    def test_a_fault_of_ours_ends_no_other_connection(self):
        loop = self.server.requests.loop
        connection = self.connect()
        self.ask(connection, self.short)
        with unittest.mock.patch.object(
                loop, '_listen', side_effect=itertools.chain(
                    [RuntimeError('a fault')],
                    iter(lambda: unittest.mock.DEFAULT, None)),
                wraps=loop._listen):
            self.ask(connection, self.short)
        self.assertIn('a fault', self.log.output)

    def test_a_head_without_an_end_is_refused(self):
        self.server.max_request_header_size = 32 << 10
        connection = self.connect()
        connection.sendall(_GET[:-2])
        with contextlib.suppress(ConnectionError):
            for _number in range(4 << 10):
                connection.sendall(b'X: ' + b'x' * 1000 + b'\r\n')
        with contextlib.suppress(ConnectionError):
            self.assertIn(b' 413 ', connection.recv(1 << 16))

    def test_only_some_connections_are_kept(self):
        for connection in self.kept(self.short):
            self.ask(connection, self.short)


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
