# SPDX-License-Identifier: Apache-2.0

"""The agent's own ISO: a pre-built one boots with the agent's config."""

import json

from lab import hypervisor
from tests.e2e import base

NETWORK_DATA = {
    'links': [{'id': 'port0', 'type': 'phy',
               'ethernet_mac_address': '52:54:00:00:00:01'}],
    'networks': [{'id': 'net0', 'type': 'ipv4', 'link': 'port0',
                  'ip_address': '192.0.2.9', 'netmask': '255.255.255.0',
                  'network_id': 'net0', 'routes': []}],
    'services': []}
# Any step that runs in the agent makes Ironic boot it.
STEPS = [{'interface': 'deploy', 'step': 'erase_devices_metadata'}]


class AgentIsoTestCase(base.EndToEndTestCase):

    def test_a_deploy_iso_boots_with_token_arguments_and_network_data(self):
        self.lab.ironic.cli(
            'node', 'set', self.node.identity,
            '--driver-info', f'deploy_iso=file://{self.lab.iso}',
            '--driver-info', 'kernel_append_params=e2e.agent=yes',
            '--network-data', json.dumps(NETWORK_DATA))
        self.node.ask('manage')
        self.node.await_state('manageable')
        self.node.ask('clean', clean_steps=STEPS)
        self.node.await_state('clean wait')
        report = self.node.await_report()
        arguments = dict(word.partition('=')[::2]
                         for word in report.command_line.split())
        self.assertEqual('vmedia', arguments['boot_method'])
        self.assertEqual('yes', arguments['e2e.agent'])
        self.assertEqual(f'http://{hypervisor.HOST}:{self.lab.ironic.port}',
                         arguments['ipa-api-url'])
        self.assertGreater(len(arguments['ipa-agent-token']), 20)
        self.assertEqual(NETWORK_DATA, json.loads(
            report.files['openstack/latest/network_data.json']))

        self.node.ask('abort')
        self.node.await_state('clean failed')
        self.assert_nothing_left()
        self.assertFalse(self.node.machine.is_on())
