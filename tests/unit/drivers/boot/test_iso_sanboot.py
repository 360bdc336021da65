# SPDX-License-Identifier: Apache-2.0

"""Tests for the boot interface iso-sanboot: a node's words to a script."""

import unittest.mock

from ironic.common import dhcp_factory
from ironic.common import exception
from ironic.common import states
from ironic.drivers.modules import ipxe

from ironic_ext import catalog
from ironic_ext.catalog import store
from ironic_ext.drivers.boot import catalog as boot_catalog
from ironic_ext.drivers.boot import sanboot_delivery as iso_sanboot_delivery
from ironic_ext.drivers import ironic_patches
from ironic_ext import host_records
from ironic_ext.media import publish
from ironic_ext import san
from tests import isos
from tests.unit.drivers import base
from tests.unit.drivers.boot import sanboot_base

DONE = {'ext_boot_mode': 'once',
        'ext_boot_completed_at': '2026-01-01T00:00:00Z'}
GIVEN = {'iqn': 'iqn.2001-04.com.example:appliance',
         'portal': '198.51.100.7:3261', 'lun': 2}


class IscsiTestCase(sanboot_base.SanbootTestCase):

    def test_the_machine_boots_its_iso_from_a_target(self):
        self.call('prepare_instance')
        self.assertEqual(
            '#!ipxe\n'
            f'echo Booting live.iso for node-7 ({sanboot_base.MAC.upper()})\n'
            f'sanboot iscsi:192.0.2.1:::1:{sanboot_base.IQN}\n',
            self.script())
        self.network_boot.assert_called_once_with(unittest.mock.ANY,
                                                  persistent=True)

    def test_the_nodes_config_is_in_what_the_target_serves(self):
        self.say(ramdisk_kernel_arguments='colour=green')
        self.call('prepare_instance')
        self.assertIn(b'colour=green', self.targets.content)

    def test_the_password_of_the_target_is_in_the_script_alone(self):
        self.targets.chap = san.Chap('user', 'S3cret')
        with self.assertLogs('ironic_ext', 'DEBUG') as logs:
            self.call('prepare_instance')
        self.assertIn('set password S3cret\n', self.script())
        self.assertNotIn('S3cret', ''.join(logs.output))
        self.assertNotIn('S3cret', str(self.node.driver_internal_info))

    def kept(self):
        """Return what the boot server has for the node's machine."""
        records = host_records.HostRecords(
            f'sqlite:///{self.folder}/catalog.sqlite')
        self.addCleanup(records.close)
        return records.of(self.node.uuid).script

    def told_apart(self, identity='address'):
        self.config(public_url='http://192.0.2.1:8093/',
                    machine_identity=identity, group='ext_server')

    def test_a_boot_server_that_tells_machines_apart_has_the_password(self):
        self.told_apart()
        self.targets.chap = san.Chap('user', 'S3cret')
        with self.assertLogs('ironic_ext', 'DEBUG') as logs:
            self.call('prepare_instance')
        self.assertEqual(
            '#!ipxe\nchain http://192.0.2.1:8093/ipxe?mac=${mac}\n',
            self.script())
        self.assertIn('set password S3cret\n', self.kept())
        self.assertNotIn('S3cret', ''.join(logs.output))
        self.call('clean_up_instance')
        self.assertEqual('', self.kept())

    def test_the_url_of_a_stream_is_a_secret_as_well(self):
        self.told_apart()
        self.say(sanboot_transport='http')
        self.call('prepare_instance')
        self.assertIn('chain http://192.0.2.1:8093/ipxe', self.script())
        self.assertIn('sanboot http://', self.kept())
        self.be(states.ACTIVE)
        self.say(**DONE)
        self.call('prepare_instance')
        self.assertIn('boots from its disk', self.script())
        self.assertEqual('', self.kept())

    def test_what_is_no_secret_stays_where_it_was(self):
        self.told_apart()
        self.call('prepare_instance')
        self.assertIn('sanboot iscsi:', self.script())
        self.assertEqual('', self.kept())

    def test_without_such_a_server_that_is_warned_of(self):
        self.targets.chap = san.Chap('user', 'S3cret')
        for identity in (None, 'mac', 'token'):
            self.told_apart(identity)
            with self.assertLogs('ironic_ext', 'WARNING') as logs:
                self.call('prepare_instance')
            self.assertIn('whoever reaches', ''.join(logs.output))
            self.assertIn('set password S3cret\n', self.script())

    def test_the_script_has_the_permissions_of_ironics(self):
        self.config(file_permission=0o640, group='pxe')
        self.call('prepare_instance')
        self.assertEqual(0o640, self.script_path.stat().st_mode & 0o777)

    def test_the_dhcp_provider_hears_what_it_does_of_ipxe(self):
        update = self.replace(dhcp_factory.DHCPFactory, 'update_dhcp')
        self.call('prepare_instance')
        (_task, options), _kwargs = update.call_args
        self.assertIn(f'{base.HTTP_URL}/boot.ipxe',
                      [option['opt_value'] for option in options])

    def test_clean_up_removes_target_and_script(self):
        self.call('prepare_instance')
        self.assertEqual({self.owner()}, self.targets.owners())
        self.call('clean_up_instance')
        self.assertNothingLeft()

    def test_a_failure_of_the_targets_is_undone_and_says_why(self):
        def fail(*args, **kwargs):
            raise san.NoSpaceError('no room in /exports')

        self.targets.export = fail
        self.assertIn('no room in /exports', self.failure(
            exception.InstanceDeployFailure, 'prepare_instance'))
        self.assertNothingLeft()
        self.network_boot.assert_not_called()

    def test_a_failure_to_set_the_boot_device_is_undone(self):
        self.network_boot.side_effect = exception.IPMIFailure(cmd='chassis')
        self.failure(exception.IPMIFailure, 'prepare_instance')
        self.assertNothingLeft()

    def test_a_script_that_cannot_be_written_is_undone(self):
        (self.folder / 'http/pxelinux.cfg').write_text('in the way')
        self.failure(exception.InstanceDeployFailure, 'prepare_instance')
        self.assertEqual({}, self.targets.held)
        self.assertIsNone(self.record())

    def test_clean_up_finds_what_a_killed_conductor_left(self):
        class Killed(BaseException):
            pass

        self.network_boot.side_effect = Killed
        self.assertRaises(Killed, self.call, 'prepare_instance')
        self.assertEqual({self.owner()}, self.targets.owners())
        self.call('clean_up_instance')
        self.assertNothingLeft()

    def test_what_cannot_be_withdrawn_stays_on_record(self):
        self.call('prepare_instance')
        self.targets.failure = san.TargetDaemonError('tgtd does not answer')
        self.assertIn('tgtd does not answer', self.failure(
            exception.InstanceDeployFailure, 'clean_up_instance'))
        self.assertFalse(self.script_path.exists())
        self.assertIsNotNone(self.record())
        self.targets.failure = None
        self.call('clean_up_instance')
        self.assertNothingLeft()

    def test_the_kernel_is_told_to_log_in_where_asked(self):
        self.say(sanboot_ibft='true')
        self.call('prepare_instance')
        self.assertIn(b'rd.iscsi.firmware=1 ip=ibft', self.targets.content)
        self.say(sanboot_ibft='initramfs-tools')
        self.call('prepare_instance')
        self.assertIn(b'iscsi_auto', self.targets.content)

    def test_a_node_without_boot_iso_boots_as_with_stock_ironic(self):
        self.node.instance_info = {}
        self.store()
        stock = self.replace(ipxe.iPXEBoot, 'prepare_instance')
        self.call('prepare_instance')
        stock.assert_called_once()
        self.assertEqual({}, self.targets.held)

    def test_a_machine_with_several_ports_says_which_one_boots(self):
        base.obj_utils.create_test_port(
            self.context, node_id=self.node.id, address='52:54:00:aa:00:02',
            uuid='2be26c0b-03f2-4d2e-ae87-c02d7f33c123')
        self.call('prepare_instance')
        self.assertIn('for node-7 (${mac})\n', self.script())

    def test_a_new_deploy_forgets_that_the_last_one_was_installed(self):
        self.say(**DONE)
        self.call('prepare_instance')
        self.assertNotIn('ext_boot_completed_at', self.node.instance_info)
        self.assertIn('sanboot', self.script())


class BootScriptTestCase(sanboot_base.SanbootTestCase):
    """What all machines of Ironic's ipxe run first."""

    def written(self):
        self.call('prepare_instance')
        return (self.folder / 'http/boot.ipxe').read_text()

    def test_a_uefi_firmware_is_left_with_an_error(self):
        ironic_patches.install()
        text = self.written()
        self.assertIn('iseq ${platform} efi && exit 1 || exit 0', text)
        self.assertIn('chain pxelinux.cfg/${mac:hexhyp}', text)

    def test_an_operators_own_script_stays(self):
        ironic_patches.install()
        own = self.folder / 'boot.ipxe'
        own.write_text('#!ipxe\nshell\n')
        self.config(ipxe_boot_script=str(own), group='pxe')
        self.assertEqual('#!ipxe\nshell', self.written().strip())


class WayTestCase(sanboot_base.SanbootTestCase):
    """By iSCSI or HTTP, from which target, at which portal."""

    def uri(self):
        self.call('validate')
        self.call('prepare_instance')
        return self.script().splitlines()[-1].removeprefix('sanboot ')

    def test_without_a_portal_it_is_http(self):
        self.config(portal=None, group='ext_san')
        self.assertTrue(self.uri().startswith(f'{base.HTTP_URL}/ext-media/'))

    def test_the_node_decides_before_the_site(self):
        self.configure_node(sanboot_transport='http')
        self.assertTrue(self.uri().startswith('http'))
        self.say(sanboot_transport='iscsi')
        self.assertTrue(self.uri().startswith('iscsi'))

    def test_another_transport_is_none(self):
        self.say(sanboot_transport='nfs')
        self.assertIn('sanboot_transport', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_the_portal_is_the_one_of_the_machines_network(self):
        self.config(portals=['198.51.100.0/24=198.51.100.1:3261'],
                    group='ext_san')
        self.node.extra = {'boot_ips': '203.0.113.4, 198.51.100.9'}
        self.store()
        self.assertIn('iscsi:198.51.100.1::3261:', self.uri())

    def test_a_machine_of_no_network_has_the_sites_portal(self):
        self.config(portals=['198.51.100.0/24=198.51.100.1'],
                    group='ext_san')
        self.assertIn('iscsi:192.0.2.1::', self.uri())

    def test_a_machine_without_a_portal_is_refused(self):
        self.config(portal=None, portals=['198.51.100.0/24=198.51.100.1'],
                    group='ext_san')
        self.assertIn('there is no iSCSI portal', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_the_node_can_have_a_portal_of_its_own(self):
        self.configure_node(sanboot_portal='[2001:db8::5]:3262')
        self.assertIn('iscsi:[2001:db8::5]::3262:', self.uri())

    def test_the_operators_target_is_used_as_it_is(self):
        self.configure_node(sanboot_target=GIVEN)
        self.assertEqual(
            'iscsi:198.51.100.7::3261:2:iqn.2001-04.com.example:appliance',
            self.uri())
        self.assertEqual('static', self.names[-1])

    def test_the_operators_target_cannot_have_the_nodes_config(self):
        self.configure_node(sanboot_target=GIVEN)
        self.say(ramdisk_kernel_arguments='a=1')
        self.assertIn('set sanboot_transport to http', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_a_site_of_given_targets_needs_one(self):
        self.config(targets='static', group='ext_san')
        self.assertIn('set driver_info/sanboot_target', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_a_password_of_the_operators_target_is_used(self):
        self.configure_node(sanboot_target={**GIVEN, 'username': 'u',
                                            'password': 'p4ss'})
        self.uri()
        self.assertIn('set password p4ss\n', self.script())

    def test_a_target_that_knows_its_machines_by_name_gets_one(self):
        name = 'iqn.2001-04.com.example:node-7'
        self.configure_node(sanboot_target={**GIVEN, 'initiator': name})
        self.uri()
        self.assertIn(f'set initiator-iqn {name}\nsanboot ', self.script())

    def test_a_target_that_makes_no_sense_is_refused(self):
        for value in ('iqn.x', {'iqn': 'iqn.a'}, {**GIVEN, 'lun': 'x'},
                      {**GIVEN, 'iqn': 'a\nb'}, {**GIVEN, 'extra': 1},
                      {**GIVEN, 'portal': 'a b'}, {**GIVEN, 'lun': -1},
                      {**GIVEN, 'initiator': 'iqn.a\nshell'}):
            self.configure_node(sanboot_target=value)
            self.failure(exception.InvalidParameterValue, 'validate')

    def test_the_catalogs_target_serves_what_is_not_changed(self):
        name = self.in_catalog()
        self.say(boot_iso=name)
        self.assertIn('iscsi:203.0.113.1:::1:iqn.2001-04.com.example:live',
                      self.uri())
        self.assertIn('echo Booting live for', self.script())
        self.say(ramdisk_kernel_arguments='a=1')
        self.assertIn('iscsi:192.0.2.1:', self.uri())

    def in_catalog(self):
        iso = catalog.ISCSICdrom(
            catalog.Metadata('live'),
            spec=catalog.ISCSICdromSpec(url=self.href),
            status=catalog.ISCSICdromStatus(
                'Ready', target_iqn='iqn.2001-04.com.example:live',
                portal_ip='203.0.113.1'))
        opened = unittest.mock.Mock(catalog=unittest.mock.Mock(
            spec=store.Catalog, find=lambda kind, name: iso))
        self.replace(boot_catalog, '_opened', lambda: opened)
        return 'live'

    def test_without_ibft_there_is_nothing_to_log_in_to(self):
        self.say(sanboot_ibft=True, sanboot_transport='http')
        self.assertIn('no iBFT', self.failure(
            exception.InvalidParameterValue, 'validate'))
        for value in ('windows', ['dracut'], {'a': 1}):
            self.say(sanboot_ibft=value, sanboot_transport='iscsi')
            self.assertIn('dracut, initramfs-tools', self.failure(
                exception.InvalidParameterValue, 'validate'))

    def test_a_config_that_the_system_would_not_see_is_refused(self):
        self.base.write_bytes(isos.shared('isolinux_bios').read_bytes())
        said = {'boot_config': {'format': 'kickstart',
                                'data': {'ks.cfg': 'text\n'}},
                'boot_config_forced': False}
        for transport, remedies in (('http', 0), ('iscsi', 1)):
            self.say(sanboot_transport=transport, **said)
            for exc, method in (
                    (exception.InvalidParameterValue, 'validate'),
                    (exception.InstanceDeployFailure, 'prepare_instance')):
                failure = self.failure(exc, method)
                self.assertIn('the boot config is a file in the ISO', failure)
                self.assertIn('boot_config_delivery to "url"', failure)
                self.assertEqual(remedies, failure.count('sanboot_ibft'))
        self.say(sanboot_ibft=True)
        self.call('prepare_instance')
        self.say(sanboot_ibft=None, boot_config_forced=True)
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.call('prepare_instance')
        self.assertIn('the files and the config drive in the ISO are not '
                      'seen', ''.join(logs.output))

    def test_targets_that_cannot_be_made_are_told_before(self):
        self.targets.failure = san.TargetDaemonError('tgtd does not run')
        self.assertIn('tgtd does not run', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_what_is_no_iso_is_told_before(self):
        self.base.write_bytes(b'x' * 40000)
        self.assertIn('not an ISO 9660', self.failure(
            exception.InvalidParameterValue, 'validate'))

    def test_a_machine_without_ports_is_refused(self):
        self.replace(iso_sanboot_delivery, 'require')
        with self.task() as task:
            for port in task.ports:
                port.destroy()
        self.failure(exception.MissingParameterValue, 'validate')


class HttpTestCase(sanboot_base.SanbootTestCase):

    def setUp(self):
        super().setUp()
        self.say(sanboot_transport='http')

    def test_the_machine_boots_a_file_that_clean_up_removes(self):
        self.call('prepare_instance')
        (path,) = self.published()
        self.assertIn(f'\nsanboot {base.HTTP_URL}/ext-media/{path.name}\n',
                      self.script())
        self.call('clean_up_instance')
        self.assertNothingLeft()

    def test_the_url_is_in_the_script_alone(self):
        with self.assertLogs('ironic_ext', 'DEBUG') as logs:
            self.call('prepare_instance')
        secret = self.published()[0].name.partition('-')[2]
        self.assertNotIn(secret, ''.join(logs.output))
        self.assertNotIn(secret, str(self.node.driver_internal_info))

    def test_a_failed_publication_is_undone_and_says_why(self):
        self.replace(publish.MediaStore, 'publish',
                     unittest.mock.Mock(side_effect=OSError(28, 'full')))
        self.assertIn('full', self.failure(exception.InstanceDeployFailure,
                                           'prepare_instance'))
        self.assertNothingLeft()

    def test_a_second_try_replaces_what_the_first_left(self):
        self.call('prepare_instance')
        first = self.published()
        self.call('prepare_instance')
        (path,) = self.published()
        self.assertNotEqual(first, [path])
        self.assertIn(path.name, self.script())

    def test_a_node_that_changed_to_iscsi_leaves_no_file(self):
        self.call('prepare_instance')
        self.say(sanboot_transport='iscsi')
        self.call('prepare_instance')
        self.assertEqual([], self.published())
        self.assertEqual({self.owner()}, self.targets.owners())


class IpmiTestCase(sanboot_base.SanbootTestCase):

    driver = 'ipmi-ext'

    def setUp(self):
        super().setUp()
        self.node.power_interface = 'ipmitool'
        self.node.management_interface = 'ipmitool'
        self.configure_node(ipmi_address='192.0.2.9', ipmi_username='u',
                            ipmi_password='p')

    def test_an_ipmi_machine_boots_its_iso(self):
        self.call('validate')
        self.call('prepare_instance')
        self.assertIn('sanboot', self.script())
