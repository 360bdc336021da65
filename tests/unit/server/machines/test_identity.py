# SPDX-License-Identifier: Apache-2.0

"""Who a machine is."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import time
import uuid

import testtools

from ironic_ext.node import boot_state
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.machines import identity
from ironic_ext.server.mirror import host_index
from tests.unit.node import test_host as test_hosts
from tests.unit.server import records

MAC = '52:54:00:00:00:01'
OTHER = '6f1b2a30-0000-4000-8000-000000000002'
KEY = b'k' * 32


def old_token(node):
    """Return a token as releases without generations made them."""
    head = uuid.UUID(node).bytes + int(time.time() + 60).to_bytes(4, 'big')
    tag = hmac.digest(KEY, b'ironic-ext boot token 1' + head, hashlib.sha256)
    return base64.urlsafe_b64encode(head + tag[:16]).decode()


class FinderTestCase(testtools.TestCase):
    """Token, then MAC, then address."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.signer = tokens.Tokens([KEY])
        self.records = records.Known()
        self.finder = identity.Finder(self.index, self.signer,
                                      self.records)
        self.index.put(test_hosts.host(extra={'boot_ips': '192.0.2.1'}))
        self.index.put(test_hosts.host(
            macs=['52:54:00:00:00:02'], uuid=OTHER, name='server2',
            extra={'boot_ips': '192.0.2.2'}))
        self.index.loaded.set()

    def test_the_address_is_the_last_to_be_asked(self):
        self.assertEqual('server2', self.finder.find(
            mac='52-54-00-00-00-02', address='192.0.2.1').name)
        self.assertEqual('server1',
                         self.finder.find(address='192.0.2.1').name)

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
        self.asked_for, self.refreshed = [], []
        self.signer, self.records = tokens.Tokens([KEY]), records.Known()
        self.finder = identity.Finder(
            index, self.signer, self.records, self.lessees, self.run_there,
            [ipaddress.ip_network('10.0.0.0/8')], self.refreshed.append)

    def lessees(self, address):
        self.asked_for.append(address)
        return {MAC} if address == '192.0.2.50' else ()

    async def run_there(self, function, *arguments):
        return function(*arguments)

    def find(self, **said):
        return asyncio.run(self.finder.asking(identity.Asked(**said))).name

    def token(self, *generation):
        return self.signer.new(test_hosts.UUID, 60,
                               tokens.Generation(*generation))[0]

    def test_a_token_comes_before_a_mac_and_is_not_made_good_by_one(self):
        self.index.put(test_hosts.host(
            macs=['52:54:00:00:00:02'], uuid=OTHER, name='server2'))
        self.assertEqual('server1', self.find(
            token=self.token(), mac='52:54:00:00:00:02'))
        for bad in ('x' * 48, 'x' * 60):
            self.assertRaises(errors.NotFoundError, self.find, token=bad,
                              mac=MAC)

    def test_a_token_of_before_an_end_reads_nothing_more(self):
        old = self.token()
        self.index.put(test_hosts.host(boot_generation=7))
        self.assertRaises(errors.GoneError, self.find, token=old)
        self.assertEqual('server1', self.find(token=self.token(7, 0)))
        self.records.end(test_hosts.UUID, generation=0, above=8)
        self.assertRaises(errors.GoneError, self.find,
                          token=self.token(7, 0))
        self.assertEqual('server1', self.find(token=self.token(7, 9)))
        # None of which is a reason to ask Ironic.
        self.assertEqual([], self.refreshed)

    def test_a_token_of_an_earlier_release_is_good_until_the_first_end(self):
        old = old_token(test_hosts.UUID)
        self.index.put(test_hosts.host(created_at='2026-01-01T00:00:00'))
        self.assertEqual('server1', self.find(token=old))
        self.index.put(test_hosts.host(boot_generation=7))
        self.assertRaises(errors.GoneError, self.find, token=old)

    def test_a_token_does_not_read_another_node_of_the_same_uuid(self):
        self.index.put(test_hosts.host(created_at='2026-01-01T00:00:00'))
        host = self.index.by_uuid(test_hosts.UUID)
        token = self.token(*self.records.generation(host))
        self.assertEqual('server1', self.find(token=token))
        self.index.put(test_hosts.host(created_at='2026-01-02T00:00:00'))
        self.assertRaises(errors.GoneError, self.find, token=token)

    def test_what_a_conductor_made_a_moment_ago_is_looked_for(self):
        self.assertRaises(errors.GoneError, self.find,
                          token=self.token(9, 0))
        self.assertEqual([test_hosts.UUID], self.refreshed)

    def report(self, *generation):
        report = asyncio.run(self.finder.reporting(self.token(*generation)))
        return report.goes_on

    def test_the_boot_that_ended_last_can_be_asked_for_alone(self):
        self.records.end(test_hosts.UUID, generation=0, above=4)
        self.index.put(test_hosts.host(
            boot_generation=3, boot=boot_state.BootState(begun=2)))
        self.assertTrue(self.report(3, 5))
        # Ended by the server, and by the conductor then.
        for ended in ((2, 0), (2, 5), (3, 0)):
            self.assertFalse(self.report(*ended), ended)
        for older in ((1, 0), (1, 5), (2, 4)):
            self.assertRaises(errors.GoneError, self.report, *older)

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
