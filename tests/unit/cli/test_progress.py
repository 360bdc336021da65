# SPDX-License-Identifier: Apache-2.0

"""The progress bar."""

import io

import testtools

from ironic_ext.cli import progress


class _Terminal(io.StringIO):

    def isatty(self):
        return True


class _Clock:

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class ProgressTestCase(testtools.TestCase):

    def _bar(self, stream, total=1000):
        self.clock = _Clock()
        return progress.Progress(total, 'writing', stream, clock=self.clock)

    def test_work_of_less_than_a_second_draws_nothing(self):
        stream = _Terminal()
        with self._bar(stream) as bar:
            for _ in range(9):
                self.clock.now += 0.1
                bar(100)
        self.assertEqual('', stream.getvalue())

    def test_longer_work_shows_its_share_and_leaves_a_clean_line(self):
        stream = _Terminal()
        with self._bar(stream) as bar:
            self.clock.now += 2
            bar(500)
            self.assertIn(' 50%', stream.getvalue())
            self.assertIn('250 bytes/s', stream.getvalue())
        self.assertTrue(stream.getvalue().endswith('\r\x1b[K'))

    def test_it_redraws_at_most_ten_times_a_second(self):
        stream = _Terminal()
        with self._bar(stream) as bar:
            self.clock.now += 2
            for _ in range(10):
                self.clock.now += 0.01
                bar(1)
            self.assertEqual(1, stream.getvalue().count('writing'))

    def test_a_file_or_pipe_gets_no_bar(self):
        stream = io.StringIO()
        with self._bar(stream) as bar:
            self.clock.now += 5
            bar(500)
        self.assertEqual('', stream.getvalue())

    def test_no_total_is_no_division_by_zero(self):
        stream = _Terminal()
        with self._bar(stream, total=0) as bar:
            self.clock.now += 2
            bar(0)
        self.assertIn('100%', stream.getvalue())


class SizeTextTestCase(testtools.TestCase):

    def test_sizes_have_the_unit_that_fits(self):
        for count, text in ((0, '0 bytes'), (1023, '1023 bytes'),
                            (1024, '1.0 KiB'), (1536 << 10, '1.5 MiB'),
                            (5 << 30, '5.0 GiB'), (3 << 40, '3.0 TiB')):
            self.assertEqual(text, progress.size_text(count))
