# SPDX-License-Identifier: Apache-2.0

"""Tests that a connection goes to the address that was judged."""

import testtools

from ironic_ext import walls


class PinnedTestCase(testtools.TestCase):

    def fence(self, *answers):
        """Return a fence whose name server answers otherwise each time."""
        left = list(answers)
        return walls.Fence(loopback=False,
                           resolve=lambda host, port: [left.pop(0)])

    def test_a_proxy_is_where_it_was_when_it_was_judged(self):
        fence = self.fence('192.0.2.1', '127.0.0.1')
        self.assertEqual('http://me:pw%40@192.0.2.1:3128',
                         walls.pinned('http://me:pw%40@proxy.example:3128',
                                      fence))
        self.assertRaises(walls.Refused, walls.pinned,
                          'http://proxy.example:3128', fence)

    def test_ports_and_addresses_of_ipv6_have_their_form(self):
        self.assertEqual('https://[2001:db8::1]:443', walls.pinned(
            'https://proxy.example', self.fence('2001:db8::1')))

    def test_a_name_that_nobody_knows_is_no_address(self):
        def fail(host, port):
            raise OSError('unknown')

        self.assertRaises(OSError, walls.pinned, 'http://x',
                          walls.Fence(resolve=fail))
