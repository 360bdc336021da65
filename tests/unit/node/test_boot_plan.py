# SPDX-License-Identifier: Apache-2.0

"""Tests for turning a node's words into a BootPlan."""

import dataclasses
import types
import unittest
import unittest.mock

from ironic_python_agent import utils
import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.node import boot_files
from ironic_ext.node import boot_plan
from ironic_ext.node import errors
from tests import isos
from tests import shelves
from tests.unit.catalog import database

LIMITS = boot_files.Limits(file=100, total=150, configdrive=4096)
HREF = 'http://192.0.2.1/live.iso'
SHA256 = 'ab' * 32


def node(driver_info=None, **instance_info):
    return types.SimpleNamespace(
        uuid='1be26c0b-03f2-4d2e-ae87-c02d7f33c781', name='n',
        instance_info=instance_info, driver_info=driver_info or {})


class InstanceTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.remote = {}
        self.isos = {}
        self.configs = {}
        self.delivery = 'auto'
        self.base_url = None

    def plan(self, default=None, **info):
        return boot_plan.for_instance(
            node(**{'boot_iso': HREF, **info}), limits=LIMITS,
            shelf=shelves.MemoryShelf(self.read), default_arguments=default,
            sources=boot_plan.Sources(
                self.isos.get, self.configs.get, '/var/lib/isos',
                self.delivery, self.base_url),
            facts={'name': 'server1'})

    def read(self, href, limit):
        if href not in self.remote:
            raise images.ImageError('the image server answered 404')
        return self.remote[href]

    def files(self, value):
        return dict(self.plan(boot_iso_files=value).injection.files)

    def refusal(self, **info):
        def plan():
            self.plan(**info)

        return str(self.assertRaises(errors.PlanError, plan))

    def test_the_plan_has_the_image_and_its_checksum(self):
        plan = self.plan(boot_iso_checksum=f'SHA256:{SHA256.upper()}')
        self.assertEqual(HREF, plan.href)
        self.assertEqual(f'sha256:{SHA256}', plan.checksum)

    def test_a_checksum_files_url_is_kept_for_the_fetch(self):
        self.assertEqual('http://x/SUMS',
                         self.plan(boot_iso_checksum='http://x/SUMS').checksum)

    def test_without_words_nothing_is_injected(self):
        self.assertTrue(self.plan().attended().injection.empty)

    def test_both_kinds_of_arguments_are_appended(self):
        plan = self.plan(kernel_append_params='a=1',
                         ramdisk_kernel_arguments='b c="d e"')
        self.assertEqual('a=1 b c="d e"', plan.injection.append_args)

    def test_the_configured_arguments_come_in_where_they_are_wanted(self):
        self.assertEqual('', self.plan(default='nofb').injection.append_args)
        self.assertEqual('nofb a', self.plan(
            default='nofb', kernel_append_params='%default% a'
        ).injection.append_args)

    def test_arguments_that_are_no_text_are_refused(self):
        self.assertIn('kernel_append_params',
                      self.refusal(kernel_append_params=['a']))

    def test_files_are_text_bytes_or_hrefs(self):
        self.remote['http://x/f'] = b'far'
        self.assertEqual(
            {'/a': b't', '/b/c': b'\0', '/d': b'far', '/e': b'far',
             '/f': b'http://x/f', '/g': b'see http://x/f'},
            self.files({'a': 't', '/b/c': {'content': 'AA==',
                                           'encoding': 'base64'},
                        'd': 'http://x/f', 'e': {'href': 'http://x/f'},
                        'f': {'content': 'http://x/f'},
                        'g': 'see http://x/f'}))

    def test_a_config_that_the_system_does_not_read_is_refused(self):
        config = {'format': 'kickstart', 'data': {'ks.cfg': 'text\n'}}
        with iso.IsoImage.open(isos.shared('ubuntu_like')) as image:
            for said in ({}, {'boot_config_forced': False},
                         {'boot_config_forced': 'false'}):
                plan = InstanceTestCase.plan(self, boot_config=config, **said)
                error = self.assertRaises(config_formats.ConfigError,
                                          plan.with_config_in, image)
                self.assertIn('ISO of Ubuntu (/casper)', str(error))
                self.assertIn('set instance_info/boot_config_forced',
                              str(error))
            for said in (True, 'true', 'True'):
                plan, notes = InstanceTestCase.plan(
                    self, boot_config=config, boot_config_forced=said
                ).with_config_in(image)
                # It is said all the same.
                self.assertIn('ISO of Ubuntu (/casper)', notes[0])
                self.assertIn('/ks.cfg', plan.injection.files)

    def test_forcing_a_config_is_true_or_false(self):
        for said in ('yes', 1, None, []):
            self.assertIn('boot_config_forced must be true or false',
                          self.refusal(boot_config_forced=said))

    def test_a_file_may_have_a_mode(self):
        injection = self.plan(boot_iso_files={
            'run.sh': {'content': '#!/bin/sh', 'mode': '0755'},
            'key': {'content': 'eA==', 'encoding': 'base64', 'mode': '400'},
            'plain': {'content': 'x'}, 'text': 'x'}).injection
        self.assertEqual({'/run.sh': 0o755, '/key': 0o400},
                         dict(injection.modes))
        self.assertEqual(b'x', injection.files['/key'])
        for mode in (755, '4755', '0o755', '', 'rwx', None, [7]):
            self.assertIn('write it like "0755"', self.refusal(
                boot_iso_files={'a': {'content': 'x', 'mode': mode}}))
        self.refusal(boot_iso_files={'a': {'mode': '0755'}})

    def test_a_file_that_cannot_be_had_is_told(self):
        self.assertIn('404', self.refusal(boot_iso_files={
            'a': 'http://x/none'}))

    def test_files_have_a_limit_each_and_together(self):
        self.assertIn('max_file_size', self.refusal(
            boot_iso_files={'a': 'x' * 101}))
        self.assertIn('max_total_size', self.refusal(
            boot_iso_files={'a': 'x' * 100, 'b': 'x' * 51}))
        self.files({'a': 'x' * 100, 'b': 'x' * 50})

    def test_there_are_not_too_many_files(self):
        self.assertIn('1001 files', self.refusal(
            boot_iso_files={f'f{n}': '' for n in range(1001)}))

    def test_the_config_drive_counts_too(self):
        self.assertIn('max_total_size', self.refusal(
            boot_iso_files={'a': 'x' * 100}, configdrive={'user_data': 'x'}))

    def test_a_file_of_the_config_drive_is_not_given_twice(self):
        self.assertIn('/openstack/latest/user_data', self.refusal(
            boot_iso_files={'openstack/latest/user_data': 'x'},
            configdrive={'user_data': 'y'}))

    def test_text_that_cannot_be_encoded_is_refused(self):
        self.refusal(boot_iso_files={'a': '\ud800'})
        self.refusal(boot_iso_files={'\ud800': 'a'})

    def test_an_image_that_is_no_text_is_refused(self):
        for href in (None, '', 5, ['x']):
            self.assertIn('boot_iso', self.refusal(boot_iso=href))

    def test_what_is_injected_does_not_show_in_a_repr(self):
        self.assertNotIn('hunter2', repr(self.plan(
            boot_iso_files={'a': 'hunter2'})))


class UnattendedTestCase(InstanceTestCase):

    KICKSTART = {'format': 'kickstart', 'data': {'ks.cfg': 'reboot\n'}}
    IGNITION = {'format': 'ignition', 'data': {
        'config.ign': '{"ignition": {"version": "3.4.0"}}'}}

    def menu(self, **info):
        plan = self.plan(**info)
        return (plan.injection.timeout, plan.injection.default,
                plan.wishes_unattended)

    def test_only_what_installs_once_starts_by_itself_unasked(self):
        self.assertEqual((5, '', True),
                         self.menu(boot_config=self.KICKSTART))
        for info in ({}, {'boot_config': self.IGNITION},
                     {'boot_config': self.KICKSTART,
                      'ext_boot_mode': 'forever'},
                     {'boot_config': self.KICKSTART,
                      'boot_unattended': False},
                     {'boot_config': self.KICKSTART,
                      'boot_unattended': 'False'}):
            self.assertEqual((None, '', False), self.menu(**info), info)

    def test_each_installer_starts_by_itself_and_no_live_system_does(self):
        for name, data, unattended in (
                ('kickstart', 'reboot\n', True),
                ('autoinstall', {'user-data': '#cloud-config\nautoinstall: '
                                              '{version: 1}\n'}, True),
                ('preseed', 'd-i a/b string c\n', True),
                ('autoyast', '<profile/>', True),
                ('esxi', 'vmaccepteula\ninstall --firstdisk\n', True),
                ('ignition', database.IGNITION, False),
                ('cloud-init', {'user-data': '#cloud-config\n{}\n'}, False),
                ('plain', 'x', False)):
            config = {'format': name, 'data': data if isinstance(data, dict)
                      else {'file': data}}
            self.assertEqual((5 if unattended else None, '', unattended),
                             self.menu(boot_config=config), name)

    def test_a_node_can_ask_for_it(self):
        self.assertEqual((5, '', False), self.menu(boot_unattended=True))
        self.assertEqual((5, '', False), self.menu(boot_unattended='true'))
        self.assertEqual((5, 'Install', False),
                         self.menu(boot_unattended='Install'))
        self.assertEqual((5, 'Install', False), self.menu(
            boot_config=self.KICKSTART, boot_unattended='Install'))

    def test_nothing_installs_itself_at_every_start(self):
        for value in (True, 'Install'):
            text = self.refusal(boot_config=self.KICKSTART,
                                ext_boot_mode='forever',
                                boot_unattended=value)
            self.assertIn('install itself anew at every start', text)

    def test_what_is_neither_is_refused(self):
        for value in (1, [], '', 'x' * 300, {'a': 1}):
            self.assertIn('boot_unattended must be true, false, or',
                          self.refusal(boot_unattended=value))
        self.assertIn('control', self.refusal(boot_unattended='a\nb'))


class CatalogTestCase(InstanceTestCase):

    def add(self, phase='Ready', **spec):
        self.isos['coreos-live'] = dataclasses.replace(
            database.iso(boot_configs=('coreos-builder',), **spec),
            status=catalog.ISCSICdromStatus(
                phase=phase, digest=f'sha256:{SHA256}'))
        self.configs['coreos-builder'] = database.config()

    def refusal(self, **info):
        return str(self.assertRaises(errors.PlanError,
                                     self.plan, **info))

    def test_an_iso_is_booted_by_its_name(self):
        self.add(iso_file='core_os.iso')
        plan = self.plan(boot_iso='coreos-live')
        self.assertEqual('file:///var/lib/isos/core_os.iso', plan.href)
        self.assertEqual(f'sha256:{SHA256}', plan.checksum)

    def test_an_iso_by_url_is_the_one_that_was_looked_at(self):
        self.add(iso_file='', url='https://example.com/live.iso')
        plan = self.plan(boot_iso='coreos-live')
        self.assertEqual('https://example.com/live.iso', plan.href)
        self.assertEqual(f'sha256:{SHA256}', plan.checksum)

    def test_the_catalogs_images_are_not_fetched_as_the_nodes_owner(self):
        self.add()
        self.assertFalse(self.plan(boot_iso='coreos-live').user_access)
        self.assertTrue(self.plan().user_access)

    def test_an_unknown_name_is_refused(self):
        self.assertIn('no ISO "coreos-live" in the catalog',
                      self.refusal(boot_iso='coreos-live'))

    def test_a_uuid_is_an_image_in_glance(self):
        href = '7c1a4f52-1f0c-4a44-b1a5-0f8fa5f2f7a3'
        self.assertEqual(href, self.plan(boot_iso=href).href)

    def test_an_iso_that_is_not_ready_is_refused(self):
        self.add(phase='Uploading')
        self.assertIn('is not ready: it is Uploading',
                      self.refusal(boot_iso='coreos-live'))

    def test_a_config_that_fits_is_planned(self):
        self.add()
        plan = self.plan(boot_iso='coreos-live',
                         boot_config='coreos-builder')
        self.assertEqual({'config.ign': database.IGNITION},
                         dict(plan.config.files))

    def test_a_config_that_does_not_fit_is_refused(self):
        self.add()
        self.configs['fedora-server'] = database.config('fedora-server')
        self.assertIn('does not fit ISO "coreos-live"', self.refusal(
            boot_iso='coreos-live', boot_config='fedora-server'))

    def test_an_inline_config_goes_with_any_url(self):
        plan = self.plan(boot_config={
            'format': 'kickstart', 'template': True,
            'data': {'ks.cfg': 'network --hostname {{ name }}\n'}})
        self.assertEqual('network --hostname server1\n',
                         plan.config.files['ks.cfg'])

    def test_a_config_that_does_not_parse_is_refused_with_its_line(self):
        self.assertIn('line 2', self.refusal(boot_config={
            'format': 'ignition', 'data': {'config.ign': '{\n  oops'}}))


class DeliveryTestCase(InstanceTestCase):

    def setUp(self):
        super().setUp()
        self.base_url = 'http://192.0.2.1:8093/t/{}/'.format

    def plan(self, default=None, config='network --bootproto dhcp', **info):
        return super().plan(default, boot_config={
            'format': 'kickstart', 'data': {'ks.cfg': config}}, **info)

    def test_the_node_says_how_its_config_reaches_it(self):
        self.assertEqual('auto', self.plan().delivery.way)
        delivery = self.plan(boot_config_delivery='url').delivery
        self.assertEqual('url', delivery.way)
        self.assertEqual(
            f'http://192.0.2.1:8093/t/{node().uuid}/', delivery.base_url())

    def test_the_operator_says_it_for_a_node_that_does_not(self):
        plan = boot_plan.for_instance(
            node({'boot_config_delivery': 'inject'}, boot_iso=HREF),
            limits=LIMITS, shelf=shelves.MemoryShelf(self.read),
            default_arguments=None,
            sources=boot_plan.Sources(
                self.isos.get, self.configs.get, '/', 'auto', self.base_url),
            facts={})
        self.assertEqual('inject', plan.delivery.way)

    def test_a_way_that_nobody_knows_is_refused(self):
        self.assertIn('one of inject, url, auto',
                      self.refusal(boot_config_delivery='post'))

    def test_what_has_no_url_is_refused_before_the_image_is_there(self):
        self.base_url = None
        self.assertIn('public_url', self.refusal(boot_config_delivery='url'))

    def test_an_inline_config_that_the_api_hides_in_part_has_no_url(self):
        message = self.refusal(boot_config_delivery='url',
                               config='# x\nrootpw --password=geheim\n')
        self.assertIn('put the config into the catalog', message)
        self.assertNotIn('geheim', message)


class AgentTestCase(testtools.TestCase):

    def plan(self, params=None, driver_info=None, **options):
        return boot_plan.for_agent(
            node(driver_info), 'deploy_iso', HREF, params or {},
            **{'append_params': None, 'network_data': None, 'ca': None,
               **options})

    def test_parameters_become_kernel_arguments(self):
        self.assertEqual('a=1 b c="x y" nofb', self.plan(
            {'a': '1', 'b': None, 'c': 'x y'},
            append_params='nofb').injection.append_args)

    def test_a_parameter_that_would_break_out_is_refused(self):
        for value in ('x\ninit=/bin/sh', 'x" init="/bin/sh y'):
            self.assertRaises(errors.PlanError,
                              self.plan, {'a': value})

    def test_files_are_where_the_agent_looks_whatever_the_label(self):
        injection = self.plan(network_data={'links': []},
                              ca=b'C').injection
        self.assertEqual(
            {'/etc/ironic-python-agent/ironic.crt',
             '/etc/ironic-python-agent.d/ironic-tls.conf',
             '/openstack/latest/network_data.json'}, set(injection.files))
        self.assertEqual(
            {'/etc/ironic-python-agent/ironic.crt',
             '/etc/ironic-python-agent.d/ironic-tls.conf',
             '/mnt/config/openstack/latest/network_data.json'},
            set(injection.initrd_files))
        self.assertEqual({}, dict(self.plan(
            ca=b'C').without_initrd_files().injection.initrd_files))

    def test_the_labels_are_those_of_ipa(self):
        for label in ('config-2', 'CONFIG-2', 'VMEDIA_BOOT_ISO'):
            self.assertTrue(boot_plan.agent_finds_files(label))
        self.assertFalse(boot_plan.agent_finds_files('Fedora-Live'))

    def test_the_labels_are_those_the_agent_itself_looks_for(self):
        with unittest.mock.patch.object(
                utils, '_find_vmedia_device_by_labels') as find:
            find.return_value = None
            utils.copy_config_from_vmedia()
        find.assert_called_once_with(list(boot_plan.AGENT_LABELS))

    def test_the_isos_checksum_is_in_driver_info(self):
        self.assertEqual(f'sha256:{SHA256}', self.plan(driver_info={
            'deploy_iso_checksum': SHA256}).checksum)
        error = self.assertRaises(
            errors.PlanError, self.plan,
            driver_info={'deploy_iso_checksum': 'x'})
        self.assertIn('driver_info/deploy_iso_checksum', str(error))
