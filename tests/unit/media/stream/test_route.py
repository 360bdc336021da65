# SPDX-License-Identifier: Apache-2.0

"""Tests for where media are, whatever a target is written like."""

import testtools

from ironic_ext.media.stream.http import request
from ironic_ext.media.stream import route

TOKEN = 'A' * 22
PATH = f'/{TOKEN}/node-1.iso'.encode()


class RouteTest(testtools.TestCase):

    def _route(self, target):
        reader = request.RequestReader(4096, 20)
        reader.feed(b'GET ' + target + b' HTTP/1.1\r\nHost: x\r\n\r\n')
        return route.of(reader.ready[0])

    def test_the_long_and_the_short_forms(self):
        for target, name in ((PATH, 'node-1.iso'),
                             (f'/{TOKEN}.iso'.encode(), ''),
                             (f'/{TOKEN}.img'.encode(), ''),
                             (f'/{TOKEN}'.encode(), '')):
            self.assertEqual((TOKEN, name), self._route(target))

    def test_proxies_and_careful_clients_are_understood(self):
        for target in (b'http://bmc.example:8089' + PATH,
                       b'HTTPS://x' + PATH, PATH + b'?a=b',
                       PATH.replace(b'-', b'%2D'), PATH.replace(b'/n',
                                                                b'%2fn')):
            self.assertEqual((TOKEN, 'node-1.iso'), self._route(target),
                             target)

    def test_tricks_with_paths_lead_nowhere(self):
        token = TOKEN.encode()
        for target in (
                b'/', b'*', b'//' + token, b'/../' + token,
                b'/' + token + b'/', b'/' + token + b'/a/b',
                b'/' + token + b'/../../etc/passwd',
                b'/' + token + b'/..%2f..%2fetc%2fpasswd',
                b'/' + token + b'%00.iso', b'/' + token + b'/a%0d%0ab',
                b'/short', b'/' + b'A' * 129, b'/' + token + b'/a%20b',
                b'/%2541' + token, b'http://x', b'/' + token + b';x',
                b'/' + token + b'/' + b'n' * 256, b'http:/' + PATH):
            self.assertIsNone(self._route(target), target)
