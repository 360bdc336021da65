# SPDX-License-Identifier: Apache-2.0

"""Tests for how slow a server may be."""

import testtools

from ironic_ext.images.http import pace


class FloorTestCase(testtools.TestCase):

    def given_up_at(self, received, rate=10, window=100):
        """Return when a download is given up; None for not in an hour."""
        floor = pace.Floor(rate, window, 0.0)
        return next((now for now in range(3600)
                     if not floor.holds(received(now), float(now))), None)

    def test_a_server_that_is_fast_enough_goes_on(self):
        self.assertIsNone(self.given_up_at(lambda now: 11 * now))

    def test_one_that_dribbles_is_given_up_after_a_window(self):
        self.assertEqual(100, self.given_up_at(lambda now: 9 * now))

    def test_an_hour_of_speed_is_no_licence_to_dribble(self):
        self.assertIn(self.given_up_at(lambda now: 10000 * min(now, 500)),
                      range(600, 621))

    def test_a_pause_is_no_reason(self):
        self.assertIsNone(self.given_up_at(
            lambda now: 1000 * (now - now % 90)))

    def test_without_a_rate_anything_goes(self):
        self.assertIsNone(self.given_up_at(lambda now: 0, rate=0))
