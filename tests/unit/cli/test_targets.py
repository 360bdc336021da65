# SPDX-License-Identifier: Apache-2.0

"""The `ironic-ext-targets` command line, on targets that are made up."""

import contextlib
import io
import json
import pathlib

import fixtures
import testtools

from ironic_ext.cli import targets as command
from ironic_ext import san
from ironic_ext.san import configured

_STATUS = (
    san.TargetStatus('iqn.2008-10.org.openstack:iso-1',
                     'http://isos.example.com/a.iso', 700 << 20, 4096, True,
                     ('node:1', 'node:2'), 'served', 3),
    san.TargetStatus('iqn.2008-10.org.openstack:iso-2',
                     'http://isos.example.com/b.iso', 1, 0, False, (),
                     'down'))


class _Targets:

    def __init__(self, rebuilt: san.Rebuilt) -> None:
        self._rebuilt = rebuilt

    def status(self) -> list[san.TargetStatus]:
        return list(_STATUS)

    def rebuild(self) -> san.Rebuilt:
        return self._rebuilt


class CommandTest(testtools.TestCase):

    def run_command(self, *words: str, rebuilt: san.Rebuilt = san.Rebuilt()
                    ) -> int:
        self.useFixture(fixtures.MockPatchObject(
            configured, 'targets_from', lambda conf: _Targets(rebuilt)))
        return self._run(*words)

    def _run(self, *words: str) -> int:
        output, errors = io.StringIO(), io.StringIO()
        config = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'ironic.conf'
        config.write_text('[ext_san]\nportal = a b\n')
        with (contextlib.redirect_stdout(output),
              contextlib.redirect_stderr(errors)):
            code = command.main(['--config-file', str(config), *words])
        self.output, self.errors = output.getvalue(), errors.getvalue()
        return code

    def test_targets_are_a_table_for_people(self) -> None:
        self.assertEqual(0, self.run_command('list'))
        head, first, second = self.output.splitlines()
        self.assertEqual(
            ['STATE', 'SIZE', 'READERS', 'TARGET', 'IMAGE', 'OWNERS'],
            head.split())
        self.assertEqual(
            'served  700 MiB  3        iqn.2008-10.org.openstack:iso-1  '
            'http://isos.example.com/a.iso (customised)  node:1, node:2',
            first)
        self.assertTrue(second.startswith('down    1 MiB'))

    def test_targets_are_json_for_programs(self) -> None:
        self.assertEqual(0, self.run_command('list', '--json'))
        first, second = json.loads(self.output)
        self.assertEqual(['node:1', 'node:2'], first['owners'])
        self.assertEqual('down', second['state'])

    def test_a_rebuild_tells_what_it_did(self) -> None:
        self.assertEqual(0, self.run_command('rebuild', rebuilt=san.Rebuilt(
            made=('iqn.a',), removed=('iqn.b',))))
        self.assertEqual('made: iqn.a\nremoved: iqn.b\n', self.output)

    def test_a_rebuild_that_fails_ends_with_one(self) -> None:
        self.assertEqual(1, self.run_command('rebuild', rebuilt=san.Rebuilt(
            failed=('iqn.c',))))

    def test_an_error_is_one_line(self) -> None:
        self.assertEqual(1, self._run('list'))
        self.assertEqual(
            'ironic-ext-targets: error: "a b" is no iSCSI portal: write '
            'HOST, HOST:PORT or [IPV6]:PORT\n', self.errors)
