# SPDX-License-Identifier: Apache-2.0

"""Whose turn it is."""

import testtools

from ironic_ext.server.http import turns


class TurnsTestCase(testtools.TestCase):
    """The order in which those who wait are taken."""

    def setUp(self):
        super().setUp()
        self.turns = turns.Turns()

    def add(self, client, *waiting):
        for one in waiting:
            self.turns.add(one, client)

    def taken(self):
        return [self.turns.take() for _number in range(len(self.turns))]

    def test_who_comes_after_a_thousand_waits_for_none_of_them(self):
        for number in range(1000):
            self.add(b'%d' % number, number)
        self.add(b'machine', 'boots')
        self.assertEqual('boots', self.turns.take())
        self.turns.take()
        self.add(b'machine', 'boots again')
        self.assertEqual('boots again', self.turns.take())

    def test_what_is_too_much_of_one_client_waits_for_all_others(self):
        self.add(b'other', 'before')
        self.add(b'many', *range(turns.FEW + 3))
        self.add(b'other', 'after')
        few, rest = range(turns.FEW), range(turns.FEW, turns.FEW + 3)
        self.assertEqual(['after', *reversed(few), 'before', *reversed(rest)],
                         self.taken())

    def test_who_was_served_counts_no_more(self):
        self.add(b'many', *range(turns.FEW))
        self.turns.take()
        self.add(b'many', 'next')
        self.assertEqual('next', self.turns.take())

    def test_who_had_too_many_is_heard_again_while_others_come(self):
        self.add(b'many', *range(turns.FEW + 3))
        for _number in range(turns.FEW):
            self.turns.take()
        # What it had too many of waits, and keeps nothing else back.
        self.add(b'other', 'other')
        self.add(b'many', 'again')
        self.assertEqual('again', self.turns.take())

    def test_who_speaks_for_many_has_no_limit(self):
        self.add(b'other', 'before')
        self.add(b'', *range(turns.FEW + 3))
        self.assertEqual('before', self.taken()[-1])

    def test_whoever_goes_on_and_who_is_known_come_before_all(self):
        self.turns.add('begun', b'many', turns.GOING_ON)
        self.turns.add('known', b'old', turns.KNOWN)
        self.turns.add('known too', b'old', turns.KNOWN)
        self.turns.add('patient', b'rude', turns.LAST)
        self.add(b'new', 'new')
        self.turns.add('begun too', b'many', turns.GOING_ON)
        self.assertEqual('patient', self.turns.last())
        self.assertEqual(['begun too', 'begun', 'known too', 'known', 'new',
                          'patient'], self.taken())

    def test_who_is_known_has_no_more_turns_than_others(self):
        for number in range(turns.FEW + 1):
            self.turns.add(number, b'old', turns.KNOWN)
        self.add(b'new', 'new')
        self.assertEqual([*reversed(range(turns.FEW)), 'new', turns.FEW],
                         self.taken())

    def test_the_last_one_is_who_came_first_of_whom_has_too_many(self):
        self.add(b'other', 'before')
        self.assertEqual('before', self.turns.last())
        self.add(b'many', *range(turns.FEW + 3))
        self.assertEqual(turns.FEW, self.turns.last())

    def test_nothing_is_left_of_who_left(self):
        self.add(b'many', *range(turns.FEW + 3))
        for one in range(turns.FEW + 3):
            self.turns.leave(one)
            self.turns.leave(one)
        self.assertEqual(0, len(self.turns))
        self.add(b'other', 'before')
        self.add(b'many', 'again')
        self.assertEqual(['again', 'before'], self.taken())
