# SPDX-License-Identifier: Apache-2.0

"""Nodes as hosts, and changes of hosts as changes of nodes."""

import json

import testtools

from ironic_ext import catalog
from ironic_ext.node import host as hosts
from ironic_ext.server import errors
from ironic_ext.server.rest import host_changes

UUID = '6f1b2a30-0000-4000-8000-000000000001'


def node(**given):
    return {'uuid': UUID, 'name': 'server1', 'driver': 'redfish-ext',
            'power_state': 'power off', 'provision_state': 'active',
            'instance_info': {}, 'extra': {}, 'properties': {}, **given}


def host(macs=('52:54:00:00:00:01',), **given):
    return hosts.from_node(node(**given), macs)


def iso(name, *configs, phase='Ready', system=''):
    return catalog.ISCSICdrom(
        catalog.Metadata(name), catalog.ISCSICdromSpec(
            iso_file=name + '.iso', boot_configs=configs),
        catalog.ISCSICdromStatus(phase, system=system))


ISOS = {item.metadata.name: item for item in (
    iso('live', 'builder', 'target'), iso('netinst', 'server'),
    iso('tools'), iso('coming', phase='Uploading'),
    iso('jammy', 'answers', 'server', system='Ubuntu'))}
CONFIGS = {name: catalog.BootConfig(
    catalog.Metadata(name), catalog.BootConfigSpec(kind))
    for name, kind in (('builder', 'plain'), ('target', 'plain'),
                       ('server', 'plain'), ('answers', 'kickstart'))}


class Catalog:
    """Everything that hosts may refer to."""

    iso = staticmethod(ISOS.get)
    config = staticmethod(CONFIGS.get)


def changes(of, **spec):
    wanted, patch = host_changes.patched(of, {'spec': spec})
    return host_changes.planned(of, wanted, patch, lookup=Catalog())


class HostTestCase(testtools.TestCase):
    """What is read of a node."""

    def test_addresses_have_one_form_whoever_wrote_them(self):
        found = hosts.from_node(node(
            extra={'boot_ips': '::ffff:192.0.2.7, 192.0.2.8/24 nonsense'},
            network_data={'networks': [{'ip_address': '2001:DB8::0:9'}]}),
            ['52-54-00-00-00-0A', 'junk'], ['192.0.2.8', '127.0.0.1'])
        self.assertEqual(('192.0.2.7', '192.0.2.8', '2001:db8::9'),
                         found.ips)
        self.assertEqual(('52:54:00:00:00:0a',), found.macs)

    def test_link_local_addresses_name_no_machine(self):
        self.assertEqual('', hosts.address('fe80::1%eth0'))

    def test_nothing_assigned_is_a_boot_from_the_disk(self):
        shown = hosts.document(host(), 'x.1')
        self.assertEqual({'image': 'localboot', 'bootMode': 'forever'},
                         shown['spec'])

    def test_credentials_of_a_bmc_are_nowhere(self):
        found = host(driver_info={'redfish_password': 'secret'})
        self.assertNotIn('secret', repr(found))
        self.assertNotIn('secret', json.dumps(hosts.document(found, '')))

    def test_credentials_in_an_href_are_not_shown(self):
        shown = hosts.spec(host(instance_info={
            'boot_iso': 'https://me:secret@example.com/a.iso?key=secret'}))
        self.assertEqual('https://example.com/a.iso', shown['image'])

    def test_a_name_that_is_none_gives_way_to_the_uuid(self):
        self.assertEqual(UUID, host(name='a~b').name)

    def test_what_an_owner_wrote_may_be_anything(self):
        for value in (None, 5, [], 'text', {'boot_iso': 5}, [None]):
            with self.subTest(value=value):
                found = host(instance_info=value, extra=value,
                             network_data=value, properties=value)
                self.assertEqual('default', found.namespace)

    def test_the_firmware_is_what_is_told_or_else_what_ironic_saw(self):
        for fields, found in (
                ({}, None), ({'boot_mode': 'uefi'}, 'uefi'),
                ({'boot_mode': 'uefi', 'properties': {
                    'capabilities': 'a:b,boot_mode:bios'}}, 'bios'),
                ({'properties': {'capabilities': {'boot_mode': 'uefi'}}},
                 'uefi'),
                ({'properties': {'capabilities': 'boot_mode:<b>'}}, None),
                ({'properties': {'capabilities': ['boot_mode']}}, None)):
            self.assertEqual(found, hosts.document(host(**fields), '')[
                'status'].get('firmware'), fields)

    def test_what_an_inspection_found_is_read(self):
        self.assertEqual(('192.0.2.1',), hosts.inventory_ips(
            {'inventory': {'interfaces': [
                {'ipv4_address': '192.0.2.1', 'ipv6_address': 'fe80::1'},
                None]}}))


class ChangeTestCase(testtools.TestCase):
    """What a PATCH does to instance_info."""

    def test_an_iso_and_its_config_are_set_together(self):
        self.assertEqual(
            {'boot_iso': 'live', 'boot_config': 'builder'},
            changes(host(), image='live', bootConfigRef='builder'))

    def test_nothing_changes_where_all_is_as_wanted(self):
        self.assertEqual({}, changes(
            host(instance_info={'boot_iso': 'live'}), image='live'))

    def test_a_config_must_be_one_that_the_iso_lists(self):
        error = self.assertRaises(
            catalog.InvalidError, changes, host(), image='live',
            bootConfigRef='server')
        self.assertIn('does not fit ISO "live": it lists builder, target',
                      str(error))

    def test_a_config_must_be_one_that_the_system_reads(self):
        wanted = {'image': 'jammy', 'bootConfigRef': 'answers'}
        error = self.assertRaises(catalog.InvalidError, changes, host(),
                                  **wanted)
        self.assertIn('"answers" does not fit ISO "jammy": this looks like '
                      'an ISO of Ubuntu, which reads no kickstart config',
                      str(error))
        self.assertIn('set instance_info/boot_config_forced', str(error))
        self.assertEqual(2, len(changes(
            host(instance_info={'boot_config_forced': True}), **wanted)))
        self.assertEqual(2, len(changes(
            host(), **{**wanted, 'bootConfigRef': 'server'})))

    def test_an_iso_without_configs_takes_none(self):
        self.assertRaises(catalog.InvalidError, changes, host(),
                          image='tools', bootConfigRef='builder')

    def test_a_config_must_exist(self):
        self.assertRaises(catalog.InvalidError, changes, host(),
                          bootConfigRef='missing')

    def test_an_iso_must_exist(self):
        error = self.assertRaises(catalog.InvalidError, changes, host(),
                                  image='missing')
        self.assertIn('add it there first', str(error))

    def test_an_iso_that_is_not_ready_is_refused(self):
        self.assertRaises(catalog.ConflictError, changes, host(),
                          image='coming')

    def test_another_iso_does_not_leave_a_config_that_does_not_fit(self):
        assigned = host(instance_info={'boot_iso': 'live',
                                       'boot_config': 'builder'})
        error = self.assertRaises(errors.ConflictError, changes, assigned,
                                  image='netinst')
        # In the words of the API, and in those of the commands.
        for word in ('"bootConfigRef": null', '--no-config'):
            self.assertIn(word, str(error))
        self.assertEqual(
            {'boot_iso': 'netinst', 'boot_config': None},
            changes(assigned, image='netinst', bootConfigRef=None))

    def test_a_local_boot_keeps_any_config_that_exists(self):
        assigned = host(instance_info={'boot_iso': 'live',
                                       'boot_config': 'builder'})
        self.assertEqual({'boot_iso': None, 'boot_config': 'server'},
                         changes(assigned, image='localboot',
                                 bootConfigRef='server'))

    def test_null_clears(self):
        assigned = host(instance_info={'boot_iso': 'live'})
        self.assertEqual({'boot_iso': None}, changes(assigned, image=None))

    def test_null_clears_an_inline_config(self):
        assigned = host(instance_info={'boot_config': {'format': 'plain'}})
        self.assertEqual({'boot_config': None},
                         changes(assigned, bootConfigRef=None))
        self.assertEqual({}, changes(assigned, image='localboot'))

    def test_a_new_assignment_was_not_booted_yet(self):
        done = host(instance_info={
            'boot_iso': 'live', 'ext_boot_mode': 'once',
            'ext_boot_completed_at': '2026-01-01T00:00:00Z'})
        self.assertTrue(done.boots_locally)
        self.assertEqual(
            {'boot_iso': 'tools', 'ext_boot_completed_at': None},
            changes(done, image='tools'))

    def test_an_href_that_is_there_may_stay(self):
        self.assertEqual({'boot_config': 'server'}, changes(
            host(instance_info={'boot_iso': 'http://example.com/a.iso?k=v'}),
            bootConfigRef='server'))

    def test_what_is_ironics_cannot_be_changed(self):
        for patch in ({'metadata': {'name': 'other'}}, {'kind': 'Node'},
                      {'metadata': {'labels': {'a': 'b'}}}, [], 'text',
                      {'spec': 5}, {'sepc': {}},
                      {'spec': {'imgae': 'live'}}, {'spec': {'image': 5}},
                      {'spec': {'bootMode': 'never'}},
                      {'spec': {'bootConfigRef': 'a\nb'}}):
            with self.subTest(patch=patch):
                def plan(patch=patch):
                    wanted, own = host_changes.patched(host(), patch)
                    host_changes.planned(host(), wanted, own,
                                         lookup=Catalog())
                self.assertRaises(catalog.InvalidError, plan)
