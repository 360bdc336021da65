# SPDX-License-Identifier: Apache-2.0

"""Who a machine is."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ipaddress
import time
import uuid

import fixtures
import testtools

from ironic_ext.node import boot_state
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.machines import guesses
from ironic_ext.server.machines import identity
from ironic_ext.server.mirror import host_index
from tests.unit.node import test_host as test_hosts
from tests.unit.server import records

MAC = '52:54:00:00:00:01'
OTHER = '6f1b2a30-0000-4000-8000-000000000002'
MACS = {'server1': MAC, 'server2': '52:54:00:00:00:02'}
UUIDS = {'server1': test_hosts.UUID, 'server2': OTHER}
KEY = b'k' * 32
PROXIES = [ipaddress.ip_network('10.0.0.0/8')]


def old_token(node):
    """Return a token as releases without generations made them."""
    head = uuid.UUID(node).bytes + int(time.time() + 60).to_bytes(4, 'big')
    tag = hmac.digest(KEY, b'ironic-ext boot token 1' + head, hashlib.sha256)
    return base64.urlsafe_b64encode(head + tag[:16]).decode()


class _Case(testtools.TestCase):
    """Two hosts, and questions."""

    rules = identity.Rules()

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.signer, self.records = tokens.Tokens([KEY]), records.Known()
        self.asked_for, self.refreshed, self.leases = [], [], {}
        self.finder = identity.Finder(
            self.index, self.signer, self.records, self.lessees,
            self.run_there, self.rules, self.refreshed.append)
        self.put('server1')
        self.put('server2')
        self.index.loaded.set()

    def put(self, name, inspected=(), declared='', **given):
        self.index.put(test_hosts.hosts.from_node(
            test_hosts.node(uuid=UUIDS[name], name=name, **given),
            [MACS[name]], inspected, declared))

    def lessees(self, address):
        self.asked_for.append(address)
        return self.leases.get(address, ())

    async def run_there(self, function, *arguments):
        return function(*arguments)

    def find(self, peer='', forwarded='', **said):
        address = identity.source_address(peer, forwarded, PROXIES)
        return asyncio.run(self.finder.asking(identity.Asked(
            address=address, **said))).name

    def assertNobody(self, **said):
        return str(self.assertRaises(errors.NotFoundError, self.find,
                                     **said))


class AddressTestCase(_Case):
    """Where a request comes from decides."""

    rules = identity.Rules(identity.ADDRESS)

    def test_a_mac_alone_gives_nothing(self):
        self.put('server1', declared='192.0.2.1')
        for said in ({'mac': MAC}, {'provisioning_macs': (f'eth0 {MAC}',)}):
            self.assertNobody(peer='192.0.2.9', **said)
            self.assertEqual('server1', self.find(peer='192.0.2.1', **said))
        # The same words for a MAC of another host and for one of none.
        self.assertEqual(*(self.assertNobody(
            mac=mac, peer='192.0.2.1').replace(mac, 'MAC') for mac in (
                MACS['server2'], '52:54:00:99:99:99')))

    def test_a_lease_an_operators_word_and_a_port_decide(self):
        self.put('server2', declared='2001:db8::7')
        self.leases['192.0.2.50'] = {MAC}
        self.assertEqual('server1', self.find(peer='192.0.2.50'))
        self.assertEqual('server1', self.find(peer='::ffff:192.0.2.50'))
        self.assertEqual('server2', self.find(peer='2001:db8:0::7'))
        self.assertNobody(peer='192.0.2.9', forwarded='192.0.2.50')
        self.assertEqual('server1', self.find(
            peer='10.0.0.1', forwarded='192.0.2.51, 192.0.2.50'))

    def test_where_a_machine_once_was_decides_nothing(self):
        self.put('server1', inspected=['192.0.2.1'])
        self.assertNobody(peer='192.0.2.1')

    def test_a_mac_chooses_among_the_hosts_of_an_address(self):
        for name in MACS:
            self.put(name, declared='192.0.2.1')
            self.put(name, declared='192.0.2.1')
        error = self.assertRaises(errors.ConflictError, self.find,
                                  peer='192.0.2.1')
        self.assertNotIn('server', str(error))
        for name, mac in MACS.items():
            for form in (mac, mac.upper(), mac.replace(':', '-')):
                self.assertEqual(name, self.find(mac=form, peer='192.0.2.1'))
            self.assertEqual(name, self.find(
                provisioning_macs=('eth0 aa:aa:aa:aa:aa:aa',
                                   f'eth1 {mac.upper()}'),
                peer='192.0.2.1'))

    def test_cards_that_ironic_does_not_know_are_no_obstacle(self):
        self.put('server1', declared='192.0.2.1')
        self.assertEqual('server1', self.find(
            provisioning_macs=('eth0 aa:aa:aa:aa:aa:aa',), peer='192.0.2.1'))

    def test_what_an_owner_says_counts_for_nothing(self):
        said = {'extra': {'boot_ips': ['192.0.2.1']}, 'network_data': {
            'networks': [{'ip_address': '192.0.2.2'}]}}
        for whose in ({'owner': 'p'}, {'lessee': 'p'}):
            self.put('server1', **said, **whose)
            for peer in ('192.0.2.1', '192.0.2.2'):
                self.assertNobody(peer=peer)
        self.put('server1', **said)
        for peer in ('192.0.2.1', '192.0.2.2'):
            self.assertEqual('server1', self.find(peer=peer))

    def test_who_is_named_by_others_is_served_whatever_nodes_say(self):
        self.put('server2', extra={'boot_ips': [
            '192.0.2.1', '192.0.2.50']})
        self.put('server1', declared='192.0.2.1')
        self.leases['192.0.2.50'] = {MAC}
        for peer in ('192.0.2.1', '192.0.2.50'):
            self.assertEqual('server1', self.find(peer=peer))
            self.assertNobody(peer=peer, mac=MACS['server2'])

    def test_who_might_be_two_gets_nothing(self):
        self.put('server2', declared='192.0.2.50')
        self.leases['192.0.2.50'] = {MAC}
        error = self.assertRaises(errors.ConflictError, self.find,
                                  peer='192.0.2.50')
        self.assertNotIn('server', str(error))

    def test_before_ironic_answered_nobody_is_unknown(self):
        self.index.loaded.clear()
        self.assertRaises(errors.UnavailableError, self.find,
                          peer='192.0.2.9')

    def test_a_host_that_moved_is_found_by_its_new_address_only(self):
        self.put('server1', declared='192.0.2.1')
        self.put('server1', declared='192.0.2.7')
        self.assertEqual('server1', self.find(peer='192.0.2.7'))
        self.assertNobody(peer='192.0.2.1')


class OwnersDeclareTestCase(_Case):
    rules = identity.Rules(identity.ADDRESS, owners_declare=True)

    def test_an_option_has_owners_declare_addresses(self):
        self.put('server1', extra={'boot_ips': ['192.0.2.1']}, owner='p')
        self.assertEqual('server1', self.find(peer='192.0.2.1'))


class TokenAloneTestCase(_Case):
    rules = identity.Rules(identity.TOKEN)

    def test_nothing_else_is_taken_for_a_token(self):
        self.put('server1', declared='192.0.2.1')
        for said in ({}, {'mac': MAC},
                     {'provisioning_macs': (f'eth0 {MAC}',)}):
            self.assertRaises(errors.ForbiddenError, self.find,
                              peer='192.0.2.1', **said)
        token, _ends = self.signer.new(
            test_hosts.UUID, 60, tokens.Generation())
        self.assertEqual('server1', self.find(token=token,
                                              peer='192.0.2.9'))


class GuessesTestCase(_Case):
    """Who guesses MACs."""

    def setUp(self):
        super().setUp()
        self.waits = []

        async def sleep(seconds):
            self.waits.append(seconds)

        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.server.machines.guesses.asyncio.sleep', sleep))

    def guess(self, times, peer='192.0.2.66'):
        for number in range(times):
            self.assertNobody(mac=f'52:54:00:99:00:{number:02x}', peer=peer)

    def test_the_first_ones_are_free_and_each_other_waits_longer(self):
        self.guess(20)
        self.assertEqual([], self.waits)
        self.guess(9)
        self.assertEqual(sorted(self.waits), self.waits)
        self.assertLess(7, self.waits[-1])
        # Nobody else waits for that.
        self.find(mac=MAC, peer='192.0.2.67')
        self.assertEqual(8, len(self.waits))

    def test_too_many_are_refused_right_or_wrong(self):
        self.guess(31)
        self.assertRaises(errors.TooManyError, self.find, mac=MAC,
                          peer='192.0.2.66')

    def test_who_is_right_pays_nothing(self):
        self.guess(22)
        for _number in range(100):
            self.find(mac=MAC, peer='192.0.2.66')
        self.assertGreater(3, max(self.waits))

    def test_a_token_has_no_need_to_wait_and_a_forged_one_has(self):
        self.guess(31)
        token, _ends = self.signer.new(test_hosts.UUID, 60)
        self.assertEqual('server1', self.find(token=token,
                                              peer='192.0.2.66'))
        self.assertRaises(errors.TooManyError, self.find, token='x' * 60,
                          peer='192.0.2.66')

    def test_addresses_of_one_machine_are_one(self):
        for number in range(31):
            self.guess(1, f'2001:db8::{number:x}')
        self.assertRaises(errors.TooManyError, self.guess, 1,
                          '2001:db8::ffff')

    def test_who_does_not_wait_for_the_turn_pays_nothing(self):
        found, waits = guesses.Guesses(), []

        class Pause:
            def __init__(self, seconds):
                waits.append(seconds)

            def __await__(self):
                yield

        def wrong():
            raise errors.NotFoundError('x')

        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.server.machines.guesses.asyncio.sleep', Pause))
        for _number in range(21):
            self.assertRaises(errors.NotFoundError, found.judge(
                '192.0.2.66', wrong).send, None)
        for _number in range(5):
            asking = found.judge('192.0.2.66', self.fail)
            asking.send(None)
            asking.close()
        # Nobody's place in the row is further behind than the first one's.
        self.assertEqual(5, len(waits))
        self.assertEqual(sorted(waits, reverse=True), waits)

    def test_those_that_are_remembered_are_not_too_many(self):
        found = guesses.Guesses()

        def wrong():
            raise errors.NotFoundError('x')

        async def ask():
            for number in range((1 << 14) + 100):
                with contextlib.suppress(errors.NotFoundError):
                    await found.judge(
                        str(ipaddress.ip_address(number)), wrong)

        asyncio.run(ask())
        self.assertEqual(1 << 14, len(found))


class AskingTestCase(_Case):
    """Who asks, by what a request says, where MACs are believed."""

    def setUp(self):
        super().setUp()
        self.index.remove(OTHER)
        self.put('server1', extra={'boot_ips': '192.0.2.1'})
        self.leases['192.0.2.50'] = {MAC}

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
        report = asyncio.run(self.finder.reporting(
            identity.Asked(token=self.token(*generation))))
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

    def source(self, peer, forwarded=''):
        return identity.source_address(peer, forwarded, PROXIES)

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
