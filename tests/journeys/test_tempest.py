# SPDX-License-Identifier: Apache-2.0

"""The plugin of tempest, by real tempest, with Keystone and its roles.

The machine alone is made up: its BMC reads what it is given.
"""

import pathlib
import re
import subprocess
import sys

import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class TempestTestCase(testtools.TestCase):

    def test_what_a_machine_need_not_show_passes(self):
        done = subprocess.run(
            [sys.executable, '-m', 'tests.tempest', '--made-up'], cwd=_ROOT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.assertEqual(0, done.returncode, done.stdout[-20000:])
        counts = {name: int(count) for name, count in re.findall(
            r' - (Passed|Skipped|Failed): (\d+)', done.stdout)}
        self.assertEqual({'Passed': 10, 'Skipped': 3, 'Failed': 0}, counts,
                         done.stdout[-20000:])
