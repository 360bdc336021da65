# SPDX-License-Identifier: Apache-2.0

"""What a node's config must arrive by: the firmware that its machine has."""

import shutil

import fixtures
from ironic.common import exception

from ironic_ext.drivers.boot import firmware
from tests import iso_cases
from tests.unit.drivers import base
from tests.unit.drivers.boot import sanboot_base


class FirmwareTestCase(base.DriverTestCase):
    """What is known of a node."""

    def of(self, capabilities='', boot_mode=None, arch='x86_64',
           internal=None):
        self.node.properties = {'capabilities': capabilities,
                                'cpu_arch': arch}
        self.node.boot_mode = boot_mode
        self.node.driver_internal_info = {'deploy_boot_mode': internal}
        return firmware.of(self.node)

    def test_capabilities_decide_as_in_ironic(self):
        self.assertEqual('bios', self.of('boot_mode:bios'))
        self.assertEqual('uefi-x64', self.of('a:b,boot_mode:uefi'))
        self.assertEqual('bios', self.of('boot_mode:bios', boot_mode='uefi'))

    def test_an_instance_may_say_it(self):
        self.node.properties = {}
        self.node.instance_info = {'capabilities': {'boot_mode': 'bios'}}
        self.assertEqual('bios', firmware.of(self.node))
        self.node.instance_info = {'capabilities': '{"secure_boot": "true"}'}
        self.assertEqual('uefi', firmware.of(self.node))

    def test_else_what_the_bmc_has_told(self):
        self.assertEqual('bios', self.of(boot_mode='bios'))
        self.assertEqual('uefi-x64', self.of(boot_mode='uefi'))

    def test_ironic_sets_a_machine_to_what_it_decided(self):
        self.assertEqual('uefi-x64', self.of(boot_mode='bios',
                                             internal='uefi'))

    def test_what_ironic_assumed_is_not_known(self):
        self.assertEqual('', self.of(internal='uefi'))
        self.assertEqual('', self.of())

    def test_the_processor_names_the_loader(self):
        for arch, found in (('aarch64', 'uefi-aa64'), ('X86_64', 'uefi-x64'),
                            ('i386', 'uefi'), (None, 'uefi')):
            self.assertEqual(found, self.of('boot_mode:uefi', arch=arch))

    def test_contradictions_are_refused(self):
        self.node.properties = {'capabilities': 'boot_mode:bios'}
        for mode in ('uefi', 'coreboot', 7):
            self.node.instance_info = {'capabilities': {'boot_mode': mode}}
            self.assertRaises(exception.InvalidParameterValue, firmware.of,
                              self.node)


class _ModeTestCase:
    """A node whose machine boots by one firmware, or by who knows which."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        self.say(boot_iso=self.href)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.isos['unified_kernel'] = iso_cases.shared('unified_kernel')

    def has(self, mode):
        self.node.properties = {
            'cpu_arch': 'x86_64',
            **({'capabilities': f'boot_mode:{mode}'} if mode else {})}
        self.store()

    def boots(self, name):
        shutil.copyfile(self.isos[name], self.base)


class DeployTestCase(_ModeTestCase, base.RedfishIsoTestCase):

    kind = 'isolinux_bios'

    def assertRefused(self, *words):
        message = self.failure(exception.InvalidParameterValue, 'validate')
        for word in (*words, self.href):
            self.assertIn(word, message)
        self.assertIn(words[0], self.failure(
            exception.InstanceDeployFailure, 'prepare_instance'))
        self.assertClean()

    def deployed(self):
        self.call('validate')
        self.call('prepare_instance')
        return self.medium()

    def test_arguments_for_another_firmware_are_refused(self):
        self.has('uefi')
        self.say(kernel_append_params='a=1')
        self.assertRefused('does not boot by uefi-x64 from cd',
                           'it boots by bios from cd')

    def test_files_for_another_firmware_are_refused(self):
        self.has('uefi')
        self.say(boot_iso_files={'/a': 'b'})
        self.assertRefused('does not boot by uefi-x64 from cd')

    def test_arguments_for_its_firmware_arrive(self):
        self.has('bios')
        self.say(kernel_append_params='a=1')
        for line in self.arguments(self.deployed()):
            self.assertIn('a=1', line)
        self.assertNotIn('not known', self.log.output)

    def test_an_unknown_firmware_is_warned_of(self):
        self.has(None)
        self.say(kernel_append_params='a=1')
        for line in self.arguments(self.deployed()):
            self.assertIn('a=1', line)
        self.assertIn('not known whether the machine boots by BIOS or by '
                      'UEFI', self.log.output)
        self.assertIn('arrives on bios from cd alone', self.log.output)

    def test_what_ironic_assumes_is_no_reason_to_refuse(self):
        self.has(None)
        self.node.driver_internal_info = {'deploy_boot_mode': 'uefi'}
        self.say(kernel_append_params='a=1')
        self.deployed()

    def test_an_iso_as_it_is_is_warned_of_alone(self):
        self.has('uefi')
        self.deployed()
        self.assertEqual(self.base.read_bytes(),
                         self.published()[0].read_bytes())
        self.assertIn('does not boot by uefi-x64 from cd', self.log.output)

    def test_an_iso_as_it_is_needs_no_words_where_it_boots(self):
        self.has('bios')
        self.deployed()
        self.assertNotIn('does not boot', self.log.output)

    def test_a_loader_that_takes_no_arguments_is_refused(self):
        self.boots('unified_kernel')
        self.has('uefi')
        self.say(kernel_append_params='a=1')
        self.assertRefused(
            'uefi-x64 from cd: kernel arguments do not reach it: the '
            'command line is inside /EFI/Linux/System-1.efi')

    def test_what_a_machine_does_not_run_is_worth_no_word(self):
        self.boots('unified_kernel')
        self.has('bios')
        self.say(kernel_append_params='a=1')
        self.deployed()
        self.assertNotIn('do not reach', self.log.output)

    def test_an_argument_that_nobody_asked_for_is_left_out(self):
        self.boots('unified_kernel')
        self.has('uefi')
        self.say(configdrive={'user_data': '#!/bin/sh'})
        image = self.deployed()
        self.assertEqual(b'#!/bin/sh', image.read_file(
            '/openstack/latest/user_data'))
        self.assertIn('ci.ds=ConfigDrive cannot be added', self.log.output)


class AgentTestCase(_ModeTestCase, base.RedfishIsoTestCase):

    kind = 'isolinux_bios'
    deploy_interface = 'direct'

    def test_an_agent_for_another_firmware_is_refused(self):
        self.node.instance_info = {'image_source': 'http://127.0.0.1:9/a'}
        self.node.driver_info = {**self.node.driver_info,
                                 'deploy_iso': self.href}
        self.has('uefi')
        self.config(kernel_append_params='nofb', group='redfish')
        self.assertIn('does not boot by uefi-x64 from cd', self.failure(
            exception.InvalidParameterValue, 'validate'))
        self.has('bios')
        self.call('validate')


class SanbootTestCase(_ModeTestCase, sanboot_base.SanbootTestCase):

    kind = 'isolinux_bios'

    def test_arguments_for_another_firmware_are_refused(self):
        self.say(kernel_append_params='a=1')
        self.has('uefi')
        self.assertIn('does not boot by uefi-x64 from cd', self.failure(
            exception.InvalidParameterValue, 'validate'))
        self.assertIn('does not boot by uefi-x64 from cd', self.failure(
            exception.InstanceDeployFailure, 'prepare_instance'))
        self.assertNothingLeft()
        self.has('bios')
        self.call('validate')
