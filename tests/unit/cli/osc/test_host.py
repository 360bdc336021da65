# SPDX-License-Identifier: Apache-2.0

"""Tests for what the commands say of what hosts boot."""

import argparse
import io
import json
import unittest.mock

import testtools

from ironic_ext.cli.osc import boot_api
from ironic_ext.cli.osc import host


def found(name, image, mode='forever', **status):
    """Return a host as the boot server answers it."""
    return {'metadata': {'namespace': 'default', 'name': name},
            'spec': {'image': image, 'bootMode': mode}, 'status': status}


class ListTestCase(testtools.TestCase):

    def rows(self, *hosts):
        """List hosts that the boot server knows; return them by name."""
        api = unittest.mock.Mock()
        api.list.return_value = hosts
        patch = unittest.mock.patch.object(boot_api.BootApi, 'of',
                                           return_value=api)
        patch.start()
        self.addCleanup(patch.stop)
        command = host.ListHostBoots(
            unittest.mock.Mock(stdout=io.StringIO()), argparse.Namespace())
        command.run(command.get_parser('x').parse_args(['-f', 'json']))
        return {row['name']: row
                for row in json.loads(command.app.stdout.getvalue())}

    def test_what_boots_from_its_disk_has_no_mode(self):
        rows = self.rows(found('disk', 'localboot'), found('live', 'fedora'),
                         found('new', 'fedora', 'once'))
        self.assertEqual(
            {'disk': None, 'live': 'forever', 'new': 'once'},
            {name: row['mode'] for name, row in rows.items()})

    def test_an_inline_config_is_said_to_be_one(self):
        rows = self.rows(found('inline', 'fedora', inlineConfig=True))
        self.assertEqual('(inline)', rows['inline']['config'])
