# SPDX-License-Identifier: Apache-2.0

"""Tests for where owners' URLs may lead, without a network."""

import ipaddress
import socket

import testtools

from ironic_ext import walls


class FenceTestCase(testtools.TestCase):

    def fence(self, found=(), **options):
        names = {'api': ['198.51.100.5'], 'any': ['0.0.0.0'],
                 'any6': ['::'], 'lo': ['127.0.0.1']}

        def resolve(host, port):
            answer = names.get(host, list(found) or [host])
            if not answer[0]:
                raise socket.gaierror(socket.EAI_NONAME, 'no')
            return answer

        return walls.Fence(resolve=resolve, **options)

    def refusal(self, *found, port=80, **options):
        return str(self.assertRaises(
            walls.Refused, self.fence(found, **options).addresses,
            'images.example.com', port))

    def test_an_image_server_is_reached_at_its_address(self):
        self.assertEqual(['203.0.113.7', '2001:db8::7'], self.fence(
            ['203.0.113.7', '2001:db8::7'], loopback=False).addresses(
                'images.example.com', 443))

    def test_special_addresses_are_closed_in_any_case(self):
        for text in ('169.254.169.254', 'fe80::1', 'fe80::1%eth0',
                     '224.0.0.1', 'ff02::1', '0.0.0.0', '0.1.2.3', '::',
                     '255.255.255.255', 'fd00:ec2::254',
                     # The same, wrapped.
                     '::ffff:169.254.169.254', '2002:a9fe:a9fe::',
                     '64:ff9b::a9fe:a9fe', '::169.254.169.254'):
            with self.subTest(text):
                self.refusal(text, allowed=(
                    ipaddress.ip_network('0.0.0.0/0'),
                    ipaddress.ip_network('::/0')))

    def test_loopback_is_closed_where_owners_are_others(self):
        for text in ('127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1',
                     '64:ff9b::7f00:1'):
            with self.subTest(text):
                self.assertIn('this host itself',
                              self.refusal(text, loopback=False))
                self.assertEqual([text], self.fence([text]).addresses(
                    'images.example.com', 80))

    def test_networks_are_closed_and_opened(self):
        inner = ipaddress.ip_network('10.0.0.0/8')
        images = ipaddress.ip_network('10.1.0.0/16')
        self.refusal('10.0.0.1', denied=(inner,))
        self.refusal('::ffff:10.0.0.1', denied=(inner,))
        self.assertEqual(['10.1.0.1'], self.fence(
            ['10.1.0.1'], denied=(inner,), allowed=(images,)).addresses(
                'x', 80))

    def test_of_several_addresses_the_open_ones_are_left(self):
        self.assertEqual(['192.0.2.1'], self.fence(
            ['127.0.0.1', '192.0.2.1'], loopback=False).addresses('x', 80))

    def test_the_services_of_the_installation_are_closed(self):
        services = frozenset((('api', 6385), ('any', 8093), ('any6', 8089),
                              ('lo', 5672)))
        for address, port in (('198.51.100.5', 6385), ('127.0.0.1', 8093),
                              ('127.0.0.1', 5672), ('127.0.0.9', 5672),
                              ('::1', 8089)):
            with self.subTest(address):
                self.assertIn('a service of this', self.refusal(
                    address, port=port, services=services, allowed=(
                        ipaddress.ip_network('0.0.0.0/0'),)))
        for address, port in (('198.51.100.5', 80), ('198.51.100.6', 6385),
                              ('127.0.0.1', 80)):
            self.assertEqual([address], self.fence(
                [address], services=services).addresses('x', port))

    def test_a_name_without_an_address_is_an_error_of_its_own(self):
        self.assertRaises(socket.gaierror, self.fence(
            ['']).addresses, 'x', 80)
