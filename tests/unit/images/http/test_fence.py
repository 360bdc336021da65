# SPDX-License-Identifier: Apache-2.0

"""Tests that a download goes to the address that was judged, or nowhere."""

import socket
import ssl

import fixtures
from oslotest import base
import trustme

from ironic_ext.images import errors
from ironic_ext.images.http import service as http
from ironic_ext.images import settings as image_settings
from ironic_ext import walls
from tests import fault_server as faults
from tests import memory_target

HOST = 'images.example.test'


class FenceTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.port = int(self.server.url.rpartition(':')[2])
        self.server.add('/a', b'content')
        self.answers = [['127.0.0.1']]
        self.asked = []

    def serve(self, context=None):
        context = faults.serving(context)
        server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return server

    def resolve(self, host, port):
        self.asked.append(host)
        return self.answers.pop(0)

    def fetch(self, url=None, access=None, **options):
        target = memory_target.MemoryTarget()
        http.HttpImageService(image_settings.Settings(
            access=access or image_settings.Access(proxies={}), retries=0,
            connect_timeout=2,
            fence=walls.Fence(resolve=self.resolve, **options))
        ).fetch(url or f'http://{HOST}:{self.port}/a', target)
        return bytes(target.content)

    def test_the_address_that_was_judged_is_connected_to(self):
        # A second answer would lead to an address that is closed.
        self.assertEqual(b'content', self.fetch())
        self.assertEqual([HOST], self.asked)
        self.assertEqual(f'{HOST}:{self.port}',
                         self.server.requests[0].headers['Host'])

    def test_an_answer_with_closed_addresses_alone_is_refused(self):
        self.answers = [['169.254.169.254', '::1']]
        error = self.assertRaises(errors.HrefError, self.fetch,
                                  loopback=False)
        self.assertIn('169.254.169.254', str(error))
        self.assertEqual([], self.server.requests)

    def test_each_redirect_is_judged(self):
        self.server.add('/go', always=faults.redirect(
            f'http://inside.example.test:{self.port}/a'))
        self.answers = [['127.0.0.1'], ['169.254.1.1']]
        self.assertRaises(errors.HrefError, self.fetch,
                          f'http://{HOST}:{self.port}/go')
        self.assertEqual([HOST, 'inside.example.test'], self.asked)
        self.assertEqual(1, len(self.server.requests))

    def test_where_nothing_listens_the_next_address_is_tried(self):
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(('::1', self.port))
            except OSError as exc:
                self.skipTest(f'no IPv6 loopback here: {exc}')
            self.answers = [['::1', '127.0.0.1']]
            self.assertEqual(b'content', self.fetch())

    def test_certificates_are_verified_for_the_name(self):
        authority = trustme.CA()
        for name, expected in ((HOST, None), ('other.example.test', 'name')):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(context)
            server = self.serve(context)
            server.add('/a', b'content')
            port = int(server.url.rpartition(':')[2])
            self.answers = [['127.0.0.1']]
            access = image_settings.Access(
                proxies={}, ca=authority.cert_pem.bytes().decode())
            if expected is None:
                self.assertEqual(b'content', self.fetch(
                    f'https://{HOST}:{port}/a', access))
            else:
                self.assertIn(expected, str(self.assertRaises(
                    errors.ImageError, self.fetch,
                    f'https://{HOST}:{port}/a', access)))

    def test_a_name_that_is_unknown_is_said_to_be(self):
        def unknown(host, port):
            raise socket.gaierror(socket.EAI_NONAME, 'unknown')
        self.resolve = unknown
        self.assertIn('host name is not known', str(
            self.assertRaises(errors.ImageError, self.fetch)))

    def test_a_proxy_of_the_operator_is_asked_for_what_may_be_asked(self):
        proxy = self.serve()
        access = image_settings.Access(proxies={'http': proxy.url})
        self.answers = [['169.254.169.254']]
        self.assertRaises(errors.HrefError, self.fetch, access=access)
        self.assertEqual([], proxy.requests)
        # A name that is not known here is the proxy's to resolve.
        self.useFixture(fixtures.MonkeyPatch(
            f'{__name__}.FenceTestCase.resolve', self.unknown))
        proxy.add(f'http://{HOST}:{self.port}/a', b'by proxy')
        self.assertEqual(b'by proxy', self.fetch(access=access))

    @staticmethod
    def unknown(*arguments):
        raise socket.gaierror(socket.EAI_NONAME, 'unknown')
