# SPDX-License-Identifier: Apache-2.0

"""A round of UUIDs."""

import testtools

from ironic_ext.server import errors
from ironic_ext.server.mirror import uuid_round


class _Api:
    """Two UUIDs a page."""

    def __init__(self):
        self.there = list('abcde')

    def uuids(self, after=''):
        if after and after not in self.there:
            raise errors.BadRequestError('no such marker')
        start = self.there.index(after) + 1 if after else 0
        return self.there[start:start + 2], len(self.there) > start + 2


class UuidRoundTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.api = _Api()
        self.round = uuid_round.UuidRound(self.api)

    def test_what_a_whole_round_does_not_meet_is_gone(self):
        known = {*'abcde', 'x', 'y'}
        self.assertEqual(set(), self.round.go_on(lambda: known))
        self.assertEqual(set(), self.round.go_on(lambda: {'z'}))
        # What came meanwhile is not of this round.
        self.assertEqual({'x', 'y'}, self.round.go_on(lambda: {'z'}))
        for _page in range(2):
            self.assertEqual(set(), self.round.go_on(lambda: {'a', 'z'}))
        self.assertEqual({'z'}, self.round.go_on(set))

    def test_a_round_whose_marker_is_gone_begins_anew(self):
        self.round.go_on(lambda: {'x'})
        self.api.there.remove('b')
        self.assertEqual(set(), self.round.go_on(lambda: {'x'}))
        self.assertEqual(set(), self.round.go_on(lambda: {'x', 'v'}))
        self.assertEqual({'x', 'v'}, self.round.go_on(set))
