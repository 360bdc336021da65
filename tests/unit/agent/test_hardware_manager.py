# SPDX-License-Identifier: Apache-2.0

"""The deploy agent's steps: which there are, and what they ask for."""

import base64
from unittest import mock

from ironic_python_agent import config  # noqa: F401
from ironic_python_agent.extensions import base
from ironic_python_agent import hardware
from oslo_config import cfg
from oslo_config import fixture as config_fixture
import testtools

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import agent_commands
from ironic_python_agent_ext.bootc import install
from ironic_python_agent_ext import extension
from ironic_python_agent_ext import hardware_manager

_NODE = {'uuid': 'e3e1a4f0-5f2c-4d5e-8b7e-0d1f8c1d2a3b', 'instance_info': {
    'image_source': 'oci://registry.test/os:1',
    'bootc': {'filesystem': 'xfs', 'kargs': ['quiet']},
    'configdrive': 'H4sI'}}


class StepsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.manager = hardware_manager.BootcHardwareManager()

    def test_stocks_step_is_served_by_this_manager(self):
        stock = hardware.GenericHardwareManager()
        steps = {
            'BootcHardwareManager': self.manager.get_deploy_steps({}, []),
            'GenericHardwareManager': stock.get_deploy_steps({}, [])}
        managers = [
            {'name': name, 'support': support} for name, support in (
                ('BootcHardwareManager',
                 self.manager.evaluate_hardware_support()),
                ('GenericHardwareManager',
                 hardware.HardwareSupport.GENERIC))]
        with mock.patch.object(hardware, 'get_managers_detail',
                               autospec=True, return_value=managers):
            found = hardware.deduplicate_steps(steps)
        self.assertEqual(
            ['bootc_install', 'execute_bootc_install'],
            sorted(step['step'] for step in found['BootcHardwareManager']))
        self.assertNotIn('execute_bootc_install', [
            step['step'] for step in found['GenericHardwareManager']])

    def test_the_steps_run_only_when_they_are_asked_for(self):
        for step in self.manager.get_deploy_steps({}, []):
            self.assertEqual(0, step['priority'])

    def test_stocks_arguments_are_those_of_stock(self):
        stock = hardware.GenericHardwareManager.execute_bootc_install
        ours = hardware_manager.BootcHardwareManager.execute_bootc_install
        self.assertEqual(
            stock.__code__.co_varnames[:stock.__code__.co_argcount],
            ours.__code__.co_varnames[:ours.__code__.co_argcount])


class ArgumentsTest(testtools.TestCase):

    def test_what_a_person_leaves_out_comes_from_the_node(self):
        found = hardware_manager.of_node(_NODE, {})
        self.assertEqual(
            {'image': 'oci://registry.test/os:1', 'configdrive': 'H4sI',
             'options': {'filesystem': 'xfs', 'kargs': ['quiet']},
             'node_uuid': _NODE['uuid']}, found)

    def test_what_a_person_gives_goes_first(self):
        found = hardware_manager.of_node(_NODE, {
            'image': 'oci://other.test/os', 'options': {'filesystem': 'ext4'}})
        self.assertEqual('oci://other.test/os', found['image'])
        self.assertEqual({'filesystem': 'ext4', 'kargs': ['quiet']},
                         found['options'])

    def test_stocks_keys_become_options(self):
        found = hardware_manager.of_stock(
            {'uuid': 'u', 'instance_info': {
                'bootc_authorized_keys': 'ssh-ed25519 AAAA',
                'bootc_tpm2_luks': 'True'}},
            'oci://registry.test/os', None, None)
        self.assertEqual({'authorized_keys': 'ssh-ed25519 AAAA',
                          'block_setup': 'tpm2-luks'}, found['options'])
        self.assertIsNone(found['pull_secret'])

    def test_stocks_wish_for_encryption_is_never_lost(self):
        def options(value):
            return hardware_manager.of_stock(
                {'instance_info': {'bootc_tpm2_luks': value}},
                'oci://registry.test/os', None, None)['options']

        for value in ('on', 't', 'y', 'YES', '1', True):
            self.assertEqual({'block_setup': 'tpm2-luks'}, options(value))
        for value in ('off', 'f', 'n', 'No', '0', False, None):
            self.assertEqual({}, options(value))
        for value in ('enabled', 'luks', '', 5, [True]):
            self.assertIn('bootc_tpm2_luks', str(self.assertRaises(
                errors.OptionError, options, value)))

    def test_stocks_base64_is_taken_off_the_secret(self):
        for secret in ('user:password', 'dXNlcjpwYXNzd29yZA=='):
            found = hardware_manager.of_stock(
                {}, 'oci://registry.test/os', None,
                base64.b64encode(secret.encode()).decode())
            self.assertEqual(secret, found['pull_secret'])


class RunTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.requests = []
        outer = self

        class Install:
            def __init__(self, request, device, _observer):
                outer.requests.append((request, device))

            def run(self):
                if outer.failure:
                    raise outer.failure
                return 'installed'

        self.failure = None
        for target, name, new in (
                (install, 'Install', Install),
                (hardware, 'dispatch_to_managers', self.dispatch),
                (base, '_EXT_MANAGER', None)):
            patcher = mock.patch.object(target, name, new)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.manager = hardware_manager.BootcHardwareManager()

    def dispatch(self, method, **_arguments):
        self.assertEqual('get_os_install_device', method)
        return '/dev/sdz'

    def test_stocks_step_runs_this_code(self):
        result = self.manager.execute_bootc_install(
            _NODE, [], 'oci://registry.test/os:1', 'H4sI',
            base64.b64encode(b'user:password').decode())
        self.assertEqual('installed', result)
        (request, device), = self.requests
        self.assertEqual('/dev/sdz', device)
        self.assertEqual('registry.test/os:1', str(request.image))
        self.assertEqual('xfs', request.options.filesystem)
        self.assertEqual('H4sI', request.configdrive)
        self.assertEqual('user', request.credential.for_image(
            request.image).username)

    def test_a_failure_is_a_sentence_with_its_kind(self):
        self.failure = errors.NoSuchImageError('the registry has no image')
        error = self.assertRaises(agent_commands.InstallFailed,
                                  self.manager.bootc_install, _NODE, [])
        self.assertEqual('NoSuchImageError', error.type)
        self.assertEqual('the registry has no image', error.details)

    def test_arguments_that_make_no_sense_are_told_before_a_disk_is_sought(
            self):
        error = self.assertRaises(
            agent_commands.InstallFailed, self.manager.bootc_install,
            _NODE, [], options={'filesytem': 'xfs'})
        self.assertEqual('OptionError', error.type)
        self.assertIn('did you mean "filesystem"', error.details)
        self.assertEqual([], self.requests)

    def test_a_ramdisk_may_be_told_to_deploy_no_containers(self):
        self.useFixture(config_fixture.Config(cfg.CONF)).config(
            disable_bootc_deploy=True)
        error = self.assertRaises(agent_commands.InstallFailed,
                                  self.manager.bootc_install, _NODE, [])
        self.assertIn('disable_bootc_deploy', error.details)

    def test_the_command_does_what_the_step_does(self):
        command = extension.BootcExtension().install(
            image='oci://registry.test/os:1')
        self.assertEqual({'result': 'install: installed'}, command.wait())
