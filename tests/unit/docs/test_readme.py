# SPDX-License-Identifier: Apache-2.0

"""Tests that what the README prints does what it says, as it is printed.

Its first job takes an Ironic: see tests/journeys/test_tutorials.py.
"""

import configparser
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys
import textwrap

import fixtures
import testtools

from tests import isos
from tests.unit.docs import pages

_BLOCK = re.compile(r'^(.*)::\n\n((?:    .*\n|\n)+)', re.MULTILINE)
_FIRST_JOB = 'Then, from anywhere'
# Before any test: Ironic's base of tests keeps them from running commands.
_ISO = isos.shared('lorax_like')


class ReadmeTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.text = (pages.ROOT / 'README.rst').read_text()
        self.blocks = {
            lead.strip(): textwrap.dedent(block).strip()
            for lead, block in _BLOCK.findall(self.text)}
        self.setup = configparser.ConfigParser()
        self.setup.read(pages.ROOT / 'setup.cfg')

    def test_each_block_is_judged_here_or_with_an_ironic(self):
        self.assertEqual(
            [_FIRST_JOB, 'ini', 'make', 'pip', 'pip ironic-iso'],
            sorted(self._kind(lead) for lead in self.blocks))
        functional = pages.ROOT / 'tests/journeys/test_tutorials.py'
        self.assertIn(_FIRST_JOB, functional.read_text())

    def _kind(self, lead):
        text = self.blocks[lead]
        if lead == _FIRST_JOB:
            return lead
        if text.startswith('['):
            return 'ini'
        return ' '.join(dict.fromkeys(
            line.split()[0] for line in text.splitlines()
            if line and not line.startswith(' ')))

    def _of(self, kind):
        return [text for lead, text in self.blocks.items()
                if self._kind(lead) == kind]

    def test_extras_and_targets_are_there(self):
        extras = set(re.findall(r'^    ?pip install \'\.\[(\w+)\]\'',
                                self.text, re.MULTILINE))
        self.assertEqual({'conductor'}, extras)
        self.assertLessEqual(extras, set(self.setup['extras']))
        targets = set(re.findall(r'``(?:\w+=\w+ )?make ([\w-]+)``',
                                 self.text)) | {
            line.split()[1] for line in self._of('make')[0].splitlines()}
        makefile = (pages.ROOT / 'Makefile').read_text()
        self.assertEqual(set(), {
            target for target in targets if not re.search(
                rf'^{target}:', makefile, re.MULTILINE)})

    def test_what_ironic_is_to_enable_is_there(self):
        ini = configparser.ConfigParser()
        ini.read_string(self._of('ini')[0])
        self.assertTrue(ini['DEFAULT'])
        for option, names in ini['DEFAULT'].items():
            kind = re.fullmatch(r'enabled_(\w+)_(?:types|interfaces)',
                                option)[1]
            group = ('ironic.hardware.types' if kind == 'hardware'
                     else f'ironic.hardware.interfaces.{kind}')
            there = {point.name for point
                     in importlib.metadata.entry_points(group=group)}
            self.assertLessEqual(set(names.split(',')), there, option)

    def test_the_job_without_ironic_is_done(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'live.iso').symlink_to(_ISO)
        (folder / 'site.conf').write_text('dc=7')
        commands = self._of('pip ironic-iso')[0].partition('\n')[2]
        programs = pathlib.Path(sys.executable).parent
        done = subprocess.run(
            ['bash', '-ec', commands], cwd=folder, capture_output=True,
            text=True, env={**os.environ, 'PATH':
                            f'{programs}{os.pathsep}{os.environ["PATH"]}'})
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('UEFI', done.stdout)
        shown = subprocess.run(
            [programs / 'ironic-iso', 'cat', folder / 'node-7.iso',
             '/site.conf'], capture_output=True, text=True)
        self.assertEqual('dc=7', shown.stdout)
