# SPDX-License-Identifier: Apache-2.0

"""Tests for the command that shows what a node boots next."""

import argparse
import types
import unittest.mock

from ironicclient import exc
from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import node_boot


class NodeBootTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.client = unittest.mock.Mock()
        self.app = unittest.mock.Mock()
        self.app.client_manager.baremetal = self.client

    def show(self):
        command = node_boot.ShowNodeBoot(self.app, argparse.Namespace())
        return dict(zip(*command.take_action(
            command.get_parser('x').parse_args(['node-7'])), strict=True))

    def test_it_says_what_boots_and_what_the_bmc_shows(self):
        self.client.node.vendor_passthru.return_value.to_dict.return_value = {
            'text': 'It will boot live.', 'device': 'iso', 'image': 'live',
            'once': False, 'chosen': None, 'takes': None, 'recorded': None,
            'bmc': {'boot_device': 'cdrom', 'once': False,
                    'medium': 'medium 1'}, 'error': None}
        found = self.show()
        self.assertEqual(
            ['node-7', 'It will boot live.', 'cdrom', 'medium 1'],
            [found[name].human_readable() for name in (
                'node', 'next_boot', 'bmc_boot_device', 'bmc_medium')])
        self.client.node.vendor_passthru.assert_called_once_with(
            'node-7', 'next_boot', args=None, http_method='GET')

    def test_a_node_that_cannot_tell_says_what_to_set(self):
        self.client.node.vendor_passthru.side_effect = exc.BadRequest('x')
        self.client.node.get.return_value = types.SimpleNamespace(
            vendor_interface='no-vendor')
        self.assertIn('--vendor-interface redfish-ext', str(
            self.assertRaises(exceptions.CommandError, self.show)))
