# SPDX-License-Identifier: Apache-2.0

"""The commands of a contributor: make, the linters, git's hooks."""

import configparser
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import testtools
import yaml

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class CommandsTestCase(testtools.TestCase):

    def test_a_commit_is_checked_as_the_lint_environment_checks(self):
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(_ROOT / 'tox.ini')
        checks = [line.split()[0] for line
                  in tox['testenv:pep8']['commands'].split('\n') if line]
        hooks = yaml.safe_load(
            (_ROOT / '.pre-commit-config.yaml').read_text())
        repos = hooks['repos']
        self.assertEqual(['local'], [repo['repo'] for repo in repos])
        self.assertEqual([f'.tox/pep8/bin/{check}' for check in checks],
                         [hook['entry'] for hook in repos[0]['hooks']])

    def test_make_helps_with_each_of_its_targets(self):
        text = (_ROOT / 'Makefile').read_text()
        targets = re.search(r'\.PHONY: ((?:.*\\\n)*.*)', text)[1]
        shown = set(re.findall(r'make ([\w-]+)', _help(text)))
        self.assertEqual(
            set(targets.replace('\\', '').split()) - {'help'}, shown)

    def test_the_loop_without_machines_has_none(self):
        booting = [path.name for suite in ('functional', 'journeys')
                   for path in (_ROOT / 'tests' / suite).glob('*.py')
                   if re.search('qemu-system|tests import guest',
                                path.read_text())]
        self.assertEqual([], booting, 'what boots belongs into tests/e2e')

    def test_make_and_the_pages_name_commands_that_exist(self):
        if not shutil.which('make'):
            raise unittest.SkipTest('there is no make')
        for page in ('README.rst', 'CONTRIBUTING.rst',
                     'doc/source/contributor/development.rst'):
            text = (_ROOT / page).read_text()
            named = set(re.findall(
                r'(?:``|    )(?:[A-Z]+=1 )?make ([a-z][\w-]*)', text))
            self.assertNotEqual(set(), named, page)
            for target in sorted(named):
                done = subprocess.run(
                    ['make', '--dry-run', target], cwd=_ROOT,
                    stdin=subprocess.DEVNULL, capture_output=True, text=True)
                self.assertEqual(0, done.returncode, done.stderr)

    def test_make_helps_with_a_trial_that_has_no_image(self):
        if not shutil.which('make'):
            raise unittest.SkipTest('there is no make')
        for given, run in (('ARGS=--help', 'tests.bootc_e2e.trial'),
                           ('IMAGE=a/b:c', 'tests.bootc_e2e.trial a/b:c'),
                           ('', 'tools/run-tests.sh bootc_e2e')):
            done = subprocess.run(
                ['make', '--dry-run', 'e2e-bootc', *given.split()],
                cwd=_ROOT, stdin=subprocess.DEVNULL, capture_output=True,
                text=True)
            self.assertIn(run, done.stdout)


class SetupTestCase(testtools.TestCase):
    """tools/setup.sh, with an environment that is made up."""

    _PROGRAM = '.venv/bin/ironic-media-server'

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        files = ('tools/setup.sh', 'setup.cfg', 'setup.py',
                 'requirements.txt', 'lab/requirements.txt',
                 'constraints.txt')
        for name in files:
            (self.root / name).parent.mkdir(exist_ok=True)
            shutil.copy(_ROOT / name, self.root / name)
        (self.root / '.venv/bin').mkdir(parents=True)
        for name, does in (('python', ''), ('bindep', ''), (
                'pip', 'echo "$@" >> pip.log')):
            self._write(f'.venv/bin/{name}', does)
        self._write(self._PROGRAM, '')
        (self.root / '.venv/installed').write_bytes(subprocess.run(
            ['sha256sum', *files[1:]], cwd=self.root, check=True,
            stdin=subprocess.DEVNULL, capture_output=True).stdout)

    def _write(self, name, does):
        path = self.root / name
        path.write_text(f'#!/bin/sh\n{does}\n')
        path.chmod(0o755)

    def installed(self):
        """Run it; return what pip was asked for."""
        done = subprocess.run(
            [str(self.root / 'tools/setup.sh'), 'test'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        log = self.root / 'pip.log'
        return log.read_text().splitlines() if log.exists() else []

    def test_nothing_is_done_when_all_is_there(self):
        self.assertEqual([], self.installed())

    def test_what_was_uninstalled_is_installed_again(self):
        (self.root / self._PROGRAM).unlink()
        asked, = self.installed()
        self.assertTrue(asked.endswith(' --no-deps -e .'), asked)


def _help(makefile: str) -> str:
    return makefile.split('\nhelp:\n', 1)[1].split('\n\n', 1)[0]
