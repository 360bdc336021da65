# SPDX-License-Identifier: Apache-2.0

"""Tests for which addresses are one client's."""

import testtools

from ironic_ext.web import client_address


class ClientAddressTestCase(testtools.TestCase):

    def same(self, *addresses):
        self.assertEqual(1, len(set(map(client_address.client_of,
                                        addresses))))

    def test_a_network_of_64_bits_is_one_client(self):
        self.same('2001:db8::1', '2001:db8::ffff:1', '2001:db8::2%eth0')

    def test_other_networks_are_others(self):
        self.assertEqual(3, len(set(map(client_address.client_of, (
            '2001:db8::1', '2001:db8:0:1::1', '2001:db8:1::1')))))

    def test_ipv4_is_counted_by_address_however_it_is_written(self):
        self.same('192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201')
        self.assertNotEqual(client_address.client_of('192.0.2.1'),
                            client_address.client_of('192.0.2.2'))

    def test_what_has_no_address_is_one_client(self):
        self.same('', '')
