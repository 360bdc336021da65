# SPDX-License-Identifier: Apache-2.0

"""Tests that pages of tutorials show all of the scripts that are run."""

import re

import testtools

from tests.unit.docs import pages

_TUTORIALS = pages.SOURCE / 'user/tutorials'


class TutorialsTestCase(testtools.TestCase):

    def test_a_page_shows_its_script_whole_and_in_its_order(self):
        scripts = sorted(_TUTORIALS.glob('*.sh'))
        self.assertTrue(scripts)
        for script in scripts:
            marks = re.findall(r'^# \[(\w+)\]$', script.read_text(),
                               re.MULTILINE)
            self.assertEqual('end', marks[-1])
            page = script.with_suffix('.rst').read_text()
            self.assertEqual(
                list(zip(marks, marks[1:])),
                re.findall(rf'literalinclude:: {script.name}\n.*\n'
                           r' +:start-after: \[(\w+)\]\n'
                           r' +:end-before: # \[(\w+)\]', page),
                script.name)

    def test_every_page_is_listed_and_every_script_is_run(self):
        names = {path.stem for path in _TUTORIALS.glob('*.sh')}
        listed = set(re.findall(r'^   ([\w-]+)$', pages.read(
            'user/tutorials/index'), re.MULTILINE))
        self.assertEqual(names, listed)
        run = (pages.ROOT / 'tests/journeys/test_tutorials.py').read_text()
        self.assertEqual(names, set(re.findall(
            r"self\.run_tutorial\(\s*'([\w-]+)'", run)))
