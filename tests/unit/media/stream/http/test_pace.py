# SPDX-License-Identifier: Apache-2.0

"""Tests for the pace of a reader."""

import testtools

from ironic_ext.media.stream.http import pace


class PaceTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.pace = pace.Pace(100.0, 60, 256)

    def test_nobody_is_slow_before_a_window_is_over(self):
        self.assertFalse(self.pace.is_slow(159.0, 0))

    def test_the_rate_is_that_of_the_window(self):
        self.assertFalse(self.pace.is_slow(160.0, 60 * 256))
        self.assertTrue(self.pace.is_slow(220.0, 60 * 256 + 1))

    def test_a_longer_window_asks_for_more(self):
        self.assertTrue(self.pace.is_slow(220.0, 60 * 256))

    def test_a_rest_is_not_counted(self):
        self.pace.rest(5000.0, 10)
        self.assertFalse(self.pace.is_due(5059.0))
        self.assertFalse(self.pace.is_slow(5060.0, 10 + 60 * 256))

    def test_without_a_minimum_nobody_is_slow(self):
        self.assertFalse(pace.Pace(0.0, 60, 0).is_slow(1000.0, 0))

    def test_one_byte_is_an_advance(self):
        self.assertTrue(self.pace.advances(0))
        self.assertFalse(self.pace.advances(0))
        self.assertTrue(self.pace.advances(1))
