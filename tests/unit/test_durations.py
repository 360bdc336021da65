# SPDX-License-Identifier: Apache-2.0

"""What is kept of how long tests take."""

import importlib.util
import io
import pathlib

import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SPEC = importlib.util.spec_from_file_location(
    'durations', _ROOT / 'tools/test_durations.py')
durations = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(durations)


class DurationsTestCase(testtools.TestCase):

    def test_a_stream_says_what_is_kept(self):
        kept = {'tests.e2e.test_a.B.test_c': 7.0, 'tests.e2e.test_d.E.f': 90.0}
        stream = io.BytesIO()
        durations.stream(kept, stream)
        stream.seek(0)
        self.assertEqual(kept, durations.durations_of(stream))

    def test_the_modules_that_are_kept_are_there(self):
        lines = (_ROOT / 'tools/test_durations.txt').read_text().splitlines()
        self.assertTrue(lines)
        gone = {module for name in durations.read(lines)
                if not (_ROOT / (module := '/'.join(name.split('.')[:3])
                                 + '.py')).exists()}
        self.assertEqual(set(), gone)
