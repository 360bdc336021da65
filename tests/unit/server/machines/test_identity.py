# SPDX-License-Identifier: Apache-2.0

"""Who a machine is."""

import asyncio
import ipaddress
import os
import stat
import tempfile
import unittest.mock

import fixtures
import testtools

from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.machines import identity
from ironic_ext.server.mirror import host_index
from tests.unit.node import test_host as test_hosts

MAC = '52:54:00:00:00:01'
OTHER = '6f1b2a30-0000-4000-8000-000000000002'
KEY = b'k' * 32


class FinderTestCase(testtools.TestCase):
    """Token, then MAC, then address."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.signer = tokens.Tokens([KEY])
        self.finder = identity.Finder(self.index, self.signer)
        self.index.put(test_hosts.host(extra={'boot_ips': '192.0.2.1'}))
        self.index.put(test_hosts.host(
            macs=['52:54:00:00:00:02'], uuid=OTHER, name='server2',
            extra={'boot_ips': '192.0.2.2'}))
        self.index.loaded.set()

    def test_the_address_is_the_last_to_be_asked(self):
        self.assertEqual('server2', self.finder.find(
            mac='52-54-00-00-00-02', address='192.0.2.1').name)
        token, _ends = self.signer.new(OTHER, 60)
        self.assertEqual('server2', self.finder.find(
            token=token, mac=MAC, address='192.0.2.1').name)
        self.assertEqual('server1',
                         self.finder.find(address='192.0.2.1').name)

    def test_a_bad_token_is_not_made_good_by_a_mac(self):
        self.assertRaises(errors.NotFoundError, self.finder.find,
                          token='x' * 48, mac=MAC)

    def test_nobody_knows_an_address_of_nobody(self):
        self.assertRaises(errors.NotFoundError, self.finder.find,
                          address='192.0.2.9')
        self.assertRaises(errors.NotFoundError, self.finder.find)

    def test_who_might_be_two_gets_nothing(self):
        self.index.put(test_hosts.host(extra={'boot_ips': '192.0.2.2'}))
        error = self.assertRaises(errors.ConflictError, self.finder.find,
                                  address='192.0.2.2')
        self.assertIn('server1, server2', str(error))

    def test_before_ironic_answered_nobody_is_unknown(self):
        self.index.loaded.clear()
        self.assertRaises(errors.UnavailableError, self.finder.find,
                          address='192.0.2.9')

    def test_a_host_that_moved_is_found_by_its_new_address_only(self):
        self.index.put(test_hosts.host(extra={'boot_ips': '192.0.2.7'}))
        self.assertEqual('server1',
                         self.finder.find(address='192.0.2.7').name)
        self.assertRaises(errors.NotFoundError, self.finder.find,
                          address='192.0.2.1')


class AskingTestCase(testtools.TestCase):
    """Who asks, by what a request says."""

    def setUp(self):
        super().setUp()
        index = self.index = host_index.HostIndex()
        index.put(test_hosts.host(extra={'boot_ips': '192.0.2.1'}))
        index.loaded.set()
        self.asked_for = []
        self.finder = identity.Finder(
            index, tokens.Tokens([KEY]), self.lessees, self.run_there,
            [ipaddress.ip_network('10.0.0.0/8')])

    def lessees(self, address):
        self.asked_for.append(address)
        return {MAC} if address == '192.0.2.50' else ()

    async def run_there(self, function, *arguments):
        return function(*arguments)

    def find(self, **said):
        return asyncio.run(self.finder.asking(identity.Asked(**said))).name

    def test_a_mac_needs_no_lease(self):
        self.assertEqual('server1', self.find(mac=MAC, peer='192.0.2.9'))
        self.assertEqual('server1', self.find(
            provisioning_macs=(f'eth0 {MAC}',), peer='192.0.2.9'))
        self.assertEqual([], self.asked_for)

    def test_any_card_that_anaconda_names_is_the_machines(self):
        self.assertEqual('server1', self.find(provisioning_macs=(
            'eth0 aa:bb:cc:00:99:99', f'eth1 {MAC}', 'junk'),
            peer='192.0.2.9'))
        self.assertEqual('server1', self.find(provisioning_macs=(
            'eth0 aa:bb:cc:00:99:99',), peer='192.0.2.50'))

    def test_cards_of_two_machines_are_nobodys(self):
        self.index.put(test_hosts.host(
            macs=['52:54:00:00:00:02'], uuid=OTHER, name='server2'))
        self.assertRaises(errors.ConflictError, self.find,
                          provisioning_macs=(
                              f'eth0 {MAC}', 'eth1 52:54:00:00:00:02'),
                          peer='192.0.2.9')

    def test_a_lease_tells_who_has_an_address(self):
        self.assertEqual('server1', self.find(peer='192.0.2.50'))
        self.assertEqual('server1', self.find(
            peer='10.0.0.1', forwarded='192.0.2.50'))
        self.assertRaises(errors.NotFoundError, self.find,
                          peer='192.0.2.9', forwarded='192.0.2.50')
        self.assertEqual(['192.0.2.50'] * 2 + ['192.0.2.9'], self.asked_for)


class SourceAddressTestCase(testtools.TestCase):
    """Where a request comes from."""

    PROXIES = [ipaddress.ip_network('10.0.0.0/8')]

    def source(self, peer, forwarded=''):
        return identity.source_address(peer, forwarded, self.PROXIES)

    def test_a_stranger_cannot_say_who_it_is(self):
        self.assertEqual('192.0.2.1', self.source('192.0.2.1', '192.0.2.2'))

    def test_a_proxy_is_believed_as_far_as_it_wrote(self):
        self.assertEqual('192.0.2.2', self.source(
            '10.0.0.1', '192.0.2.1, 192.0.2.2, 10.0.0.2'))

    def test_an_ipv4_address_inside_of_ipv6_is_ipv4(self):
        self.assertEqual('192.0.2.1', self.source('::ffff:192.0.2.1'))

    def test_rubbish_of_a_proxy_is_nobody(self):
        self.assertEqual('', self.source('10.0.0.1', 'unknown'))
        self.assertEqual('', self.source(''))

    def test_anaconda_says_its_mac_with_the_interface(self):
        self.assertEqual(MAC, identity.anaconda_mac(f'eth0 {MAC}'))
        self.assertEqual('', identity.anaconda_mac(MAC + 'x'))


class TokenTestCase(testtools.TestCase):
    """Tokens."""

    def test_a_token_names_its_node_until_it_ends(self):
        signer = tokens.Tokens([KEY])
        token, _ends = signer.new(test_hosts.UUID, 60)
        self.assertEqual(test_hosts.UUID, signer.node(token))
        with unittest.mock.patch('time.time', lambda: 1e9):
            old, _ends = signer.new(test_hosts.UUID, 60)
        error = self.assertRaises(tokens.TokenError, signer.node, old)
        self.assertIn('expired', str(error))

    def test_a_changed_token_is_none(self):
        signer = tokens.Tokens([KEY])
        token, _ends = signer.new(test_hosts.UUID, 60)
        for position in range(len(token)):
            changed = (token[:position]
                       + ('A' if token[position] != 'A' else 'B')
                       + token[position + 1:])
            self.assertRaises(tokens.TokenError, signer.node, changed)
        for other in ('', 'x', token + 'A', 'ä' * 48):
            self.assertRaises(tokens.TokenError, signer.node, other)

    def test_keys_can_be_changed_without_an_end_to_tokens(self):
        token, _ends = tokens.Tokens([b'o' * 32]).new(test_hosts.UUID, 60)
        self.assertEqual(test_hosts.UUID,
                         tokens.Tokens([KEY, b'o' * 32]).node(token))
        self.assertRaises(tokens.TokenError, tokens.Tokens([KEY]).node,
                          token)

    def test_the_key_is_made_once_and_for_the_owner_only(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'key')
        token, _ends = tokens.Tokens.from_file(path).new(
            test_hosts.UUID, 60)
        self.assertEqual(0o600, stat.S_IMODE(os.stat(path).st_mode))
        self.assertEqual(test_hosts.UUID,
                         tokens.Tokens.from_file(path).node(token))

    def test_a_file_without_keys_is_refused(self):
        with tempfile.NamedTemporaryFile('w') as file:
            file.write('secret\n')
            file.flush()
            self.assertRaises(ValueError, tokens.Tokens.from_file, file.name)
