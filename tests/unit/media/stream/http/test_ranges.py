# SPDX-License-Identifier: Apache-2.0

"""Tests for the Range header, against RFC 9110, section 14."""

import random

import testtools

from ironic_ext.media.stream.http import ranges

SIZE = 10000


class RangesTest(testtools.TestCase):

    def _parsed(self, value, size=SIZE):
        found = ranges.parse(value, size)
        return found if found is None else list(found)

    def _is_refused(self, value, size=SIZE):
        self.assertRaises(ranges.RangeError, ranges.parse, value, size)

    def test_the_examples_of_the_standard(self):
        for value, expected in (
                (b'bytes=0-499', [(0, 500)]),
                (b'bytes=500-999', [(500, 1000)]),
                (b'bytes=-500', [(9500, 10000)]),
                (b'bytes=9500-', [(9500, 10000)]),
                (b'bytes=0-0,-1', [(0, 1), (9999, 10000)]),
                (b'bytes= 0-999, 4500-5499, -1000',
                 [(0, 1000), (4500, 5500), (9000, 10000)]),
                (b'bytes=500-600,601-999', [(500, 601), (601, 1000)]),
                (b'bytes=500-700,601-999', [(500, 1000)])):
            self.assertEqual(expected, self._parsed(value), value)

    def test_a_range_ends_where_the_image_does(self):
        self.assertEqual([(9990, 10000)], self._parsed(b'bytes=9990-20000'))
        self.assertEqual([(0, 10000)], self._parsed(b'bytes=0-99999999'))
        self.assertEqual([(0, 10000)], self._parsed(b'bytes=-99999999'))

    def test_the_unit_is_case_insensitive(self):
        self.assertEqual([(0, 1)], self._parsed(b'Bytes=0-0'))

    def test_an_unknown_unit_is_ignored(self):
        self.assertIsNone(self._parsed(b'sectors=0-1'))
        self.assertIsNone(self._parsed(b'none=x'))

    def test_ranges_keep_their_order_unless_they_overlap(self):
        self.assertEqual([(50, 60), (0, 10)],
                         self._parsed(b'bytes=50-59,0-9'))
        self.assertEqual([(0, 60)], self._parsed(b'bytes=9-59,0-9'))

    def test_what_lies_behind_the_end_is_left_out(self):
        self.assertEqual([(0, 1)], self._parsed(b'bytes=0-0,10000-10001'))

    def test_nothing_within_the_image_is_refused(self):
        for value in (b'bytes=10000-', b'bytes=10000-10001', b'bytes=-0',
                      b'bytes=-0,10000-', b'bytes=99999999999999999999-'):
            self._is_refused(value)

    def test_no_range_of_an_empty_image_can_be_had(self):
        for value in (b'bytes=0-', b'bytes=0-0', b'bytes=-1'):
            self._is_refused(value, 0)

    def test_malformed_ranges_are_refused_not_answered_with_everything(self):
        for value in (b'', b'bytes', b'bytes=', b'bytes=,', b'bytes=-',
                      b'bytes=a-b', b'bytes=1', b'bytes=1-2-3',
                      b'bytes=5-4', b'bytes=0-1;2-3', b'bytes=0-1 2-3',
                      b'bytes=--1', b'bytes=+1-2', b'bytes=0x1-2',
                      b'bytes=1-2,x', b'bytes=1_0-2_0', b'=0-1',
                      b'bytes=0-1, bytes=2-3', b'bytes=1-2\n',
                      b'bytes=\xb2-\xb3', b'by tes=0-1', b'0-1'):
            self._is_refused(value)

    def test_empty_list_elements_are_tolerated(self):
        self.assertEqual([(0, 1), (5, 6)],
                         self._parsed(b'bytes=,0-0 ,,\t5-5,'))

    def test_absurd_numbers_do_no_harm(self):
        digits = b'9' * 15000
        self.assertEqual([(1, SIZE)], self._parsed(b'bytes=1-' + digits))
        self.assertEqual([(0, SIZE)], self._parsed(b'bytes=-' + digits))
        self._is_refused(b'bytes=' + digits + b'-')
        self.assertEqual(
            [(7, 9)], self._parsed(b'bytes=' + b'0' * 5000 + b'7-8'))

    def test_many_ranges_are_refused(self):
        few = b','.join(b'%d-%d' % (n * 10, n * 10) for n in range(64))
        self.assertEqual(64, len(self._parsed(b'bytes=' + few)))
        for count in (65, 5000):
            many = b','.join(b'0-' for n in range(count))
            self._is_refused(b'bytes=' + many)

    def test_overlaps_never_ask_for_more_than_the_image(self):
        value = b'bytes=' + b','.join(b'%d-' % n for n in range(64))
        self.assertEqual([(0, SIZE)], self._parsed(value))

    def test_random_headers_agree_with_a_plain_reading(self):
        rng = random.Random(4)
        for _ in range(2000):
            size = rng.choice((1, 2, 100))
            wanted, specs = [], []
            for _ in range(rng.randrange(1, 5)):
                first, last = rng.randrange(110), rng.randrange(110)
                kind = rng.randrange(3)
                if kind == 0:
                    specs.append(f'-{last}')
                    wanted.append(range(max(0, size - last), size))
                elif kind == 1:
                    specs.append(f'{first}-')
                    wanted.append(range(first, size))
                else:
                    specs.append(f'{first}-{first + last}')
                    wanted.append(range(first, min(size, first + last + 1)))
            expected = set().union(*wanted)
            value = ('bytes=' + ','.join(specs)).encode()
            if not expected:
                self._is_refused(value, size)
                continue
            found = [position for first, end in self._parsed(value, size)
                     for position in range(first, end)]
            self.assertEqual(sorted(expected), sorted(found), value)
