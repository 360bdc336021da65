# SPDX-License-Identifier: Apache-2.0

"""How far a download is, and who is told when."""

import fixtures
import testtools

from ironic_ext.images import errors
from ironic_ext.images import progress

_MIB = 1 << 20


class ReporterTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        self.now = 100.0
        self.seen = []
        self.reporter = self.new_reporter(self.seen.append)

    def new_reporter(self, observer):
        return progress.Reporter('http://x/a.iso', observer,
                                 clock=lambda: self.now)

    def download(self, seconds, rate, step=0.25):
        self.reporter.begin(0, int(seconds * rate))
        for number in range(1, int(seconds / step) + 1):
            self.now += step
            self.reporter.note(int(number * step * rate))
        self.reporter.end(failed=False)

    def test_the_observer_is_told_once_a_second_and_at_the_end(self):
        self.download(5, 10 * _MIB)
        self.assertEqual([0, 10, 20, 30, 40, 50, 50],
                         [p.received // _MIB for p in self.seen])
        self.assertEqual({'downloading', 'done'},
                         {p.phase for p in self.seen})
        self.assertEqual(10 * _MIB, self.seen[-2].rate)

    def test_the_log_has_the_start_the_end_and_every_ten_seconds(self):
        self.download(35, 10 * _MIB)
        lines = self.log.output.splitlines()
        self.assertEqual(5, len(lines), lines)
        self.assertIn('350.0 MiB', lines[0])
        self.assertIn('28 % of 350.0 MiB, 10.0 MiB/s, 25 s left', lines[1])
        self.assertIn('is here: 350.0 MiB in 35.0 s', lines[-1])

    def test_an_observer_ends_a_download_and_hears_of_it(self):
        def observe(seen):
            self.seen.append(seen.phase)
            if seen.received > 5:
                raise errors.StoppedError('enough')

        reporter = self.new_reporter(observe)
        reporter.begin(0, 100)
        self.now += 1
        reporter.note(5)
        self.now += 1
        self.assertRaises(errors.StoppedError, reporter.note, 6)
        reporter.end(failed=True)
        self.assertEqual(['downloading', 'downloading', 'downloading',
                          'failed'], self.seen)

    def test_the_rate_is_that_of_the_last_seconds(self):
        self.reporter.begin(0, None)
        for number in range(1, 40):
            self.now += 1
            self.reporter.note(number * 1000 if number < 20 else 19000)
        self.assertEqual(0, self.seen[-1].rate)
        self.assertIsNone(self.seen[-1].percent)
        self.assertIsNone(self.seen[-1].seconds_left)

    def test_bytes_kept_from_an_earlier_try_count_as_received(self):
        self.reporter.begin(50 * _MIB, 100 * _MIB)
        self.assertEqual(50, self.seen[0].percent)
        self.assertIn('50.0 MiB are here already', self.log.output)
        self.now += 1
        self.reporter.note(60 * _MIB)
        self.assertEqual(10 * _MIB, self.seen[-1].rate)
        self.reporter.end(failed=True)
        self.assertIn('failed: 10.0 MiB in 1.0 s', self.log.output)

    def test_a_hit_is_told_once_and_not_logged(self):
        self.reporter.end(failed=False)
        self.assertEqual(['done'], [p.phase for p in self.seen])
        self.assertEqual('', self.log.output)

    def test_waiting_is_told_with_what_the_other_one_has(self):
        for received in (1, 2, 3):
            self.reporter.waiting(received * _MIB, 10 * _MIB)
            self.now += 1
        self.assertEqual([(10, 'waiting'), (20, 'waiting'),
                          (30, 'waiting')],
                         [(p.percent, p.phase) for p in self.seen])
        self.assertEqual(1, self.log.output.count('Waiting'))

    def test_an_observer_that_fails_is_not_called_again(self):
        calls = []

        def observer(_progress):
            calls.append(1)
            raise ValueError('no')

        self.reporter = self.new_reporter(observer)
        self.download(5, _MIB)
        self.assertEqual(1, len(calls))
        self.assertIn('is here', self.log.output)
