# SPDX-License-Identifier: Apache-2.0

"""Byte ranges: whatever comes, they cover the same bytes and stay apart."""

import random

import testtools

from ironic_ext import spans


class JoinedTest(testtools.TestCase):

    def test_what_touches_or_overlaps_is_one_range(self):
        self.assertEqual(((0, 20), (30, 40)), spans.joined(
            [(30, 40), (10, 20), (0, 10), (5, 12), (0, 1), (7, 7)]))
        self.assertEqual((), spans.joined([]))

    def test_random_ranges_cover_the_same_bytes(self):
        rng = random.Random(5)
        for _ in range(300):
            found = [(first, first + rng.randrange(30)) for first in (
                rng.randrange(200) for _ in range(rng.randrange(20)))]
            joined = spans.joined(found)
            expected = {byte for span in found for byte in range(*span)}
            self.assertEqual(sorted(expected), [
                byte for span in joined for byte in range(*span)])
            self.assertEqual(len(expected), spans.total(joined))
            for one, other in zip(joined, joined[1:]):
                self.assertLess(one[1], other[0])

    def test_of_too_many_ranges_the_small_gaps_are_closed(self):
        found = [(0, 10), (11, 20), (100, 110), (112, 120), (500, 510)]
        self.assertEqual(((0, 20), (100, 120), (500, 510)),
                         spans.joined(found, 3))
        self.assertEqual(((0, 510),), spans.joined(found, 1))


class SpansTest(testtools.TestCase):

    def test_spans_are_joined_whatever_their_order(self):
        chance = random.Random(1)
        bounds = sorted(chance.sample(range(1, 1000), 50))
        pieces = list(zip([0, *bounds], [*bounds, 1000], strict=True))
        for _round in range(20):
            chance.shuffle(pieces)
            found = spans.Spans()
            for number, piece in enumerate(pieces):
                found.add(*piece)
                done = pieces[:number + 1]
                self.assertEqual(sum(end - start for start, end in done),
                                 found.total)
                missing = sum(end - start
                              for start, end in found.missing(1000))
                self.assertEqual(1000 - found.total, missing)
            self.assertEqual(((0, 1000),), found.spans)
            self.assertEqual(1000, found.head)
            self.assertEqual([], found.missing(1000))

    def test_overlaps_count_once(self):
        found = spans.Spans([(0, 10), (5, 20), (30, 40)])
        self.assertEqual(((0, 20), (30, 40)), found.spans)
        self.assertEqual([(20, 30), (40, 45)], found.missing(45))
        self.assertEqual(0, spans.Spans([(5, 9)]).head)
