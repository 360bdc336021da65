# SPDX-License-Identifier: Apache-2.0

"""Tests for HTTP over real connections."""

import asyncio
import contextlib
import hashlib
import itertools
import os
import re
import socket
import ssl
import struct
import tempfile
import threading
import time

import fixtures
import testtools
import trustme

from ironic_ext.server.http import connections
from tests import ambiguous_requests as requests
from tests.unit.server import asgi

_GET = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
_CLOSE = _GET.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n')
_POST = b'POST /body HTTP/1.1\r\nHost: a\r\n'
_ANSWER = re.compile(rb'HTTP/1\.1 \d{3} ')
_LENGTH = re.compile(rb'content-length: (\d+)')


class _ServerTestCase(testtools.TestCase):
    limits = connections.Limits()
    tls = None

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.paths, self.bodies = [], []
        self.begun = threading.Semaphore(0)
        self.goes_on = asyncio.Event()
        self.server = self.useFixture(asgi.Server(
            self.answer, self.limits, self.tls, self.is_exempt))

    def is_exempt(self, host):
        return False

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

    def ask(self, connection, request=_GET):
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


class ProtocolTestCase(_ServerTestCase):
    """Requests and answers."""

    def test_a_connection_is_kept_for_more_requests(self):
        connection = self.connect()
        for _number in range(3):
            head, body = self.ask(connection)
            self.assertTrue(head.startswith(b'HTTP/1.1 200 OK\r\n'))
            self.assertIn(b'\r\nserver: ironic-boot-server\r\n', head)
            self.assertIn(b'\r\ndate: ', head)
            self.assertEqual(b'hello', body)

    def test_the_last_request_ends_the_connection(self):
        for request in (_CLOSE, _GET.replace(b'1.1', b'1.0')):
            connection = self.connect()
            head, _body = self.ask(connection, request + _GET)
            self.assertIn(b'\r\nconnection: close\r\n', head)
            self.assertClosed(connection)
        self.assertEqual(['/', '/'], self.paths)

    def test_requests_in_a_row_are_answered_in_a_row(self):
        connection = self.connect()
        names = [b'/slow', b'/a', b'/body', b'/b']
        connection.sendall(b''.join(
            _GET.replace(b'/', name, 1) for name in names))
        self.assertTrue(self.begun.acquire(timeout=60))
        self.assertEqual(['/slow'], self.paths)
        self.go_on()
        for name in names:
            _head, body = self.answered(connection)
            self.assertEqual(64 if name == b'/body' else 5, len(body))
        self.ask(connection)
        self.assertEqual([*(name.decode() for name in names), '/'],
                         self.paths)

    def test_only_some_requests_wait_for_an_answer(self):
        connection = self.connect()
        connection.sendall(_GET * 1000)
        found = b''
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(1 << 16):
                found += more
        self.assertEqual(16, found.count(b'200 OK'))
        self.assertEqual(16, len(self.paths))

    def test_head_and_body_come_together(self):
        connection = self.connect()
        connection.sendall(_GET)
        self.assertTrue(connection.recv(1 << 16).endswith(b'\r\n\r\nhello'))

    def test_lines_come_as_they_are_made(self):
        connection = self.connect()
        head, _body = self.ask(connection, _GET.replace(b'/', b'/lines', 1))
        self.assertIn(b'\r\ntransfer-encoding: chunked\r\n', head)
        self.assertEqual(b'4\r\none\n\r\n', connection.recv(100))
        self.go_on()
        found = b''
        while not found.endswith(b'0\r\n\r\n'):
            found += connection.recv(100)
        self.assertEqual(b'4\r\ntwo\n\r\n0\r\n\r\n', found)
        self.ask(connection)

    def test_a_head_that_comes_in_pieces_is_answered(self):
        connection = self.connect()
        for number in range(len(_GET)):
            connection.sendall(_GET[number:number + 1])
        self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_fault_of_ours_is_told_and_ends_no_other_connection(self):
        other = self.connect()
        self.ask(other)
        head, body = self.ask(self.connect(),
                              _GET.replace(b'/', b'/fault', 1))
        self.assertTrue(head.startswith(b'HTTP/1.1 500 '))
        self.assertNotIn(b'a fault', body)
        self.assertIn('a fault', self.log.output)
        self.ask(other)

    def test_a_client_that_sends_no_more_is_answered(self):
        connection = self.connect()
        connection.sendall(_GET.replace(b'/', b'/slow', 1))
        connection.shutdown(socket.SHUT_WR)
        self.assertTrue(self.begun.acquire(timeout=60))
        self.go_on()
        self.assertEqual(b'hello', self.answered(connection)[1])
        self.assertClosed(connection)

    def test_a_client_that_leaves_is_forgotten(self):
        for request, linger in itertools.product(
                (b'', b'GET', _GET, _GET.replace(b'/', b'/large', 1),
                 _POST + b'Content-Length: 5\r\n\r\nab'), (0, 1)):
            connection = self.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack('ii', linger, 0))
            connection.sendall(request)
            connection.close()
        self.ask(self.connect())
        self.await_count(1)

    def test_a_large_answer_goes_out_as_it_is_taken(self):
        connection = self.connect()
        connection.sendall(_GET.replace(b'/', b'/large', 1))
        self.ask(self.connect())
        _head, body = self.answered(connection)
        self.assertEqual(32 << 20, len(body))
        self.ask(connection)


class RefusalTestCase(_ServerTestCase):
    """What is not read, or not in two ways."""

    def refused(self, request, code):
        connection = self.connect()
        head, _body = self.ask(connection, request)
        self.assertTrue(head.startswith(b'HTTP/1.1 %d ' % code),
                        (request[:200], head))
        self.assertIn(b'\r\nconnection: close\r\n', head)
        self.assertClosed(connection)

    def test_what_might_be_two_requests_is_one_or_none(self):
        for name, request in requests.AMBIGUOUS.items():
            with self.subTest(name):
                connection = self.connect()
                connection.sendall(request)
                found = b''
                with contextlib.suppress(ConnectionError):
                    while more := connection.recv(1 << 16):
                        found += more
                # The connection has ended, after one answer at most.
                self.assertLessEqual(len(_ANSWER.findall(found)), 1, found)
        self.assertNotIn('/smuggled', self.paths)

    def test_what_is_no_request_is_told_so(self):
        for request in (b'nonsense\r\n', b'GET / HTTP/1.1\n', b'\0',
                        b'GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n'):
            self.refused(request, 400)

    def test_there_is_one_host_and_it_is_one(self):
        for headers in (b'', b'Host: a\r\nHost: b\r\n', b'Host: a b\r\n',
                        b'Host: a\r\nHost: a\r\n', b'Host: a/b\r\n',
                        b'Host: a@b\r\n', b'Host: a,b\r\n\r\n'[:0]
                        + b'Host: \xe4\r\n'):
            self.refused(b'GET / HTTP/1.1\r\n' + headers + b'\r\n', 400)
        for host in (b'a', b'a:80', b'[::1]:80', b'192.0.2.1', b''):
            self.ask(self.connect(), b'GET / HTTP/1.1\r\nHost: ' + host
                     + b'\r\n\r\n')
        # Before HTTP/1.1 there need be none.
        self.ask(self.connect(), b'GET / HTTP/1.0\r\n\r\n')
        self.assertEqual(6, len(self.paths))

    def test_a_target_is_a_path_and_nothing_else(self):
        for target in (b'http://a/', b'a', b'*', b'/\xe4', b'/a#b', b'/%zz',
                       b'/%', b'/a"', b'/<', b'/a|b', b'/a\x7fb', b'/a\\b',
                       b'/?a=%x', b'/^', b'/{a}'):
            self.refused(b'GET ' + target + b' HTTP/1.1\r\nHost: a\r\n\r\n',
                         400)
        self.assertEqual([], self.paths)
        for target in (b'/a%20b', b"/!$&'()*+,;=:@-._~", b'//?a=/?&b=%C3%A4'):
            self.ask(self.connect(), b'GET ' + target
                     + b' HTTP/1.1\r\nHost: a\r\n\r\n')
        self.assertEqual(['/a b', "/!$&'()*+,;=:@-._~", '//'], self.paths)

    def test_headers_are_text(self):
        for header in (b'X: \0', b'X: \x01', b'X: \x7f', b'X\0: a', b'X(: a',
                       b'\xe4: a', b': a'):
            self.refused(b'GET / HTTP/1.1\r\nHost: a\r\n' + header
                         + b'\r\n\r\n', 400)
        self.ask(self.connect(), b'GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\tb'
                 b'\r\n\r\n')
        self.assertEqual(['/'], self.paths)

    def test_only_100_continue_is_expected(self):
        self.refused(_POST + b'Content-Length: 5\r\nExpect: money\r\n\r\n',
                     417)

    def test_a_head_has_its_bounds(self):
        self.refused(b'GET /' + b'a' * 40000, 431)
        self.refused(_GET[:-2] + b'X: ' + b'x' * 40000, 431)
        self.refused(_GET[:-2] + b'X: y\r\n' * 200 + b'\r\n', 431)

    def test_frames_without_a_body_have_their_bounds(self):
        chunked = _POST + b'Transfer-Encoding: chunked\r\n\r\n'
        for frames in (b'1;' + b'a' * 100000, b'0\r\nX: ' + b'y' * 100000,
                       b'0\r\n' + b'X: y\r\n' * 20000):
            self.refused(chunked + frames, 400)
        head, _body = self.ask(self.connect(), chunked + b'1\r\nx\r\n' * 50000
                               + b'0\r\nX: y\r\n\r\n')
        self.assertIn(b'200 OK', head)

    def test_answers_come_before_a_refusal(self):
        connection = self.connect()
        connection.sendall(_GET.replace(b'/', b'/slow', 1) + _GET
                           + b'nonsense\r\n')
        self.assertTrue(self.begun.acquire(timeout=60))
        self.go_on()
        codes = [self.answered(connection)[0][9:12] for _number in range(3)]
        self.assertEqual([b'200', b'200', b'400'], codes)
        self.assertClosed(connection)


class BodyTestCase(_ServerTestCase):
    """What comes after a head."""

    def put(self, connection, *parts):
        connection.sendall(_POST + b'Content-Length: %d\r\n\r\n' % sum(
            map(len, parts)))
        for part in parts:
            connection.sendall(part)
            self.assertTrue(self.begun.acquire(timeout=60))
        self.assertEqual(hashlib.sha256(b''.join(parts)).hexdigest().encode(),
                         self.answered(connection)[1])

    def test_a_body_is_read_as_it_comes(self):
        connection = self.connect()
        self.put(connection, b'12345', b'67890')
        self.put(connection, b'1', os.urandom(8 << 20))
        self.put(connection, b'12345')

    def test_who_asks_first_is_told_when_the_body_is_wanted(self):
        head = _POST + b'Content-Length: 3\r\nExpect: 100-continue\r\n\r\n'
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
                connection, _POST.replace(b'/body', b'/') + length
                + b'\r\n\r\n')
            self.assertIn(b'\r\nconnection: close\r\n', head)
            self.assertEqual(b'hello', body)
            self.assertClosed(connection)

    def test_the_answer_arrives_though_nobody_wants_the_body(self):
        for _number in range(20):
            connection = self.connect()
            connection.sendall(_POST.replace(b'/body', b'/')
                               + b'Content-Length: 1000000\r\n\r\n'
                               + bytes(500000))
            self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_body_is_not_received_before_it_is_wanted(self):
        connection = self.connect()
        connection.sendall(_POST.replace(b'/body', b'/slow')
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


class PatienceTestCase(_ServerTestCase):
    """Clients that take their time."""

    limits = connections.Limits(head=0.5, idle=1.5, stall=0.5, linger=0.5,
                                rate=100 << 10)

    def ended(self, connection):
        """Return what came until the end, and after how many seconds."""
        began, found = time.monotonic(), b''
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(1 << 16):
                found += more
        return found, time.monotonic() - began

    def test_a_silent_client_is_sent_away(self):
        found, seconds = self.ended(self.connect())
        self.assertEqual(b'', found)
        self.assertLess(seconds, 20)

    def test_a_head_that_dribbles_is_refused(self):
        connection = self.connect()
        with contextlib.suppress(ConnectionError):
            for byte in _GET[:-1] * 50:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        self.assertEqual([], self.paths)
        other = self.connect()
        other.sendall(b'GET')
        self.assertTrue(self.ended(other)[0].startswith(b'HTTP/1.1 408 '))

    def test_a_connection_that_is_kept_has_its_time(self):
        connection = self.connect()
        self.ask(connection)
        time.sleep(0.7)
        self.ask(connection)
        found, seconds = self.ended(connection)
        self.assertEqual(b'', found)
        self.assertGreater(seconds, 1)

    def test_a_body_that_dribbles_is_refused(self):
        connection = self.connect()
        connection.sendall(_POST + b'Content-Length: 1000\r\n\r\n')
        with contextlib.suppress(ConnectionError):
            for _number in range(600):
                connection.sendall(b'x')
                time.sleep(0.05)
            self.fail('it is still received')

    def test_a_body_that_comes_at_a_rate_is_read(self):
        connection = self.connect()
        parts = 30
        connection.sendall(_POST + b'Content-Length: %d\r\n\r\n' % (
            parts * 20000))
        for _number in range(parts):
            connection.sendall(bytes(20000))
            time.sleep(0.1)
        self.assertEqual(64, len(self.answered(connection)[1]))

    def test_an_answer_that_nobody_takes_ends(self):
        connection = self.connect()
        connection.sendall(_GET.replace(b'/', b'/large', 1))
        self.await_count(0)

    def test_an_answer_that_is_taken_slowly_goes_out(self):
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(_GET.replace(b'/', b'/large', 1))
        until = time.monotonic() + 4
        while time.monotonic() < until:
            self.assertNotEqual(b'', connection.recv(1 << 16))
            time.sleep(0.02)

    def test_who_waits_for_us_is_not_sent_away(self):
        connection = self.connect()
        connection.sendall(_GET.replace(b'/', b'/slow', 1))
        self.assertTrue(self.begun.acquire(timeout=60))
        time.sleep(2.5)
        self.go_on()
        self.assertEqual(b'hello', self.answered(connection)[1])


class CrowdTestCase(_ServerTestCase):
    """Too many clients."""

    limits = connections.Limits(connections=10, per_address=6)

    def is_exempt(self, host):
        return host == '127.0.0.9'

    def test_the_oldest_silent_one_of_an_address_makes_room(self):
        other = self.connect('127.0.0.2')
        first, *others = [self.connect() for _number in range(7)]
        self.assertClosed(first)
        for connection in (other, *others):
            self.ask(connection)

    def test_the_oldest_silent_one_of_all_makes_room(self):
        first = self.connect('127.0.0.2')
        others = [self.connect(f'127.0.0.{number}')
                  for number in range(3, 13)]
        self.assertClosed(first)
        for connection in others:
            self.ask(connection)
        self.assertEqual(1, self.log.output.count('can be accepted'))

    def test_who_is_worked_for_is_not_sent_away(self):
        busy = [self.connect() for _number in range(6)]
        for connection in busy:
            connection.sendall(_GET.replace(b'/', b'/slow', 1))
            self.assertTrue(self.begun.acquire(timeout=60))
        self.assertClosed(self.connect())
        self.ask(self.connect('127.0.0.2'))
        self.go_on()
        for connection in busy:
            self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_proxy_may_have_all(self):
        found = [self.connect('127.0.0.9') for _number in range(10)]
        for connection in found:
            self.ask(connection)

    def test_when_the_system_has_none_left_some_make_room(self):
        found = [self.connect() for _number in range(4)]
        for connection in found:
            self.ask(connection)
        loop = self.server.server.servers[0].get_loop()
        loop.call_soon_threadsafe(loop.call_exception_handler, {
            'message': 'socket.accept() out of system resource',
            'exception': OSError(24, 'Too many open files')})
        self.assertClosed(found[0])
        self.ask(found[-1])
        self.assertEqual(1, self.log.output.count('can be accepted'))


class TlsTestCase(_ServerTestCase):
    """The same over TLS."""

    limits = connections.Limits(head=5.0)

    def setUp(self):
        authority = trustme.CA()
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with tempfile.NamedTemporaryFile() as file:
            authority.issue_cert(
                '127.0.0.1').private_key_and_cert_chain_pem.write_to_path(
                    file.name)
            self.tls.load_cert_chain(file.name)
        super().setUp()

    def secured(self):
        made = self.context.wrap_socket(self.connect(),
                                        server_hostname='127.0.0.1')
        self.addCleanup(made.close)
        return made

    def test_a_large_answer_comes_over_a_connection_that_is_kept(self):
        connection = self.secured()
        for _number in range(2):
            _head, body = self.ask(connection,
                                   _GET.replace(b'/', b'/large', 1))
            self.assertEqual(32 << 20, len(body))

    def test_requests_of_one_record_are_all_answered(self):
        padded = _GET.replace(b'a\r', b'a\r\nX: ' + b'x' * 4500 + b'\r')
        connection = self.secured()
        connection.sendall(padded * 3)
        for _number in range(3):
            self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_request_comes_with_the_last_words_of_tls(self):
        # All that the client says, at once.
        for _number in range(20):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = self.context.wrap_bio(incoming, outgoing,
                                           server_hostname='127.0.0.1')
            connection = self.connect()
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(1 << 16))
            client.write(_GET)
            connection.sendall(outgoing.read())
            found = b''
            while b'hello' not in found:
                more = connection.recv(1 << 16)
                self.assertNotEqual(b'', more)
                incoming.write(more)
                with contextlib.suppress(ssl.SSLWantReadError):
                    while True:
                        found += client.read(1 << 16)

    def test_a_large_body_goes_through(self):
        connection = self.secured()
        body = os.urandom(8 << 20)
        connection.sendall(_POST + b'Content-Length: %d\r\n\r\n' % len(body)
                           + body)
        self.assertEqual(hashlib.sha256(body).hexdigest().encode(),
                         self.answered(connection)[1])

    def test_those_who_do_not_speak_hold_nobody_up_and_are_sent_away(self):
        silent = [self.connect() for _number in range(50)]
        self.assertEqual(b'hello', self.ask(self.secured())[1])
        for connection in silent:
            self.assertClosed(connection)
        self.await_count(1)

    def test_who_speaks_no_tls_is_left(self):
        stranger = self.connect()
        stranger.sendall(_GET)
        with contextlib.suppress(ConnectionError):
            while stranger.recv(1 << 16):
                pass
        self.ask(self.secured())
        self.assertEqual(['/'], self.paths)

    def test_who_leaves_amid_tls_is_forgotten(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.context.wrap_bio(incoming, outgoing)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        hello = outgoing.read()
        for said in (b'', hello[:10], hello):
            connection = self.connect()
            connection.sendall(said)
            connection.close()
        self.ask(self.secured())
        self.await_count(1)


class EndTestCase(_ServerTestCase):
    """The end of a server."""

    def test_what_was_asked_is_answered(self):
        idle, busy = self.connect(), self.connect()
        self.ask(idle)
        busy.sendall(_GET.replace(b'/', b'/slow', 1))
        self.assertTrue(self.begun.acquire(timeout=60))
        self.server.server.should_exit = True
        self.assertClosed(idle)
        self.go_on()
        head, body = self.answered(busy)
        self.assertEqual(b'hello', body)
        self.assertIn(b'\r\nconnection: close\r\n', head)
        self.server.stop()

    def test_the_end_does_not_wait_for_a_body(self):
        connection = self.connect()
        connection.sendall(_POST + b'Content-Length: 6\r\n\r\n12345')
        self.assertTrue(self.begun.acquire(timeout=60))
        began = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - began, 15)
        # Not half an answer.
        self.assertNotIn(b'200 OK', self.answered(connection)[0])
