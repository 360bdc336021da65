# SPDX-License-Identifier: Apache-2.0

"""NO_PROXY as other clients of the machine read it."""

import os
import unittest.mock

import testtools

from ironic_ext.web import no_proxy


class NoProxyTestCase(testtools.TestCase):

    def test_addresses_networks_names_and_ports(self):
        for text, url, excluded in (
                ('*', 'http://x/', True),
                ('192.0.2.0/24', 'http://192.0.2.7/', True),
                ('192.0.2.0/24', 'http://198.51.100.7/', False),
                ('2001:db8::/32', 'http://[2001:db8::7]:8080/', True),
                ('2001:db8::/32', 'http://[2001:db9::7]/', False),
                ('[2001:db8::7]', 'https://[2001:DB8:0::7]/', True),
                ('2001:db8::7', 'https://[2001:db8::7]/', True),
                ('[2001:db8::7]:443', 'https://[2001:db8::7]/', True),
                ('[2001:db8::7]:443', 'http://[2001:db8::7]/', False),
                ('.example.com', 'http://a.example.com/', True),
                ('example.com', 'http://example.com./', True),
                ('*.example.com', 'http://a.b.EXAMPLE.com/', True),
                ('example.com', 'http://badexample.com/', False),
                ('example.com:8080', 'http://example.com:8080/', True),
                ('example.com:8080', 'http://example.com/', False),
                ('a, b c', 'http://c/', True),
                ('192.0.2.0/24', 'http://name/', False),
                ('', 'http://x/', False),
                ('x', 'http://x:99999/', False)):
            self.assertEqual(excluded, no_proxy.excludes(text, url),
                             (text, url))

    def test_the_environments_proxies_are_for_all_else(self):
        with unittest.mock.patch.dict(os.environ, {
                'http_proxy': 'http://proxy:3128',
                'no_proxy': '2001:db8::/32,192.0.2.0/24'}):
            self.assertEqual({}, no_proxy.environment('http://[2001:db8::1]/'))
            self.assertEqual({}, no_proxy.environment('http://192.0.2.1/'))
            self.assertEqual('http://proxy:3128', no_proxy.environment(
                'http://[2001:db9::1]/')['http'])
