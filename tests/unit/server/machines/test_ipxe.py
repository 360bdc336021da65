# SPDX-License-Identifier: Apache-2.0

"""The iPXE script of a machine."""

import asyncio
import dataclasses

import testtools

from ironic_ext import catalog
from ironic_ext import host_records
from ironic_ext.node import tokens
from ironic_ext.san import ipxe as scripts
from ironic_ext.server import errors
from ironic_ext.server.machines import identity
from ironic_ext.server.machines import ipxe
from ironic_ext.server.mirror import host_index
from tests.unit.node import test_host as test_hosts
from tests.unit.server.machines import test_configs
from tests.unit.server import records

MAC = '52:54:00:00:00:01'


class _Kept(test_configs.Found):
    """ISOs in memory."""

    def iso(self, name):
        return self[name]


class _TestCase(testtools.TestCase):
    """A host whose machine asks."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.index.loaded.set()
        self.index.put(test_hosts.host(instance_info={'boot_iso': 'live'}))
        self.read = []
        self.kept = _Kept()
        self.fetched = []
        self.records = records.Known()
        self.ipxe = self.make(identity.Rules())

    def make(self, rules):
        return ipxe.Ipxe(
            identity.Finder(self.index, tokens.Tokens([b'k' * 32]),
                            self.records, rules=rules), self,
            self.kept, self.run_there,
            lambda *fetched: self.fetched.append(fetched))

    def iso(self, name):
        self.read.append(name)

    async def run_there(self, function, *arguments):
        return function(*arguments)

    def text(self, mac=MAC):
        return asyncio.run(self.ipxe.get(identity.Asked(mac=mac))
                           ).data.decode()


class IpxeTestCase(_TestCase):
    """Scripts."""

    def script(self, status=None, **info):
        self.kept['live'] = catalog.ISCSICdrom(
            catalog.Metadata('live'), status=catalog.ISCSICdromStatus(
                'Ready', **(status or {})))
        self.index.put(test_hosts.host(instance_info=info))
        return self.text()

    def test_an_iso_is_booted_from_its_target(self):
        self.assertEqual(
            '#!ipxe\n'
            'echo Booting live for server1 (52:54:00:00:00:01)\n'
            'sanboot iscsi:192.0.2.1:::1:iqn.2000-02.com.example:live\n',
            self.script({'target_iqn': 'iqn.2000-02.com.example:live',
                         'portal_ip': '192.0.2.1'}, boot_iso='live'))

    def test_a_mac_may_be_written_in_other_forms(self):
        text = self.script({'target_iqn': 'iqn.2000-02.com.example:live',
                            'portal_ip': '192.0.2.1'}, boot_iso='live')
        for form in (MAC.replace(':', '-'), f' {MAC.upper()}'):
            self.assertEqual(text, self.text(form))

    def test_port_and_lun_are_the_targets(self):
        self.assertIn(
            'sanboot iscsi:[2001:db8::1]::3261:a:iqn.2000-02.com.a:b\n',
            self.script({'target_iqn': 'iqn.2000-02.com.a:b', 'lun': 10,
                         'portal_ip': '2001:db8::1', 'portal_port': 3261},
                        boot_iso='live'))

    def test_nothing_assigned_boots_from_the_disk(self):
        self.assertEndsWith(self.script(), 'exit 1 || exit 0\n')

    def test_how_the_disk_is_booted_is_the_machines(self):
        self.index.put(test_hosts.host(properties={'local_boot': 'sanboot'}))
        self.assertIn('sanboot --no-describe --drive 0x80', self.text())

    def test_what_was_to_boot_once_and_did_boots_from_the_disk(self):
        self.assertEndsWith(self.script(
            boot_iso='live', ext_boot_mode='once',
            ext_boot_completed_at='2026-01-01T00:00:00Z'),
            'exit 1 || exit 0\n')

    def test_an_iso_without_a_target_says_so_on_the_console(self):
        found = self.script(boot_iso='live')
        self.assertIn('echo ISO live has no iSCSI target', found)
        self.assertEndsWith(found, 'exit 1\n')

    def test_a_target_cannot_add_commands(self):
        found = self.script({'target_iqn': 'iqn.a\nshell',
                             'portal_ip': '192.0.2.1'}, boot_iso='live')
        self.assertNotIn('shell', found)

    def test_a_sentence_cannot_add_commands(self):
        found = scripts.problem('x\nshell ${net0/mac} && chain || "')
        self.assertEqual(4, found.count('\n'))
        self.assertEqual(set(), set('${}&|"') & set(found))

    def assertEndsWith(self, text, end):
        self.assertTrue(text.endswith(end), text)


class AnswerTestCase(_TestCase):
    """Who asks for one."""

    def test_what_is_in_memory_is_not_read(self):
        self.assertIn('is not in the catalog', self.text())
        self.assertEqual(['live'], self.read)
        self.kept['live'] = test_hosts.iso('live')
        self.assertIn('#!ipxe', self.text())
        self.assertEqual(['live'], self.read)

    def test_an_iso_is_looked_at_again_when_it_is_another_one(self):
        self.kept['live'] = test_hosts.iso('live')
        before = self.text()
        self.assertEqual(before, self.text())
        self.kept['live'] = dataclasses.replace(
            self.kept['live'], status=catalog.ISCSICdromStatus('Error'))
        self.assertIn('is not ready, it is Error', self.text())
        self.kept['live'] = None
        self.assertIn('is not in the catalog', self.text())

    def test_what_an_iso_is_for_one_project_it_is_for_that_alone(self):
        self.kept['live'] = dataclasses.replace(
            test_hosts.iso('live'), spec=catalog.ISCSICdromSpec(
                project='theirs'))
        self.index.put(test_hosts.host(
            instance_info={'boot_iso': 'live'}, owner='theirs'))
        self.assertNotIn('is not in the catalog', self.text())
        self.index.put(test_hosts.host(
            instance_info={'boot_iso': 'live'}, owner='others'))
        self.assertIn('is not in the catalog', self.text())

    def test_a_mac_that_nobody_has_is_told_on_the_console(self):
        self.assertIn('no host has the MAC 52:54:00:00:00:77',
                      self.text('52:54:00:00:00:77'))

    def test_what_a_conductor_left_is_for_the_machine_itself(self):
        secret = '#!ipxe\nset password S3cret\nsanboot iscsi:x\n'
        self.index.put(test_hosts.hosts.from_node(
            test_hosts.node(instance_info={'boot_iso': 'live'}), [MAC], (),
            '192.0.2.7'))
        self.records.found[test_hosts.UUID] = host_records.Record(
            test_hosts.UUID, script=secret)
        for by, peer, is_told in (
                (identity.ADDRESS, '192.0.2.7', True),
                (identity.ADDRESS, '192.0.2.8', False),
                (identity.TOKEN, '192.0.2.7', True),
                (identity.TOKEN, '192.0.2.8', False),
                # Where a MAC is believed, it is.
                (identity.MAC, '192.0.2.8', True)):
            self.ipxe = self.make(identity.Rules(by))
            text = asyncio.run(self.ipxe.get(identity.Asked(
                mac=MAC, address=peer))).data.decode()
            self.assertEqual(is_told, text == secret, (by, peer))
            self.assertEqual(is_told, 'S3cret' in text)
            self.assertTrue(text.startswith('#!ipxe\n'))

    def test_there_has_to_be_a_mac(self):
        for mac in ('', 'nonsense'):
            self.assertRaises(errors.BadRequestError, self.text, mac)

    def test_an_iso_by_url_is_told_on_the_console(self):
        self.index.put(test_hosts.host(
            instance_info={'boot_iso': 'http://192.0.2.1/a.iso'}))
        self.assertIn('is given by URL', self.text())
