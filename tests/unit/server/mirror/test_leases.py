# SPDX-License-Identifier: Apache-2.0

"""Who leases an address."""

import os
import pathlib
import time

import fixtures
import testtools

from ironic_ext.node import tokens
from ironic_ext.server.machines import identity
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import leases
from tests.unit.node import test_host as test_hosts
from tests.unit.server import records

MAC, OTHER = '52:54:00:00:00:01', '52:54:00:00:00:02'
SECOND = '6f1b2a30-0000-4000-8000-000000000002'
IP = '192.0.2.5'


class _FileTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path,
                                 'leases')
        self.leases = leases.Leases([str(self.path)])

    def write(self, *rows):
        """Write rows of MAC and address, and perhaps when the lease ends."""
        self.path.write_text(''.join(
            f'{end[0] if end else int(time.time()) + 60} {mac} {ip} name '
            f'01:{mac}\n' for mac, ip, *end in rows))


class LeasesTestCase(_FileTestCase):
    """What dnsmasq wrote."""

    def test_an_address_has_the_mac_of_its_line(self):
        self.write((MAC, IP), (OTHER, '192.0.2.55'), (OTHER, '92.0.2.5'))
        self.assertEqual({MAC}, self.leases.macs(IP))
        self.assertEqual(set(), self.leases.macs('192.0.2.6'))

    def test_a_lease_that_ended_is_none(self):
        self.write((MAC, IP, 1000000000))
        self.assertEqual(set(), self.leases.macs(IP))

    def test_a_lease_without_an_end_holds(self):
        self.write((MAC, IP, 0))
        self.assertEqual({MAC}, self.leases.macs(IP))

    def test_what_changes_is_seen_at_once(self):
        for mac in (MAC, OTHER) * 20:
            self.write((mac, IP))
            self.assertEqual({mac}, self.leases.macs(IP))

    def test_a_file_is_read_again_only_when_it_changed(self):
        self.write((MAC, IP))
        os.utime(self.path, (1000000000, 1000000000))
        self.leases.macs(IP)
        text = self.path.read_text()
        self.path.write_text(text.replace(MAC, OTHER))
        os.utime(self.path, (1000000000, 1000000000))
        self.assertEqual({MAC}, self.leases.macs(IP))

    def test_a_file_need_not_be_there(self):
        self.assertEqual(set(), self.leases.macs(IP))
        self.write((MAC, IP))
        self.assertEqual({MAC}, self.leases.macs(IP))
        self.path.unlink()
        self.assertEqual(set(), self.leases.macs(IP))

    def test_rubbish_and_half_a_line_are_no_leases(self):
        self.path.write_bytes(
            f'duid 00:01\nx {MAC} {IP} n c\n0 {IP} {IP} n c\n'
            f'0 {MAC}\n \xff {IP} \n0 {MAC} {IP} n'.encode('latin-1'))
        self.assertEqual(set(), self.leases.macs(IP))


class LesseeTestCase(_FileTestCase):
    """Leases, and what Ironic knows of addresses."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.index.loaded.set()
        self.finder = identity.Finder(
            self.index, tokens.Tokens([b'k' * 32]), records.Known())

    def put(self, name, mac, inspected=(), **given):
        self.index.put(test_hosts.hosts.from_node(test_hosts.node(
            name=name, uuid=(test_hosts.UUID if mac == MAC else SECOND),
            **given), [mac], inspected))

    def found(self):
        return [host.name for host in self.finder.at(
            IP, self.leases.macs(IP))]

    def test_a_host_is_known_by_what_it_leases(self):
        self.put('server1', MAC)
        self.assertEqual([], self.found())
        self.write((MAC, IP))
        self.assertEqual(['server1'], self.found())

    def test_a_lease_comes_before_what_another_node_says(self):
        self.put('server1', MAC)
        self.put('server2', OTHER, extra={'boot_ips': [IP]})
        self.write((MAC, IP))
        self.assertEqual(['server1'], self.found())

    def test_a_lease_outlives_what_an_inspection_saw(self):
        self.put('server1', MAC)
        self.put('server2', OTHER, inspected=[IP])
        self.assertEqual(['server2'], self.found())
        self.write((MAC, IP))
        self.assertEqual(['server1'], self.found())

    def test_a_stranger_with_a_lease_does_not_get_what_another_was_to(self):
        self.put('server2', OTHER, inspected=[IP])
        self.write(('52:54:00:99:99:99', IP))
        self.assertEqual([], self.found())

    def test_a_lease_of_its_own_address_is_no_second_host(self):
        self.put('server1', MAC, extra={'boot_ips': [IP]})
        self.write((MAC, IP))
        self.assertEqual(['server1'], self.found())
