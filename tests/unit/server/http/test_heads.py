# SPDX-License-Identifier: Apache-2.0

"""What is not read, or not in two ways."""

import contextlib
import re

from tests import ambiguous_requests as requests
from tests.unit.server.http import served

_ANSWER = re.compile(rb'HTTP/1\.1 \d{3} ')


class RefusalTestCase(served.ServerTestCase):
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
        self.refused(served.POST + b'Content-Length: 5\r\n'
                     b'Expect: money\r\n\r\n', 417)

    def test_a_head_has_its_bounds(self):
        self.refused(b'GET /' + b'a' * 40000, 431)
        self.refused(served.GET[:-2] + b'X: ' + b'x' * 40000, 431)
        # Also when all of it is here at once.
        self.refused(b'GET /' + b'a' * 40000 + served.GET[5:], 431)
        self.refused(served.GET[:-2] + b'X: ' + b'x' * 40000 + b'\r\n\r\n',
                     431)
        self.refused(served.GET[:-2] + b'X: y\r\n' * 200 + b'\r\n', 431)

    def test_frames_without_a_body_have_their_bounds(self):
        chunked = served.POST + b'Transfer-Encoding: chunked\r\n\r\n'
        for frames in (b'1;' + b'a' * 100000, b'0\r\nX: ' + b'y' * 100000,
                       b'0\r\n' + b'X: y\r\n' * 20000):
            self.refused(chunked + frames, 400)
        head, _body = self.ask(self.connect(), chunked + b'1\r\nx\r\n' * 50000
                               + b'0\r\nX: y\r\n\r\n')
        self.assertIn(b'200 OK', head)

    def test_answers_come_before_a_refusal(self):
        connection = self.connect()
        connection.sendall(served.GET.replace(b'/', b'/slow', 1) + served.GET
                           + b'nonsense\r\n')
        self.assertTrue(self.begun.acquire(timeout=60))
        self.go_on()
        codes = [self.answered(connection)[0][9:12] for _number in range(3)]
        self.assertEqual([b'200', b'200', b'400'], codes)
        self.assertClosed(connection)
