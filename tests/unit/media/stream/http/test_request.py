# SPDX-License-Identifier: Apache-2.0

"""Tests for requests out of hostile bytes."""

import random

import testtools

from ironic_ext.media.stream.http import request

TOKEN = 'A' * 22
PATH = f'/{TOKEN}/node-1.iso'.encode()


def head(target=PATH, *lines, method=b'GET'):
    return b'\r\n'.join((method + b' ' + target + b' HTTP/1.1', b'Host: x',
                         *lines, b'', b''))


class RequestTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.reader = request.RequestReader(4096, 20)

    def _one(self, data):
        self.reader.feed(data)
        found, = self.reader.ready
        return found

    def _refusal(self, data):
        error = self.assertRaises(request.RequestError, self.reader.feed,
                                  data)
        self.assertTrue(self.reader.over)
        return error.status

    def test_a_request_is_read_whatever_its_pieces(self):
        data = head(PATH, b'RANGE: bytes=0-1', b'If-Range: "x"', b'X-Y: z')
        for seed in range(50):
            rng = random.Random(seed)
            reader = request.RequestReader(4096, 20)
            rest = data
            while rest:
                self.assertEqual(0, len(reader.ready))
                self.assertEqual(rest is not data, reader.midway)
                cut = rng.randrange(1, len(rest) + 1)
                reader.feed(rest[:cut])
                rest = rest[cut:]
            self.assertFalse(reader.midway)
            found, = reader.ready
            self.assertEqual(PATH, found.target)
            self.assertEqual(b'GET', found.method)
            self.assertEqual({b'host': b'x', b'range': b'bytes=0-1',
                              b'if-range': b'"x"'}, found.headers)
            self.assertTrue(found.keep_alive)

    def test_pipelined_requests_are_all_there(self):
        self.reader.feed(head() * 30)
        self.assertEqual(30, len(self.reader.ready))

    def test_nothing_is_read_after_the_last_request(self):
        self.reader.feed(head(PATH, b'Connection: close') + head())
        found, = self.reader.ready
        self.assertFalse(found.keep_alive)
        self.assertTrue(self.reader.over)
        self.reader.feed(head())
        self.assertEqual(1, len(self.reader.ready))

    def test_a_body_is_never_read(self):
        for line in (b'Content-Length: 20', b'Transfer-Encoding: chunked'):
            self.reader = request.RequestReader(4096, 20)
            found = self._one(head(PATH, line) + b'14\r\n' + head()[:20])
            self.assertFalse(found.keep_alive)
            self.assertTrue(self.reader.over)

    def test_an_empty_body_changes_nothing(self):
        self.assertTrue(self._one(
            head(PATH, b'Content-Length: 0')).keep_alive)

    def test_an_upgrade_is_not_followed(self):
        found = self._one(head(PATH, b'Connection: Upgrade, HTTP2-Settings',
                               b'Upgrade: h2c') + b'PRI * HTTP/2.0')
        self.assertEqual(PATH, found.target)
        self.assertFalse(found.keep_alive)

    def test_http_1_0_ends_its_connection_unless_it_says_otherwise(self):
        data = b'GET / HTTP/1.0\r\n'
        self.assertFalse(self._one(data + b'\r\n').keep_alive)
        self.reader = request.RequestReader(4096, 20)
        found = self._one(data + b'Connection: keep-alive\r\n\r\n')
        self.assertTrue(found.keep_alive)
        self.assertTrue(found.old)

    def test_other_versions_are_refused(self):
        self.assertEqual(505, self._refusal(b'GET /\r\n\r\n'))
        self.reader = request.RequestReader(4096, 20)
        self.assertEqual(400, self._refusal(
            b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))

    def test_other_protocols_are_refused(self):
        for data in (b'\x16\x03\x01\x00\x05hello', b'SSH-2.0-x\r\n',
                     b'GET / HTTP/1.1\r\nBad\r\n\r\n',
                     b'GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n',
                     b'GET / HTTP/1.1\nHost: x\n\n', b'GET \x00 HTTP/1.1\r\n',
                     head(PATH, b'Content-Length: 1',
                          b'Transfer-Encoding: chunked'),
                     head(PATH, b'Content-Length: 1', b'Content-Length: 2'),
                     head(PATH, b'Content-Length: -1')):
            self.reader = request.RequestReader(4096, 20)
            self.assertEqual(400, self._refusal(data), data)

    def test_one_host_is_wanted(self):
        self.assertEqual(400, self._refusal(b'GET / HTTP/1.1\r\n\r\n'))
        self.reader = request.RequestReader(4096, 20)
        self.assertEqual(400, self._refusal(head(PATH, b'Host: y')))

    def test_a_flood_of_headers_is_refused(self):
        self.assertEqual(431, self._refusal(
            head(PATH, *(b'X: y' for _ in range(30)))))

    def test_a_header_without_end_is_refused(self):
        for start in (b'GET /' + b'a' * 100, head()[:-2] + b'X: ',
                      head()[:-2] + b'X'):
            self.reader = request.RequestReader(4096, 20)
            self.reader.feed(start)
            for _ in range(3):
                self.reader.feed(b'a' * 1000)
            self.assertEqual(431, self._refusal(b'a' * 1200), start)

    def test_ordinary_requests_do_not_add_up_to_a_flood(self):
        for _ in range(200):
            self.reader.feed(head())
            self.reader.ready.pop()
        self.assertFalse(self.reader.over)

    def test_random_bytes_never_raise_anything_else(self):
        rng = random.Random(7)
        whole = head(PATH, b'Range: bytes=0-1', b'Connection: keep-alive')
        for _ in range(3000):
            data = bytearray(whole * 2)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            reader = request.RequestReader(4096, 20)
            try:
                reader.feed(bytes(data))
            except request.RequestError as exc:
                self.assertIn(exc.status, (400, 431, 505))
            for found in reader.ready:
                found.path()

    def test_two_ranges_headers_are_one_malformed_one(self):
        found = self._one(head(PATH, b'Range: bytes=0-1',
                               b'Range: bytes=2-3'))
        self.assertEqual(b'bytes=0-1, bytes=2-3', found.headers[b'range'])
