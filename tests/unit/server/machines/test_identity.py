# SPDX-License-Identifier: Apache-2.0

"""Who a machine is, and what it is given."""

import ipaddress
import os
import stat
import tempfile
import unittest.mock

import fixtures
from oslo_utils import strutils
import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.machines import identity as machines
from ironic_ext.server.machines import ipxe
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
        self.finder = machines.Finder(self.index, self.signer)
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


class SourceAddressTestCase(testtools.TestCase):
    """Where a request comes from."""

    PROXIES = [ipaddress.ip_network('10.0.0.0/8')]

    def source(self, peer, forwarded=''):
        return machines.source_address(peer, forwarded, self.PROXIES)

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
        self.assertEqual(MAC, machines.anaconda_mac(f'eth0 {MAC}'))
        self.assertEqual('', machines.anaconda_mac(MAC + 'x'))


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


class IpxeTestCase(testtools.TestCase):
    """Scripts."""

    def script(self, status=None, **info):
        iso = catalog.ISCSICdrom(catalog.Metadata('live'),
                                 status=catalog.ISCSICdromStatus(
                                     'Ready', **(status or {})))
        return ipxe.script(test_hosts.host(instance_info=info), iso, MAC)

    def test_an_iso_is_booted_from_its_target(self):
        self.assertEqual(
            '#!ipxe\n'
            'echo Booting live for server1 (52:54:00:00:00:01)\n'
            'sanboot iscsi:192.0.2.1:::1:iqn.2000-02.com.example:live\n',
            self.script({'target_iqn': 'iqn.2000-02.com.example:live',
                         'portal_ip': '192.0.2.1'}, boot_iso='live'))

    def test_port_and_lun_are_the_targets(self):
        self.assertIn(
            'sanboot iscsi:[2001:db8::1]::3261:a:iqn.2000-02.com.a:b\n',
            self.script({'target_iqn': 'iqn.2000-02.com.a:b', 'lun': 10,
                         'portal_ip': '2001:db8::1', 'portal_port': 3261},
                        boot_iso='live'))

    def test_nothing_assigned_boots_from_the_disk(self):
        self.assertEndsWith(self.script(), 'exit 1 || exit 0\n')

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
        found = ipxe.problem('x\nshell ${net0/mac} && chain || "')
        self.assertEqual(4, found.count('\n'))
        self.assertEqual(set(), set('${}&|"') & set(found))

    def assertEndsWith(self, text, end):
        self.assertTrue(text.endswith(end), text)


class KnownCatalog:
    def __init__(self, *found):
        self.found = {(item.kind, item.metadata.name): item
                      for item in found}

    def iso(self, name):
        return self.found.get(('ISCSICdrom', name))

    def config(self, name):
        return self.found.get(('BootConfig', name))


def config(name, text='text\n', template=False, version='1'):
    return catalog.BootConfig(
        catalog.Metadata(name, uid=name, resource_version=version),
        catalog.BootConfigSpec('kickstart', {'ks.cfg': text},
                               template=template))


class ConfigsTestCase(testtools.TestCase):
    """The config of a host."""

    def setUp(self):
        super().setUp()
        self.catalog = KnownCatalog(
            config('server'), config('other'),
            config('facts', 'text {{ name }} {{ mac }}\n', template=True),
            test_hosts.iso('netinst', 'server', 'facts'))
        self.configs = machines.Configs(self.catalog)

    def text(self, **info):
        found = self.configs.of(test_hosts.host(instance_info=info))
        self.assertIsInstance(found, config_formats.Config)
        return found.files[found.primary]

    def test_templates_are_filled_with_the_hosts_facts(self):
        self.assertEqual(f'text server1 {MAC}\n', self.text(
            boot_iso='netinst', boot_config='facts'))

    def test_a_config_that_changed_is_served_as_it_is_now(self):
        self.assertEqual('text\n', self.text(boot_config='server'))
        self.catalog.found['BootConfig', 'server'] = config(
            'server', 'reboot\n', version='2')
        self.assertEqual('reboot\n', self.text(boot_config='server'))

    def test_the_rules_hold_when_a_machine_asks(self):
        self.assertRaises(errors.ConflictError, self.text,
                          boot_iso='netinst', boot_config='other')

    def test_what_is_not_there_is_not_found(self):
        self.assertRaises(errors.NotFoundError, self.text)
        self.assertRaises(errors.NotFoundError, self.text,
                          boot_config='gone')
        self.assertRaises(errors.NotFoundError, self.text,
                          boot_config='no\nname')

    def test_an_inline_config_is_served(self):
        self.assertEqual('reboot\n', self.text(boot_config={
            'format': 'kickstart', 'data': {'ks.cfg': 'reboot\n'}}))

    def test_an_inline_config_that_is_none_is_a_conflict(self):
        self.assertRaises(errors.ConflictError, self.text,
                          boot_config={'format': 'kickstart'})

    def test_an_inline_config_with_holes_is_a_conflict(self):
        shown = strutils.mask_dict_password({'boot_config': {
            'format': 'kickstart', 'data': {
                'ks.cfg': 'user --name=a --password=geheim\n'}}}, '******')
        error = self.assertRaises(errors.ConflictError, self.text, **shown)
        self.assertIn('put the config into the catalog', str(error))
