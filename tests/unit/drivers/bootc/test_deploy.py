# SPDX-License-Identifier: Apache-2.0

"""Tests for the deploy interface of bootable containers."""

from importlib import metadata
import json
import socket
import unittest.mock

from ironic.common import exception
from ironic.common import images
from ironic.common import states
from ironic.conductor import steps as conductor_steps
from ironic.conductor import utils as manager_utils
from ironic.drivers.modules import agent
from ironic.drivers.modules import agent_base
from ironic.drivers.modules import agent_client
from ironic.drivers.modules.redfish import boot as redfish_boot
import requests

from ironic_ext.bootc import errors
from ironic_ext.bootc import reference
from ironic_ext.bootc import registry
from ironic_ext.bootc import request
from ironic_ext.drivers.bootc import deploy as bootc
from tests.unit.drivers import base

IMAGE = 'oci://r.test:5000/os:1'
FIRST, SECOND = (f'sha256:{digit * 64}' for digit in 'ab')
TOKEN = 'the-token-of-the-agent'
STEPS = {'deploy': [{'interface': 'deploy', 'step': request.STEP,
                     'priority': 0}]}
SECRETS = {'image_pull_secret': 'me:SecretWord',
           'configdrive': 'SecretDrive'}


class BootcTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.config(enabled_deploy_interfaces=['ramdisk', 'bootc-ext'])
        self.config(manage_agent_boot=False, group='agent')
        self.node.deploy_interface = 'bootc-ext'
        self.node.properties = {'cpu_arch': 'x86_64'}
        self.node.driver_internal_info = {
            'agent_secret_token': TOKEN, 'agent_url': 'http://192.0.2.2',
            'agent_cached_deploy_steps': STEPS}
        self.say(image_source=IMAGE)
        self.registry = self.replace(registry, 'require_bootable')
        self.publish(FIRST)
        self.executed = self.replace(
            agent_client.AgentClient, 'execute_deploy_step')
        self.executed.return_value = {'command_status': 'RUNNING'}

    def test_a_nodes_proxy_is_asked_at_the_address_that_was_judged(self):
        adapter = unittest.mock.Mock(proxy_names={})
        asked = requests.Request('GET', 'http://192.0.2.9/v2/').prepare()
        proxies = {'http': 'http://me:pw@localhost:3128'}
        bootc._sent_within_the_fence(adapter, asked, proxies=dict(proxies))
        sent = adapter.send.call_args.kwargs['proxies']['http']
        self.assertIn(sent, ('http://me:pw@127.0.0.1:3128',
                             'http://me:pw@[::1]:3128'))
        self.assertEqual({sent: 'localhost'}, adapter.proxy_names)
        self.config(proxy=proxies['http'], group='ext_bootc')
        bootc._sent_within_the_fence(adapter, asked, proxies=dict(proxies))
        self.assertEqual(proxies, adapter.send.call_args.kwargs['proxies'])
        self.config(proxy=None, group='ext_bootc')
        self.config(auth_strategy='keystone')
        self.assertRaises(errors.RegistryError,
                          bootc._sent_within_the_fence, adapter, asked,
                          proxies=dict(proxies))
        self.assertEqual(2, adapter.send.call_count)

    def test_a_host_that_cannot_be_resolved_is_named(self):
        self.replace(socket, 'getaddrinfo').side_effect = socket.gaierror(
            -2, 'Name or service not known')
        asked = requests.Request(
            'GET', 'https://registry.example/v2/').prepare()
        for proxies, host in (
                ({}, 'registry.example'),
                ({'https': 'http://me:pw@gate.example:3128'},
                 'the proxy gate.example')):
            refused = self.assertRaises(
                errors.RegistryError, bootc._sent_within_the_fence,
                unittest.mock.Mock(proxy_names={}), asked, proxies=proxies)
            self.assertEqual(
                f'the registry is not asked: {host} cannot be resolved: '
                'Name or service not known', str(refused))

    def publish(self, digest):
        def answer(image, machine, *, trust, credential, timeout, send):
            return registry.Image(image.pinned(digest), 'amd64', {},
                                  request.Size(10, 30))
        self.registry.side_effect = answer

    def run_deploy(self, method, shared=False, **arguments):
        with self.task(shared) as task:
            try:
                return getattr(task.driver.deploy, method)(task, **arguments)
            finally:
                self.node.refresh()

    def install(self, **arguments):
        """Run the step; return what the agent was asked for."""
        self.assertEqual(states.DEPLOYWAIT, self.run_deploy(
            'bootc_install', **arguments))
        step = self.executed.call_args[0][0]
        self.assertEqual(('deploy', request.STEP),
                         (step['interface'], step['step']))
        return request.InstallRequest.parse(
            json.loads(json.dumps(step['args'])), TOKEN)

    def pin(self):
        return self.node.driver_internal_info.get(bootc.PIN)

    def refused(self, kind, method, **given):
        return str(self.assertRaises(kind, self.run_deploy, method, **given))


class ValidationTestCase(BootcTestCase):

    def test_the_registry_is_asked_for_what_the_machine_can_run(self):
        self.run_deploy('validate')
        (image, machine), given = self.registry.call_args
        self.assertEqual(reference.Reference.parse(IMAGE), image)
        self.assertEqual('x86_64', machine)
        self.assertEqual(15, given['timeout'])

    def test_what_the_registry_says_is_told_to_the_user(self):
        for error in (errors.NoSuchImageError, errors.UnauthorisedError,
                      errors.ArchitectureError, errors.NotBootableError,
                      errors.CertificateError, errors.RegistryTimeoutError):
            self.registry.side_effect = error('a sentence')
            self.assertIn('a sentence', self.refused(
                exception.InvalidParameterValue, 'validate'))
            self.assertIsNone(self.pin())

    def test_bad_options_are_told_before_anything_is_asked(self):
        self.say(bootc={'filesytem': 'xfs'})
        self.assertIn('did you mean "filesystem"?', self.refused(
            exception.InvalidParameterValue, 'validate'))
        self.registry.assert_not_called()

    def test_an_image_must_be_named(self):
        self.node.instance_info = {}
        self.store()
        self.refused(exception.MissingParameterValue, 'validate')
        self.say(image_source='http://r.test/disk.qcow2')
        self.refused(exception.InvalidParameterValue, 'validate')

    def test_a_look_at_the_node_pins_nothing(self):
        self.run_deploy('validate', shared=True)
        self.assertIsNone(self.pin())

    def test_a_deployment_pins_what_it_validated(self):
        self.run_deploy('validate')
        self.assertEqual(FIRST, self.pin()['digest'])

    def supports(self):
        return self.run_deploy('supports_deploy', shared=True)

    def test_ironic_finds_out_whether_it_is_for_this_interface(self):
        self.assertTrue(self.supports())
        for error in (errors.NotBootableError, errors.UnauthorisedError):
            self.registry.side_effect = error('a sentence')
            self.assertFalse(self.supports())
        for source in ('http://r.test/disk.qcow2', '', None):
            self.say(image_source=source)
            self.assertFalse(self.supports())

    def test_what_no_other_interface_knows_is_for_this_one(self):
        self.registry.side_effect = errors.UnauthorisedError('a sentence')
        self.say(bootc={'filesystem': 'xfs'})
        self.assertTrue(self.supports())
        self.say(bootc=None, image_source='docker://r.test/os')
        self.assertTrue(self.supports())

    def test_the_properties_have_descriptions(self):
        with self.task(shared=True) as task:
            properties = task.driver.deploy.get_properties()
        for name in ('deploy_ramdisk', 'image_pull_secret', 'bootc_ca'):
            self.assertTrue(properties[name])


class NamesTestCase(BootcTestCase):

    def test_ironic_takes_containers_for_images_of_whole_disks(self):
        for scheme in ('oci', 'docker'):
            self.say(image_source=f'{scheme}://r.test:5000/os:1')
            with self.task() as task:
                self.assertTrue(manager_utils.update_image_type(
                    task.context, task.node))
                self.assertTrue(task.node.driver_internal_info[
                    'is_whole_disk_image'])
                # As boot interfaces do before a deployment.
                redfish_boot.deploy_utils.validate_image_properties(
                    task, {'image_source': IMAGE})

    def test_only_machines_download_containers(self):
        with self.task(shared=True) as task:
            name = 'docker://r.test/os'
            self.assertRaises(exception.ImageDownloadFailed, images.fetch,
                              task.context, name, str(self.folder / 'os'))
            service = bootc.ContainerImages()
            self.assertRaises(exception.ImageRefValidationFailed,
                              service.show, 'docker://me:SecretWord@r.test')


class InstallTestCase(BootcTestCase):

    def test_the_agent_is_asked_for_all_that_was_said(self):
        self.say(bootc={'filesystem': 'xfs'}, **SECRETS)
        self.run_deploy('validate')
        asked = self.install(options={'kargs': 'a=b'})
        self.assertEqual(f'r.test:5000/os@{FIRST}', str(asked.image))
        self.assertEqual('r.test:5000/os:1', asked.imgref)
        self.assertEqual(('xfs', ('a=b',)), (asked.options.filesystem,
                                             asked.options.kargs))
        self.assertEqual(request.Size(10, 30), asked.size)
        self.assertEqual(self.node.uuid, asked.node_uuid)
        self.assertEqual('SecretDrive', asked.configdrive)
        self.assertEqual('me', asked.credential.for_image(
            asked.image).username)

    def test_a_config_drive_of_json_is_built(self):
        self.say(configdrive={'meta_data': {'a': 'b'}})
        with unittest.mock.patch.object(
                bootc.configdrive_utils, 'build_configdrive',
                autospec=True, return_value='built') as build:
            self.assertEqual('built', self.install().configdrive)
        build.assert_called_once_with(unittest.mock.ANY,
                                      {'meta_data': {'a': 'b'}})

    def test_a_tag_that_moves_is_installed_as_it_was_validated(self):
        self.run_deploy('validate')
        self.publish(SECOND)
        self.assertEqual(FIRST, self.install().image.digest)
        self.assertEqual(FIRST, self.install().image.digest)

    def test_another_deployment_takes_what_the_tag_means_by_then(self):
        self.run_deploy('validate')
        self.publish(SECOND)
        self.run_deploy('validate')
        self.assertEqual(SECOND, self.install().image.digest)

    def test_the_pin_of_one_name_is_not_for_another(self):
        self.run_deploy('validate')
        self.publish(SECOND)
        self.say(image_source='oci://r.test:5000/os:2')
        asked = self.install()
        self.assertEqual((SECOND, 'r.test:5000/os:2'),
                         (asked.image.digest, asked.imgref))
        self.assertEqual(SECOND, self.pin()['digest'])

    def test_no_secret_is_in_the_step_nor_in_the_log(self):
        self.say(**SECRETS)
        with self.assertLogs(level='DEBUG') as logs:
            self.run_deploy('validate')
            self.install()
        step = json.dumps(self.executed.call_args[0][0])
        for secret in ('SecretWord', 'SecretDrive'):
            self.assertNotIn(secret, step)
            self.assertNotIn(secret, '\n'.join(logs.output))
            self.assertNotIn(secret, json.dumps(
                self.node.driver_internal_info))

    def test_an_agent_without_a_token_is_refused(self):
        self.node.driver_internal_info = {}
        self.store()
        self.assertIn('token', self.refused(
            exception.InstanceDeployFailure, 'bootc_install'))

    def test_a_ramdisk_without_the_agents_part_is_refused(self):
        self.node.set_driver_internal_info('agent_cached_deploy_steps', {
            'deploy': [{'interface': 'deploy', 'step': 'other',
                        'priority': 0}]})
        self.store()
        self.assertIn('ramdisk', self.refused(
            exception.InstanceDeployFailure, 'bootc_install'))
        self.executed.assert_not_called()

    def test_what_fails_in_the_step_is_told(self):
        self.registry.side_effect = errors.NoSuchImageError('a sentence')
        self.assertIn('a sentence', self.refused(
            exception.InstanceDeployFailure, 'bootc_install'))

    def test_tearing_down_forgets_the_pin(self):
        self.run_deploy('validate')
        self.be(states.DELETING)
        self.assertEqual(states.DELETED, self.run_deploy('tear_down'))
        self.assertIsNone(self.pin())


class StepsTestCase(BootcTestCase):

    def test_every_type_of_the_suite_has_the_interface_behind_the_stock(self):
        for point in metadata.entry_points(group='ironic.hardware.types'):
            if not point.value.startswith('ironic_ext.'):
                continue
            found = point.load()().supported_deploy_interfaces
            self.assertIs(bootc.BootcDeploy, found[-1], point.name)
            self.assertIn(agent.AgentDeploy, found[:-1])

    def test_a_deployment_has_ironics_steps_and_the_install(self):
        with self.task() as task:
            steps = {step['step']: step['priority'] for step in
                     task.driver.deploy.get_deploy_steps(task)
                     if step['priority']}
        self.assertEqual(
            ['deploy', 'bootc_install', 'prepare_instance_boot',
             'tear_down_agent', 'switch_to_tenant_network',
             'boot_instance'], sorted(steps, key=steps.get, reverse=True))

    def test_the_step_of_the_agent_hides_behind_the_conductors(self):
        with self.task() as task:
            (found,) = [step for step in
                        task.driver.deploy.get_deploy_steps(task)
                        if step['step'] == request.STEP]
        self.assertEqual(80, found['priority'])

    def test_a_user_can_give_the_step_options_alone(self):
        step = {'interface': 'deploy', 'step': request.STEP,
                'priority': 80, 'args': {'options': {'kargs': 'a'}}}
        with self.task() as task:
            conductor_steps.validate_user_deploy_steps_and_templates(
                task, [step])
            step['args'] = {'pull_secret': 'me:SecretWord'}
            self.assertRaises(
                exception.InvalidParameterValue,
                conductor_steps.validate_user_deploy_steps_and_templates,
                task, [step])

    def test_the_conductor_runs_the_step_of_this_interface(self):
        step = {'interface': 'deploy', 'step': request.STEP,
                'args': {'options': {'kargs': 'a'}}}
        with self.task() as task:
            with unittest.mock.patch.object(
                    agent_base, 'execute_step', autospec=True,
                    return_value=states.DEPLOYWAIT) as execute:
                task.driver.deploy.execute_deploy_step(task, step)
        sent = execute.call_args[0][1]['args']
        self.assertEqual(('a',), request.InstallRequest.parse(
            sent, TOKEN).options.kargs)
