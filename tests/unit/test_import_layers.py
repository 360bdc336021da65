# SPDX-License-Identifier: Apache-2.0

"""The house's floors: which package may import which, see .importlinter."""

import pathlib
import subprocess
import sys

import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class ImportLayersTestCase(testtools.TestCase):

    def test_imports_run_downwards_only(self):
        result = subprocess.run(
            [sys.executable, '-c', 'import sys; from importlinter import cli;'
             'sys.exit(cli.lint_imports(no_cache=True))'],
            cwd=_ROOT, stdin=subprocess.DEVNULL, capture_output=True,
            text=True)
        self.assertEqual(0, result.returncode, result.stdout + result.stderr)
