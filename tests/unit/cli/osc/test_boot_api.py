# SPDX-License-Identifier: Apache-2.0

"""Tests for what commands ask the boot server."""

import argparse
import json
import unittest.mock

from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import boot_config
from ironic_ext.cli.osc import iso


class DeleteTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.deleted = []
        self.app = unittest.mock.Mock()
        self.app.client_manager.session.request.side_effect = self.request

    def request(self, url, method, **_options):
        self.assertEqual('DELETE', method)
        name = url.rpartition('/')[2]
        if name.startswith('unknown'):
            text = json.dumps({'message': f'there is no "{name}"'
                               if name == 'unknown1' else 'in use'})
            return unittest.mock.Mock(status_code=404, json=lambda:
                                      json.loads(text))
        self.deleted.append(name)
        return unittest.mock.Mock(status_code=204, content=b'')

    def delete(self, kind, *names):
        command = kind(self.app, argparse.Namespace())
        command.run(command.get_parser('x').parse_args(
            ['--boot-server-url', 'http://192.0.2.1', *names]))

    def test_one_that_is_not_there_does_not_keep_the_others(self):
        for kind in (iso.DeleteIso, boot_config.DeleteBootConfig):
            self.deleted.clear()
            error = self.assertRaises(
                exceptions.CommandError, self.delete, kind, 'a', 'unknown1',
                'b', 'unknown2', 'c')
            self.assertEqual(['a', 'b', 'c'], self.deleted)
            self.assertEqual('there is no "unknown1"\nunknown2: in use',
                             str(error))

    def test_nothing_is_said_of_those_that_are_gone(self):
        self.delete(iso.DeleteIso, 'a', 'b')
        self.assertEqual(['a', 'b'], self.deleted)
