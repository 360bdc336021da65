# SPDX-License-Identifier: Apache-2.0

"""Tests for what is said of files that cannot be read."""

import argparse
import io
import pathlib
import unittest.mock

import fixtures
from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import boot_api
from ironic_ext.cli.osc import boot_config


class FilesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def said(self, kind, *arguments):
        self.shown = io.StringIO()
        command = kind(unittest.mock.Mock(stdout=self.shown),
                       argparse.Namespace())
        return str(self.assertRaises(
            exceptions.CommandError, command.run,
            command.get_parser('x').parse_args(
                ['--boot-server-url', 'http://192.0.2.1', *arguments])))

    def test_a_file_is_named_once(self):
        missing = str(self.folder / 'missing')
        for said in (self.said(boot_config.Apply, '-F', missing),
                     self.said(boot_config.CreateBootConfig, 'x',
                               '--config-format', 'plain', '--file',
                               missing)):
            self.assertEqual(f'{missing}: No such file or directory', said)

    def test_what_was_applied_is_shown_when_the_server_goes_away(self):
        path = self.folder / 'a.yaml'
        path.write_text('---\n'.join(
            f'kind: BootConfig\nmetadata: {{name: {name}}}\n'
            for name in ('first', 'bad', 'last')))
        answers = [self.answer(404), self.answer(201), self.answer(404),
                   self.answer(400, 'it is nonsense'),
                   exceptions.CommandError('the boot server is away')]
        self.useFixture(fixtures.MockPatchObject(
            boot_api.BootApi, 'send', side_effect=answers))
        error = self.said(boot_config.Apply, '-F', str(path), '-f', 'csv')
        self.assertEqual(['"kind","name","result"',
                          '"BootConfig","first","created"',
                          '"BootConfig","bad","refused: it is nonsense"'],
                         self.shown.getvalue().splitlines())
        self.assertEqual(
            [f'{path}: BootConfig bad: it is nonsense',
             'the boot server is away: of 3 resources, those after the first '
             '2 are left'], error.splitlines())

    @staticmethod
    def answer(code, message=''):
        return unittest.mock.Mock(
            status_code=code, **{'json.return_value': {'message': message}})

    def test_what_is_no_text_is_said_so(self):
        path = self.folder / 'a.yaml'
        path.write_bytes(b'\xff\xfe')
        for said in (self.said(boot_config.Apply, '-F', str(path)),
                     self.said(boot_config.CreateBootConfig, 'x',
                               '--config-format', 'plain', '--file',
                               str(path))):
            self.assertEqual(f'{path}: it is no text in UTF-8', said)
