# SPDX-License-Identifier: Apache-2.0

"""A minute of the fuzzer; ``make fuzz`` gives it an hour."""

import pathlib
import subprocess
import sys

import fixtures
import testtools

_ROOT = pathlib.Path(__file__).parents[2]
_SECONDS = 60


class FuzzTest(testtools.TestCase):

    def run_fuzzer(self, *words: str | pathlib.Path
                   ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, '-m', 'tests.fuzz', *words], cwd=_ROOT,
            capture_output=True, text=True)

    def test_nearly_right_inputs_are_read_or_refused(self) -> None:
        done = self.run_fuzzer('--seconds', str(_SECONDS), '--seed', '1')
        self.assertEqual(0, done.returncode,
                         done.stdout[-5000:] + done.stderr[-2000:])
        self.assertIn('0 findings', done.stdout)

    def test_an_input_that_breaks_a_rule_is_found_again(self) -> None:
        """A target of the fuzzer itself breaks one."""
        kept = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path = kept / 'cpio-0'
        path.write_bytes(b'070701')
        done = self.run_fuzzer('--replay', path)
        self.assertEqual((0, 'nothing is wrong\n'),
                         (done.returncode, done.stdout))
        broken = subprocess.run(
            [sys.executable, '-c', 'from tests.fuzz import __main__, '
             'targets; import dataclasses, sys; '
             't = dataclasses.replace(targets.TARGETS["cpio"], '
             'run=lambda data: data[99999]); '
             'targets.TARGETS["cpio"] = t; '
             f'sys.exit(__main__.main(["--replay", {str(path)!r}]))'],
            cwd=_ROOT, capture_output=True, text=True)
        self.assertEqual(1, broken.returncode, broken.stderr)
        self.assertIn('IndexError', broken.stdout)
