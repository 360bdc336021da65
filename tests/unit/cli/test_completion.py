# SPDX-License-Identifier: Apache-2.0

"""Shell completion, tried in a real bash."""

import pathlib
import shutil
import subprocess

import fixtures
import testtools

from ironic_ext.cli import completion
from ironic_ext.cli import iso as command


class CompletionTestCase(testtools.TestCase):

    def _complete(self, *words: str, cwd: str = '/') -> list[str]:
        script = completion.script(command.build_parser(), 'bash', {
            '--for': ('bios', 'uefi'), '--config': ('ignition=', 'plain=')})
        done = subprocess.run(
            ['bash', '--norc', '-c', script + '\n'
             'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
             '_ironic_iso; printf "%s\\n" "${COMPREPLY[@]}"', 'bash',
             'ironic-iso', *words],
            cwd=cwd, capture_output=True, text=True, check=True)
        self.assertEqual('', done.stderr)
        return done.stdout.split()

    def test_commands_are_completed(self):
        self.assertEqual(['inspect', 'inject'], self._complete('in'))

    def test_options_are_those_of_the_command(self):
        self.assertEqual(['--json'], self._complete('inspect', '--j'))
        self.assertEqual([], self._complete('ls', '--j'))

    def test_a_source_after_the_equals_sign_is_a_local_file(self):
        folder = self.useFixture(fixtures.TempDir()).path
        pathlib.Path(folder, 'kickstart.cfg').touch()
        self.assertEqual(['kickstart.cfg'], self._complete(
            'inject', 'a.iso', '--file', '/ks.cfg=kick', cwd=folder))

    def test_values_of_which_there_are_few_are_completed(self):
        for words, found in (
                (('--media-check', 'k'), ['keep']),
                (('--for', ''), ['bios', 'uefi']),
                (('--config', 'ig'), ['ignition='])):
            self.assertEqual(found, self._complete('inject', 'a.iso', *words))

    def test_images_are_completed_as_files(self):
        folder = self.useFixture(fixtures.TempDir()).path
        pathlib.Path(folder, 'fedora.iso').touch()
        self.assertEqual(['fedora.iso'],
                         self._complete('inspect', 'fed', cwd=folder))

    def test_zsh_accepts_its_script(self):
        if shutil.which('zsh') is None:
            self.skipTest('zsh is not installed')
        script = completion.script(command.build_parser(), 'zsh')
        subprocess.run(['zsh', '-n'], input=script, text=True, check=True)
