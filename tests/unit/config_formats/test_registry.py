# SPDX-License-Identifier: Apache-2.0

"""Formats that other packages bring, in a process of their own."""

import os
import pathlib
import subprocess
import sys

import fixtures
import testtools

from tests.unit.docs import pages

_FORMAT = 'contributor/examples/site_answers.py'
_ASK = ('import sys\nfrom ironic_ext.config_formats import registry\n'
        'try:\n    print(registry.format_for(sys.argv[1]).title)\n'
        'except Exception as exc:\n    print(exc)\n')


class RegistryTestCase(testtools.TestCase):

    def ask(self, name: str, text: str) -> tuple[str, str]:
        """Return what is said of a format, and what is logged meanwhile.

        :param text: of the module that brings it, ``site_answers``.
        """
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'site_answers.py').write_text(text)
        # As in an environment without what some of our formats need.
        (folder / 'yaml.py').write_text('raise ImportError("no PyYAML")\n')
        info = folder / 'site_answers-1.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text('Name: site-answers\nVersion: 1\n')
        (info / 'entry_points.txt').write_text(
            '[ironic_ext.boot_config_formats]\n'
            'site-answers = site_answers:SiteAnswersFormat\n')
        done = subprocess.run(
            [sys.executable, '-c', _ASK, name], capture_output=True,
            text=True, env={**os.environ, 'XDG_CACHE_HOME': str(folder),
                            'PYTHONPATH': os.pathsep.join((
                                str(folder), str(pages.ROOT)))})
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout.strip(), done.stderr.strip()

    def test_those_of_others_are_found_without_a_word_of_ours(self):
        text = (pages.SOURCE / _FORMAT).read_text()
        self.assertEqual(('site answers', ''),
                         self.ask('site-answers', text))
        said, logged = self.ask('site-answer', text)
        self.assertIn('use "site-answers"', said)
        self.assertEqual('', logged)

    def test_one_that_cannot_be_loaded_is_said_by_its_name(self):
        said, logged = self.ask('site-answers', 'import no_such_module\n')
        self.assertIn('is unknown', said)
        self.assertEqual(
            'The boot config format site-answers cannot be loaded: No module '
            "named 'no_such_module'", logged)

    def test_one_for_another_version_is_left_out(self):
        text = (pages.SOURCE / _FORMAT).read_text()
        said, logged = self.ask('site-answers', text.replace(
            'interface = 1', 'interface = 2'))
        self.assertIn('is unknown', said)
        self.assertIn('written for version 2', logged)
