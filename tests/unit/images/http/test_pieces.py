# SPDX-License-Identifier: Apache-2.0

"""Tests of the plan of a download: pieces, growth, waits."""

import random

import fixtures
from oslotest import base

from ironic_ext.images import errors
from ironic_ext.images.http import errors as http_errors
from ironic_ext.images.http import pieces as http_pieces
from ironic_ext.images.http import retry as http_retry
from ironic_ext.images import settings as image_settings


class MissingTestCase(base.BaseTestCase):

    def spans(self, pieces):
        return [(piece.start, piece.end) for piece in pieces]

    def test_pieces_are_taken_in_order(self):
        missing = http_pieces.Missing([(10, 25), (30, 40)])
        taken = [missing.take(10) for _ in range(4)]
        self.assertIsNone(taken.pop())
        self.assertEqual([(10, 20), (20, 25), (30, 40)], self.spans(taken))

    def test_what_is_given_back_is_taken_first(self):
        missing = http_pieces.Missing([(0, 100)])
        piece = missing.take(50)
        missing.take(10)
        piece.start = 20
        missing.give_back([piece])
        self.assertEqual([(20, 50), (60, 100)], self.spans(
            [missing.take(), missing.take()]))

    def test_neighbours_given_back_become_one(self):
        missing = http_pieces.Missing([(0, 100)])
        pieces = [missing.take(30), missing.take(30)]
        missing.give_back(reversed(pieces))
        self.assertEqual([(0, 100)], self.spans([missing.take()]))

    def test_a_piece_that_is_done_leaves_nothing(self):
        missing = http_pieces.Missing([(0, 100)])
        piece = missing.take()
        piece.start = piece.end
        missing.give_back([piece])
        self.assertIsNone(missing.take())

    def test_only_what_is_free_is_taken_of_a_span(self):
        missing = http_pieces.Missing([(0, 10), (20, 30), (40, 50)])
        self.assertEqual([(5, 10), (20, 25)], self.spans(
            missing.take_within(5, 25)))
        self.assertEqual([(0, 5), (25, 30), (40, 50)], self.spans(
            [missing.take() for _ in range(3)]))

    def test_an_open_end_is_an_end(self):
        self.assertEqual([(7, http_pieces.UNKNOWN)], self.spans(
            [http_pieces.Missing([(7, -1)]).take()]))


class PartsTestCase(base.BaseTestCase):

    def test_data_is_cut_to_the_pieces(self):
        content = bytes(range(100))
        pieces = [http_pieces.Piece(5, 10), http_pieces.Piece(20, 90)]
        found = [(at, bytes(part)) for _piece, at, part in
                 http_pieces.parts(pieces, 8, content[8:30])]
        self.assertEqual([(8, content[8:10]), (20, content[20:30])], found)

    def test_data_that_is_wanted_whole_is_not_copied(self):
        data = b'abc'
        (_piece, _at, part), = http_pieces.parts(
            [http_pieces.Piece(0, 9)], 3, data)
        self.assertIs(data, part)


class GrowthTestCase(base.BaseTestCase):

    def settled(self, rates, most=8):
        growth = http_pieces.Growth(most)
        for rate in rates:
            growth.measured(rate(growth.wanted))
        return growth

    def test_connections_double_as_long_as_they_help(self):
        growth = self.settled([lambda count: 100 * count] * 9)
        self.assertEqual((8, True), (growth.wanted, growth.settled))

    def test_connections_stop_where_the_link_is_full(self):
        growth = self.settled([lambda count: 100 * min(count, 2)] * 9)
        self.assertEqual((2, True), (growth.wanted, growth.settled))

    def test_one_connection_stays_where_a_second_one_costs(self):
        growth = self.settled([lambda count: 100 / count] * 9)
        self.assertEqual((1, True), (growth.wanted, growth.settled))

    def test_there_are_never_more_than_allowed(self):
        for most in (1, 2, 3, 5):
            growth = self.settled([lambda count: 100 * count] * 9, most)
            self.assertEqual(most, growth.wanted)

    def test_who_is_told_to_settle_stays(self):
        growth = http_pieces.Growth(8)
        growth.measured(100)
        growth.settle()
        self.assertEqual(2, growth.measured(1000))


class PaceTestCase(base.BaseTestCase):

    def test_a_rate_is_measured_after_a_while(self):
        pace = http_pieces.Pace(100.0)
        self.assertIsNone(pace.rate(10 ** 6, 100.1))
        self.assertIsNone(pace.rate(2 * 10 ** 6, 100.3))
        self.assertIsNone(pace.rate(3 * 10 ** 6, 100.5))
        self.assertAlmostEqual(2 * 10 ** 6,
                               pace.rate(3 * 10 ** 6, 100.8), places=3)

    def test_a_rate_counts_the_time_that_it_took(self):
        pace = http_pieces.Pace(0.0)
        pace.rate(0, 1.0)
        self.assertAlmostEqual(100, pace.rate(1000, 11.0), places=3)


class PatienceTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.slept = []
        self.useFixture(fixtures.MonkeyPatch(
            'time.sleep', self.slept.append))
        self.patience = http_retry.Patience(image_settings.Settings(
            retries=3, retry_interval=1, retry_ceiling=3))
        self.failure = http_errors.TransientError(
            errors.ImageError('broken'))

    def test_waits_double_up_to_the_ceiling(self):
        for _ in range(3):
            self.patience.wait(self.failure)
        for seconds, most in zip(self.slept, (1, 2, 3)):
            self.assertTrue(most / 2 <= seconds <= most, self.slept)

    def test_the_last_failure_is_raised(self):
        for _ in range(3):
            self.patience.wait(self.failure)
        self.assertIs(self.failure.error, self.assertRaises(
            errors.ImageError, self.patience.wait, self.failure))

    def test_each_wait_is_told_with_its_number(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.patience.wait(self.failure)
        self.patience.wait(http_errors.TransientError(
            errors.ImageError('is the port right?')))
        first, second = log.output.splitlines()
        self.assertRegex(first, r'broken\. Trying .* \(1 of 3\)\.')
        self.assertRegex(second, r'right\? Trying .* \(2 of 3\)\.')

    def test_progress_starts_the_count_anew(self):
        for _ in range(50):
            self.patience.wait(self.failure, progress=True)
        self.assertLessEqual(max(self.slept), 1)

    def test_however_little_each_try_brings_there_is_an_end(self):
        def wait_for_ever():
            while True:
                self.patience.wait(self.failure, progress=True)
        self.assertRaises(errors.ImageError, wait_for_ever)

    def test_a_server_that_wants_hours_gets_the_ceiling(self):
        self.assertEqual(3, self.patience.seconds(7200))
        self.assertGreaterEqual(self.patience.seconds(2), 2)


class RandomPlanTestCase(base.BaseTestCase):

    def test_whatever_readers_do_every_byte_is_fetched_once(self):
        source = random.Random(5)
        for _ in range(200):
            size = source.randrange(1, 400)
            missing = http_pieces.Missing([(0, size)])
            seen = [0] * size
            held = []
            while missing.free() or held:
                if held and source.random() < 0.6:
                    piece = held.pop(source.randrange(len(held)))
                    stop = source.randint(piece.start, piece.end)
                    for at in range(piece.start, stop):
                        seen[at] += 1
                    piece.start = stop
                    missing.give_back([piece])
                elif source.random() < 0.2:
                    start = source.randrange(size)
                    held += missing.take_within(
                        start, source.randint(start, size))
                elif piece := missing.take(source.randint(1, 50)):
                    held.append(piece)
            self.assertEqual([1] * size, seen)
