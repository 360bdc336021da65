# SPDX-License-Identifier: Apache-2.0

"""The counts that a test run ends with."""

import contextlib
import io
import pathlib
import runpy
import sys
import tempfile
import unittest.mock

import subunit
import testtools

_SCRIPT = pathlib.Path(__file__).resolve().parents[2] / 'tools/count_tests.py'


class CountTestsTestCase(testtools.TestCase):

    def count(self, *statuses: str | None,
              reason: bytes | None = None,
              traceback: bytes | None = None) -> tuple[int, list[str]]:
        """Count tests of these last statuses; None: it never ended."""
        stream = io.BytesIO()
        output = subunit.StreamResultToBytes(stream)
        for number, status in enumerate(statuses):
            name = f'test{number}'
            output.status(test_id=name, test_status='inprogress')
            if status == 'skip' and reason:
                output.status(
                    test_id=name, file_name='reason', file_bytes=reason,
                    mime_type='text/plain; charset=utf8', eof=True)
            if status == 'fail' and traceback:
                output.status(
                    test_id=name, file_name='traceback',
                    file_bytes=traceback,
                    mime_type='text/x-traceback; charset=utf8', eof=True)
            if status:
                output.status(test_id=name, test_status=status)
        with tempfile.NamedTemporaryFile() as file:
            file.write(stream.getvalue())
            file.flush()
            said = io.StringIO()
            # As a process of its own would take most of the time to start.
            with (unittest.mock.patch.object(sys, 'argv',
                                             [str(_SCRIPT), file.name]),
                  contextlib.redirect_stdout(said)):
                end = self.assertRaises(SystemExit, runpy.run_path,
                                        str(_SCRIPT), run_name='__main__')
        return end.code, said.getvalue().splitlines()

    def test_all_passed(self):
        self.assertEqual((0, ['2 passed, 0 failed, 0 skipped']),
                         self.count('success', 'success'))

    def test_a_failure_and_a_test_that_never_ended_count_as_failed(self):
        self.assertEqual(
            (1, ['failed: test1: no traceback (fail)',
                 'failed: test2: no traceback (inprogress)',
                 '1 passed, 2 failed, 0 skipped']),
            self.count('success', 'fail', None))

    def test_a_failed_test_is_listed_with_the_end_of_its_traceback(self):
        code, lines = self.count('fail', traceback=b"""\
Traceback (most recent call last):
  File "outer.py", line 1, in run
    call()
  File "inner.py", line 2, in call
    fail()
LabError: the lab
did not start""")
        self.assertEqual(1, code)
        self.assertEqual(
            'failed: test0: File "inner.py", line 2, in call fail() '
            'LabError: the lab did not start', lines[0])

    def test_a_skipped_test_is_listed_with_its_reason(self):
        code, lines = self.count('success', 'skip',
                                 reason=b'no loop\n  device')
        self.assertEqual(0, code)
        self.assertEqual(['skipped: test1: no loop device',
                          '1 passed, 0 failed, 1 skipped'], lines)

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual((1, ['0 passed, 0 failed, 0 skipped']),
                         self.count())
