# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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
