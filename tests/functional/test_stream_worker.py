# SPDX-License-Identifier: Apache-2.0

"""Tests for serving: a real event loop, real sockets, a plain image."""

import contextlib
import email
import email.policy
import http.client
import os
import pathlib
import random
import socket
import struct
import time

import fixtures
import testtools

from ironic_ext.media.stream import contract
from ironic_ext import spans
from tests.unit.media.stream import worker as stream_worker

PATH = stream_worker.PATH
SIZE = 300000


class _ServingTest(testtools.TestCase):

    options: dict = {}

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'image.iso'
        self.content = random.Random(1).randbytes(SIZE)
        self.path.write_bytes(self.content)
        self.server = self.useFixture(
            stream_worker.RunningWorker(**self.options))
        self.server.serve(self.path)

    def _grow(self, size):
        """Serve a larger image from now on."""
        os.truncate(self.path, size)
        self.server.serve(self.path, base_digest='sha256:cc')

    def _socket(self, receive_buffer=None):
        sock = self.server.connect(receive_buffer)
        self.addCleanup(sock.close)
        return sock

    def _send(self, sock, *lines, target=PATH):
        sock.sendall('\r\n'.join((f'GET {target} HTTP/1.1', 'Host: x', *lines,
                                  '', '')).encode())

    def _answer(self, sock, method='GET'):
        response = http.client.HTTPResponse(sock, method=method)
        response.begin()
        return response

    def _is_closed(self, sock):
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(1 << 16):
                pass


class AnswersTest(_ServingTest):

    def test_the_whole_image(self):
        response, body = self.server.request()
        self.assertEqual(200, response.status)
        self.assertEqual(self.content, body)
        self.assertEqual(str(SIZE), response.headers['Content-Length'])
        self.assertEqual('bytes', response.headers['Accept-Ranges'])
        self.assertEqual('private', response.headers['Cache-Control'])
        self.assertEqual('Thu, 01 Jan 2026 00:00:00 GMT',
                         response.headers['Last-Modified'])
        self.assertRegex(response.headers['ETag'], r'^"[0-9a-f]{32}"$')
        self.assertIsNotNone(response.headers['Date'])

    def test_a_range(self):
        response, body = self.server.request(Range='bytes=1000-4999')
        self.assertEqual(206, response.status)
        self.assertEqual(self.content[1000:5000], body)
        self.assertEqual(f'bytes 1000-4999/{SIZE}',
                         response.headers['Content-Range'])

    def test_several_ranges(self):
        response, body = self.server.request(Range='bytes=10-19,0-4,-3')
        self.assertEqual(206, response.status)
        message = email.message_from_bytes(
            b'Content-Type: ' + response.headers['Content-Type'].encode()
            + b'\r\n\r\n' + body, policy=email.policy.HTTP)
        self.assertEqual([
            (f'bytes 10-19/{SIZE}', self.content[10:20]),
            (f'bytes 0-4/{SIZE}', self.content[:5]),
            (f'bytes {SIZE - 3}-{SIZE - 1}/{SIZE}', self.content[-3:])],
            [(part['Content-Range'], part.get_payload(decode=True))
             for part in message.iter_parts()])

    def test_a_range_outside_the_image(self):
        response, _body = self.server.request(Range=f'bytes={SIZE}-')
        self.assertEqual(416, response.status)
        self.assertEqual(f'bytes */{SIZE}',
                         response.headers['Content-Range'])

    def test_head_says_what_get_would_without_a_range(self):
        response, body = self.server.request(method='HEAD',
                                             Range='bytes=0-1')
        self.assertEqual(200, response.status)
        self.assertEqual(str(SIZE), response.headers['Content-Length'])
        self.assertEqual(b'', body)

    def test_head_of_what_is_not_there_has_no_body(self):
        sock = self._socket()
        sock.sendall(b'HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n')
        self.assertEqual(404, self._answer(sock, 'HEAD').status)
        self._send(sock, 'Range: bytes=0-1')
        self.assertEqual(self.content[:2], self._answer(sock).read())

    def test_what_the_client_has_is_not_sent_again(self):
        etag = self.server.request(method='HEAD')[0].headers['ETag']
        response, body = self.server.request(If_None_Match=etag)
        self.assertEqual((304, b''), (response.status, body))
        self.assertEqual(etag, response.headers['ETag'])
        self.assertEqual(412, self.server.request(
            If_Match='"other"')[0].status)

    def test_a_download_resumes_only_on_the_same_image(self):
        etag = self.server.request(method='HEAD')[0].headers['ETag']
        for value, status in ((etag, 206), ('"other"', 200),
                              ('Thu, 01 Jan 2026 00:00:00 GMT', 206),
                              ('Fri, 02 Jan 2026 00:00:00 GMT', 200)):
            response, body = self.server.request(
                Range='bytes=100-', If_Range=value)
            self.assertEqual(status, response.status, value)
            self.assertEqual(self.content[100 if status == 206 else 0:],
                             body)

    def test_other_methods_are_refused(self):
        for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'):
            response, _body = self.server.request(method=method)
            self.assertEqual(405, response.status)
            self.assertEqual('GET, HEAD', response.headers['Allow'])

    def test_a_refused_upload_ends_the_connection(self):
        sock = self._socket()
        sock.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 99999'
                     b'\r\nExpect: 100-continue\r\n\r\n' % PATH.encode()
                     + bytes(50000))
        response = self._answer(sock)
        self.assertEqual(405, response.status)
        self.assertEqual('close', response.headers['Connection'])
        response.read()
        self._is_closed(sock)

    def test_an_expectation_on_a_plain_get_is_ignored(self):
        response, body = self.server.request(Expect='100-continue',
                                             Range='bytes=0-1')
        self.assertEqual((206, self.content[:2]), (response.status, body))

    def test_only_the_names_of_the_medium_are_served(self):
        token = stream_worker.TOKEN
        for path, status in ((f'/{token}', 206), (f'/{token}.iso', 206),
                             (f'/{token}/node-1.iso', 206),
                             (f'/{token}/node-2.iso', 404),
                             (f'/{token}/', 404), (f'/{token}/../x', 404),
                             (f'/{token[:-1]}/node-1.iso', 404),
                             (f'/{"U" * 22}/node-1.iso', 404), ('/', 404),
                             ('//', 404), (f'/{token}%00', 404)):
            self.assertEqual(status, self.server.request(
                path, Range='bytes=0-0')[0].status, path)

    def test_it_tells_its_health(self):
        for path in ('/healthz', '/readyz'):
            self.assertEqual(200, self.server.request(path)[0].status)
        self.server.surroundings.failure = contract.UnavailableError('down')
        self.server.request()
        self.assertEqual(503, self.server.request('/healthz')[0].status)
        self.server.surroundings.failure = None
        stream_worker.await_true(
            lambda: self.server.request('/healthz')[0].status == 200,
            'good health')

    def test_only_its_networks_may_read_a_medium(self):
        for networks, status in ((('192.0.2.0/24', '::/0'), 403),
                                 (('192.0.2.0/24', '127.0.0.0/8'), 206)):
            self.server.serve(self.path, 'N' * 22 + str(status),
                              id=f'medium-{status}', networks=networks)
            self.assertEqual(status, self.server.request(
                f'/{"N" * 22}{status}', Range='bytes=0-0')[0].status)

    def test_an_empty_image_is_served(self):
        self.path.write_bytes(b'')
        self.server.serve(self.path, 'E' * 22, id='medium-2',
                          base_digest='sha256:bb')
        response, body = self.server.request('/' + 'E' * 22)
        self.assertEqual((200, b''), (response.status, body))
        self.assertEqual(416, self.server.request(
            '/' + 'E' * 22, Range='bytes=0-')[0].status)


class ConnectionTest(_ServingTest):

    def test_a_connection_is_kept_alive(self):
        sock = self._socket()
        for start in range(0, 5000, 100):
            self._send(sock, f'Range: bytes={start}-{start + 99}')
            self.assertEqual(self.content[start:start + 100],
                             self._answer(sock).read())
        self.assertEqual(1, self.server.count('connections_total'))

    def test_pipelined_requests_are_answered_in_order(self):
        sock = self._socket()
        for start in range(300):
            self._send(sock, f'Range: bytes={start}-{start + 999}')
        stream = sock.makefile('rb')
        for start in range(300):
            line = stream.readline()
            self.assertIn(b'206', line)
            headers = http.client.parse_headers(stream)
            self.assertEqual(self.content[start:start + 1000],
                             stream.read(int(headers['Content-Length'])))

    def test_requests_pipelined_behind_a_large_answer_wait(self):
        sock = self._socket(1 << 15)
        for _ in range(30):
            self._send(sock)
        stream = sock.makefile('rb')
        for _ in range(30):
            self.assertIn(b'200', stream.readline())
            http.client.parse_headers(stream)
            self.assertEqual(self.content, stream.read(SIZE))

    def test_a_request_in_single_bytes_is_answered(self):
        sock = self._socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in (f'GET {PATH} HTTP/1.1\r\nHost: x\r\n'
                     f'Range: bytes=0-4\r\n\r\n').encode():
            sock.send(bytes([byte]))
        self.assertEqual(self.content[:5], self._answer(sock).read())

    def test_http_1_0_is_answered_and_closed(self):
        sock = self._socket()
        sock.sendall(f'GET {PATH} HTTP/1.0\r\n\r\n'.encode())
        data = b''
        while part := sock.recv(1 << 16):
            data += part
        self.assertTrue(data.endswith(self.content))
        self.assertIn(b'Connection: close\r\n', data)

    def test_nonsense_is_refused_and_closed(self):
        sock = self._socket()
        sock.sendall(b'\x16\x03\x01\x02\x00\x01\x00')
        self.assertEqual(400, self._answer(sock).status)
        self._is_closed(sock)

    def test_a_flood_of_headers_is_refused_and_closed(self):
        sock = self._socket()
        with contextlib.suppress(ConnectionError):
            sock.sendall(b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 5000)
        self.assertEqual(431, self._answer(sock).status)

    def test_hanging_up_in_the_middle_leaks_nothing(self):
        files = len(os.listdir('/proc/self/fd'))
        for number in range(30):
            with self.server.connect(4096) as sock:
                self._send(sock)
                sock.recv(100)
                if number % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack('ii', 1, 0))
        # The image and the executor's pipe are open by now.
        stream_worker.await_true(
            lambda: len(os.listdir('/proc/self/fd')) <= files + 2,
            'the connections to be closed')

    def test_stopping_lets_a_running_response_end(self):
        self._grow(8 << 20)
        sock, idle = self._socket(1 << 15), self._socket()
        self._send(sock)
        self._send(idle, 'Range: bytes=0-0')
        self._answer(idle).read()
        response = self._answer(sock)
        self.server.worker.stop()
        self._is_closed(idle)
        self.assertEqual(8 << 20, len(response.read()))
        self._is_closed(sock)
        self.server.thread.join(stream_worker.PATIENCE)
        self.assertFalse(self.server.thread.is_alive())

    def test_stopping_does_not_wait_for_ever(self):
        server = self.useFixture(stream_worker.RunningWorker(
            stop_timeout=0.1))
        self._grow(64 << 20)
        server.serve(self.path)
        with server.connect(4096) as sock:
            self._send(sock)
            sock.recv(1)
            server.stop()

    def test_no_more_connections_than_allowed_are_open(self):
        server = self.useFixture(stream_worker.RunningWorker(
            max_connections=2))
        server.serve(self.path)
        held = [server.connect(), server.connect()]
        waiting = server.connect()
        self.addCleanup(waiting.close)
        self._send(waiting, 'Range: bytes=0-3')
        stream_worker.await_true(
            lambda: server.count('open_connections') == 2, 'a full house')
        for sock in held:
            sock.close()
        self.assertEqual(self.content[:4], self._answer(waiting).read())


class TimeOutTest(_ServingTest):

    options = {'header_timeout': 0.3, 'idle_timeout': 0.3,
               'send_timeout': 0.3}

    def test_a_slow_request_is_refused(self):
        sock = self._socket()
        sock.sendall(b'GET / HTTP/1.1\r\n')
        deadline = time.monotonic() + stream_worker.PATIENCE
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                sock.sendall(b'X: y\r\n')
                sock.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if sock.recv(1, socket.MSG_PEEK):
                        break
        sock.settimeout(stream_worker.PATIENCE)
        self.assertEqual(408, self._answer(sock).status)

    def test_an_idle_connection_is_closed(self):
        sock = self._socket()
        self._send(sock, 'Range: bytes=0-0')
        self._answer(sock).read()
        self.assertEqual(b'', sock.recv(1))

    def test_a_connection_without_a_request_is_closed(self):
        self.assertEqual(b'', self._socket().recv(1))

    def test_a_reader_that_stands_still_is_cut(self):
        self._grow(64 << 20)
        sock = self._socket(4096)
        self._send(sock)
        stream_worker.await_true(
            lambda: self.server.count('timeouts_total') == 1, 'the end')
        self.assertRaises(ConnectionResetError, self._read_all, sock)

    def _read_all(self, sock):
        while sock.recv(1 << 20):
            pass

    def test_a_slow_reader_that_goes_on_is_not_cut(self):
        self._grow(64 << 20)
        sock = self._socket(4096)
        self._send(sock)
        end = time.monotonic() + 6 * self.options['send_timeout']
        while time.monotonic() < end:
            self.assertTrue(sock.recv(4096))
            time.sleep(0.01)
        self.assertEqual(0, self.server.count('timeouts_total'))

    def test_a_reader_below_the_minimum_rate_is_cut(self):
        server = self.useFixture(stream_worker.RunningWorker(
            min_rate=10 << 20, rate_window=0.2))
        self._grow(64 << 20)
        server.serve(self.path)
        with server.connect(4096) as sock:
            self._send(sock)
            for _ in range(10000):
                try:
                    sock.recv(10)
                except ConnectionResetError:
                    break
                time.sleep(0.001)
            else:
                self.fail('the reader was not cut')
        self.assertEqual(1, server.count('timeouts_total'))


class ReportsTest(_ServingTest):

    def _reported(self):
        return (sum(report.sent for report in self.server.reports),
                sum(report.requests for report in self.server.reports))

    def test_what_was_read_is_reported(self):
        before = time.time()
        for value in ('bytes=0-9', 'bytes=10-19', 'bytes=5-14',
                      'bytes=100-199,300-399'):
            self.server.request(Range=value)
        self.server.request(method='HEAD')
        self.server.request(Range='bytes=999999-')
        stream_worker.await_true(lambda: self._reported() == (230, 4),
                                 'the reports')
        report = self.server.reports[0]
        self.assertEqual(('medium-1', 'node-1', SIZE, '127.0.0.1'),
                         (report.medium_id, report.node, report.size,
                          report.client))
        self.assertTrue(before <= report.first_at <= report.last_at
                        <= time.time())
        self.assertEqual(
            ((0, 20), (100, 200), (300, 400)), spans.joined(
                span for report in self.server.reports
                for span in report.ranges))

    def test_a_running_response_is_reported_as_it_goes(self):
        self._grow(64 << 20)
        sock = self._socket(1 << 15)
        self._send(sock)
        stream_worker.await_true(lambda: self._reported()[1] == 1,
                                 'a first report')
        first = self._reported()[0]
        self.assertTrue(0 < first < 64 << 20, first)
        sock.makefile('rb').read(first + (8 << 20))
        stream_worker.await_true(lambda: self._reported()[0] > first,
                                 'a second report')
        self.assertEqual(1, self._reported()[1])
