# SPDX-License-Identifier: Apache-2.0

"""Tests for the boot interface: the agent's ISO with the agent's config."""

import base64
import gzip
import json
import tempfile
import unittest.mock

from ironic.common import boot_devices
from ironic.common import exception
from ironic.common import states
from ironic.conductor import utils as manager_utils
from ironic.drivers.modules.redfish import boot as redfish_boot
from openstack.baremetal import configdrive as os_configdrive

from ironic_ext.drivers.images import customised as customised_iso
from ironic_ext import iso
from ironic_ext.node import boot_plan
from tests.unit.drivers import base

NETWORK_DATA = {'links': [{'id': 'eth0'}]}


class AgentTestCase(base.RedfishIsoTestCase):

    deploy_interface = 'direct'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Labelled config-2, as media are that IPA copies files from.
        with tempfile.TemporaryDirectory() as folder:
            cls.labelled = gzip.decompress(base64.b64decode(
                os_configdrive.pack(folder)))

    def setUp(self):
        super().setUp()
        self.agent_iso('deploy_iso')
        self.replace(manager_utils, 'is_fast_track').return_value = False

    def agent_iso(self, name):
        self.node.driver_info = {**self.node.driver_info, name: self.href}
        self.store()

    def prepare(self, **params):
        self.call('prepare_ramdisk', {'ipa-api-url': 'http://192.0.2.2:6385',
                                      **params})
        return self.medium()

    def test_the_agent_gets_its_arguments_and_token(self):
        image = self.prepare()
        token = self.node.driver_internal_info['agent_secret_token']
        self.assertTrue(self.node.driver_internal_info[
            'agent_secret_token_pregenerated'])
        for line in self.arguments(image):
            for word in ('ipa-api-url=http://192.0.2.2:6385',
                         f'ipa-agent-token={token}', 'boot_method=vmedia'):
                self.assertIn(word, line)

    def test_the_operators_arguments_come_last(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'kernel_append_params': '%default% x=2'}
        self.store()
        self.config(kernel_append_params='x=1', group='redfish')
        for line in self.arguments(self.prepare()):
            self.assertIn('boot_method=vmedia x=1 x=2', line)

    def test_the_machine_boots_from_it_once(self):
        self.prepare()
        self.boot_device.assert_called_once_with(
            unittest.mock.ANY, boot_devices.CDROM, False)

    def test_the_machine_is_off_while_its_medium_changes(self):
        order = []
        self.power.side_effect = lambda task, state: order.append(state)
        self.bmc.slots[0].failures = []
        insert = self.bmc.slots[0].insert_media
        self.bmc.slots[0].insert_media = (
            lambda *args, **kwargs: (order.append('insert'),
                                     insert(*args, **kwargs)))
        self.prepare()
        self.assertEqual([states.POWER_OFF, 'insert'], order)

    def test_the_agent_gets_network_data_and_certificates(self):
        ca = self.folder / 'ca.pem'
        ca.write_bytes(b'CERTIFICATE')
        self.config(api_ca_file=str(ca), group='agent')
        with unittest.mock.patch(
                'ironic.drivers.modules.network.noop.NoopNetwork.'
                'get_node_network_data', return_value=NETWORK_DATA):
            image = self.prepare()
        self.assertEqual(NETWORK_DATA, json.loads(image.read_file(
            '/openstack/latest/network_data.json')))
        self.assertEqual(b'CERTIFICATE', image.read_file(
            '/etc/ironic-python-agent/ironic.crt'))
        self.assertIn(b'/etc/ironic-python-agent/ironic.crt',
                      image.read_file('/etc/ironic-python-agent.d/'
                                      'ironic-tls.conf'))
        initrds = {initrd for config in iso.inspect(image).configs
                   for entry in config.entries for initrd in entry.initrds}
        self.assertNotEqual(set(), initrds)
        for initrd in initrds:
            content = image.read_file(initrd)
            for part in (b'etc/ironic-python-agent/ironic.crt',
                         b'CERTIFICATE', b'mnt/config/openstack/latest/'
                         b'network_data.json'):
                self.assertIn(part, content)

    def test_without_an_initrd_the_label_decides(self):
        plan = boot_plan.for_agent(
            self.node, 'deploy_iso', self.href, {}, append_params=None,
            network_data=None, ca=b'CERTIFICATE')
        for content, found in ((self.labelled, True),
                               (self.isos['plain_rr_joliet'].read_bytes(),
                                False)):
            self.base.write_bytes(content)
            with iso.IsoImage.open(self.base) as image:
                if found:
                    customised_iso.inject(image, plan)[0].close()
                else:
                    self.assertRaises(iso.InjectionError,
                                      customised_iso.inject, image, plan)

    def test_clean_up_removes_medium_and_file(self):
        self.prepare()
        self.call('clean_up_ramdisk')
        self.assertClean()

    def test_a_rescue_iso_is_customised_alike(self):
        self.agent_iso('rescue_iso')
        self.be(states.RESCUING)
        self.assertIn('boot_method=vmedia',
                      self.arguments(self.prepare())[0])
        self.power.reset_mock()
        # The agent has set the password: somebody logs in now.
        self.call('clean_up_ramdisk')
        self.assertClean()
        self.power.assert_not_called()
        self.prepare()
        self.be(states.RESCUEFAIL)
        self.power.reset_mock()
        self.call('clean_up_ramdisk')
        self.assertClean()
        self.power.assert_called_once_with(unittest.mock.ANY,
                                           states.POWER_OFF)

    def test_a_failure_is_undone(self):
        self.bmc.slots[0].deaf = True
        self.failure(exception.InstanceDeployFailure, 'prepare_ramdisk', {})
        self.assertClean()

    def test_an_argument_that_cannot_be_said_is_refused(self):
        self.assertIn('has a double quote', self.failure(
            exception.InvalidParameterValue, 'prepare_ramdisk',
            {'ipa-x': 'a"b'}))

    def test_an_agent_that_runs_already_is_left_alone(self):
        self.prepare()
        self.bmc.slots[0].calls.clear()
        manager_utils.is_fast_track.return_value = True
        self.call('prepare_ramdisk', {})
        self.call('clean_up_ramdisk')
        self.assertEqual([], self.bmc.calls)
        self.assertEqual(1, len(self.published()))

    def test_a_takeover_touches_nothing(self):
        self.be(states.ACTIVE)
        self.call('prepare_ramdisk', {})
        self.assertEqual([], self.bmc.calls)

    def test_kernel_and_ramdisk_boot_as_with_stock_ironic(self):
        self.node.driver_info = {
            key: value for key, value in self.node.driver_info.items()
            if key != 'deploy_iso'}
        self.store()
        stock = self.replace(redfish_boot.RedfishVirtualMediaBoot,
                             'prepare_ramdisk')
        self.call('prepare_ramdisk', {})
        stock.assert_called_once()

    def test_a_removable_device_for_the_config_is_left_to_stock(self):
        self.node.driver_info = {**self.node.driver_info,
                                 'config_via_removable': True}
        self.store()
        stock = self.replace(redfish_boot.RedfishVirtualMediaBoot,
                             'prepare_ramdisk')
        self.call('prepare_ramdisk', {})
        stock.assert_called_once()

    def test_validation_refuses_a_deploy_iso_that_is_none(self):
        self.base.write_bytes(b'x' * 100000)
        self.say(image_source='http://127.0.0.1:9/disk.raw')
        self.assertIn(self.href, self.failure(
            exception.InvalidParameterValue, 'validate'))
