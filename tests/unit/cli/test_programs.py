# SPDX-License-Identifier: Apache-2.0

"""The programs where their extras are missing."""

import configparser
import pathlib
import subprocess
import sys

import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[3]

# As in the base install: nothing can be imported but the standard library and
# the suite.
_BARE = '''
import sys
sys.path[:] = [path for path in sys.path if 'site-packages' not in path]
sys.meta_path[:] = [
    finder for finder in sys.meta_path
    if getattr(finder, '__module__', type(finder).__module__).startswith(
        ('_frozen_importlib', 'zipimport'))]
sys.path.insert(0, {root!r})
sys.argv = [{name!r}, '--help']
from {module} import {function}
sys.exit({function}())
'''


def programs():
    """Return the programs of the distribution: name, module and function."""
    config = configparser.ConfigParser()
    config.read(_ROOT / 'setup.cfg')
    scripts = config['entry_points']['console_scripts'].strip()
    for line in scripts.splitlines():
        name, _, target = line.partition('=')
        yield name.strip(), *target.strip().split(':')


class ProgramsTestCase(testtools.TestCase):
    """The base install."""

    def test_each_runs_or_names_the_extra_that_it_needs(self):
        for name, module, function in programs():
            found = subprocess.run(
                [sys.executable, '-S', '-c', _BARE.format(
                    root=str(_ROOT), name=name, module=module,
                    function=function)],
                capture_output=True, text=True)
            if name == 'ironic-iso':
                self.assertEqual(0, found.returncode, found.stderr)
                self.assertIn('usage:', found.stdout)
                continue
            self.assertEqual(1, found.returncode, (name, found.stderr))
            self.assertEqual(1, len(found.stderr.splitlines()),
                             (name, found.stderr))
            self.assertRegex(
                found.stderr, rf'^{name}: \w+ is not installed: this program '
                r'needs the extra "(conductor|server|client)", as in pip '
                r"install '\.\[\1\]'")
