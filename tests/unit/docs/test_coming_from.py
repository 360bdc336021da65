# SPDX-License-Identifier: Apache-2.0

"""Tests that what the page for those of other tools names is there."""

import contextlib
import io
import re

import testtools

from ironic_ext.cli import iso
from tests.unit.docs import pages

_ROW = re.compile(
    r'^   \* - ((?:.|\n)+?)\n     - (.+)\n     - ((?:.|\n)+?)'
    r'(?=\n   \* |\n\n)', re.MULTILINE)


class ComingFromPageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        page = pages.read('user/coming-from') + '\n'
        self.rows = [row for row in _ROW.findall(page) if row[0] != 'Habit']
        self.assertEqual(page.count('\n   * - ') - page.count('* - Habit'),
                         len(self.rows))

    def test_each_habit_is_there_or_is_not(self):
        self.assertEqual({'has', 'has not'}, {row[1] for row in self.rows})

    def test_options_of_ironic_iso_are_ones(self):
        printed = io.StringIO()
        commands = {'inject'} | {
            word for row in self.rows
            for word in re.findall(r'``ironic-iso (\w+)', row[2])}
        with contextlib.redirect_stdout(printed):
            for command in commands:
                with contextlib.suppress(SystemExit):
                    iso.main([command, '--help'])
                self.assertIn(f'usage: ironic-iso {command}',
                              printed.getvalue())
        # With mkksiso and coreos-installer, all options are of inject.
        told = {option for row in self.rows
                if 'ironic-iso inject' in row[2] or row[0].startswith('``--a')
                for option in re.findall(r'(--[a-z-]+)', row[2])}
        self.assertTrue(told)
        self.assertEqual([], [option for option in told
                              if option not in printed.getvalue()])

    def test_each_place_of_what_there_is_names_something(self):
        self.assertEqual([], [row[0] for row in self.rows
                              if '``' not in row[2] and ':doc:' not in row[2]
                              and row[1] == 'has'])
