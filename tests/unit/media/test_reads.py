# SPDX-License-Identifier: Apache-2.0

"""Tests for the statistics of what was read of a medium."""

import testtools

from ironic_ext.media import reads
from tests.unit.media import database


class ReadsTestCase(testtools.TestCase):

    def test_reports_add_up(self):
        seen = reads.Reads()
        for at, ranges in ((100.0, [(0, 10)]), (103.0, [(5, 20)]),
                           (101.0, [(50, 60), (70, 80)])):
            seen = seen.plus(database.report(1, *ranges, at=at))
        self.assertEqual(99.0, seen.first_at)
        self.assertEqual(103.0, seen.last_at)
        self.assertEqual(45, seen.sent)
        self.assertEqual(4, seen.requests)
        self.assertEqual(((0, 20), (50, 60), (70, 80)), seen.ranges)
        self.assertEqual(40, seen.distinct)

    def test_the_last_reader_is_named_whatever_order_reports_come_in(self):
        seen = reads.Reads().plus(
            database.report(1, (0, 1), at=9.0, client='b')).plus(
            database.report(1, (0, 1), at=5.0, client='a'))
        self.assertEqual('b', seen.client)

    def test_the_rate_is_that_of_the_last_seconds(self):
        seen = reads.Reads()
        for second in range(1, 5):
            seen = seen.plus(database.report(1, (0, 1000),
                                             at=float(second)))
        self.assertEqual(1000, seen.rate(4.5))
        self.assertEqual(0, seen.rate(60))
        later = seen.plus(database.report(1, (0, 5000), at=1000.0))
        self.assertEqual(5000, later.rate(1000.0))

    def test_very_many_ranges_are_bounded(self):
        seen = reads.Reads()
        for start in (0, 1):
            seen = seen.plus(database.report(1, *(
                (n * 10, n * 10 + 5)
                for n in range(start, 3 * reads.MAX_RANGES, 2))))
        self.assertEqual(reads.MAX_RANGES, len(seen.ranges))
        self.assertGreaterEqual(seen.distinct, 15 * reads.MAX_RANGES)

    def test_what_was_never_read_has_no_rate(self):
        self.assertEqual(0, reads.Reads().rate(5))
