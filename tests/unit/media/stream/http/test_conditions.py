# SPDX-License-Identifier: Apache-2.0

"""Tests for preconditions, against RFC 9110, section 13."""

import testtools

from ironic_ext.media.stream.http import conditions

TAG = b'"abc"'
MODIFIED = 1767225600
SAME = b'Thu, 01 Jan 2026 00:00:00 GMT'
BEFORE = b'Wed, 31 Dec 2025 23:59:59 GMT'
AFTER = b'Thu, 01 Jan 2026 00:00:01 GMT'


class ConditionsTest(testtools.TestCase):

    def _status(self, **headers):
        return conditions.status(
            {name.replace('_', '-').encode(): value
             for name, value in headers.items()}, TAG, MODIFIED)

    def test_a_known_tag_is_not_modified(self):
        for value in (TAG, b'W/"abc"', b'"x", "abc"', b'*', b'"x",W/"abc"'):
            self.assertEqual(304, self._status(if_none_match=value), value)

    def test_another_tag_is_answered(self):
        for value in (b'"abd"', b'abc', b'', b'"x", "y"', b'"ab", "c"'):
            self.assertEqual(200, self._status(if_none_match=value), value)

    def test_the_tag_outweighs_the_date(self):
        self.assertEqual(200, self._status(
            if_none_match=b'"x"', if_modified_since=AFTER))
        self.assertEqual(200, self._status(
            if_match=TAG, if_unmodified_since=BEFORE))

    def test_a_date_from_then_on_is_not_modified(self):
        for value, status in ((SAME, 304), (AFTER, 304), (BEFORE, 200),
                              (b'yesterday', 200), (b'', 200)):
            self.assertEqual(status, self._status(if_modified_since=value))

    def test_what_must_match_has_to(self):
        for value, status in ((TAG, 200), (b'*', 200), (b'"x"', 412),
                              (b'W/"abc"', 412), (b'"x", "abc"', 200)):
            self.assertEqual(status, self._status(if_match=value))

    def test_what_must_be_unmodified_has_to(self):
        for value, status in ((SAME, 200), (AFTER, 200), (BEFORE, 412),
                              (b'nonsense', 200)):
            self.assertEqual(status, self._status(if_unmodified_since=value))

    def test_all_forms_of_dates_are_read(self):
        for value in (b'Thursday, 01-Jan-26 00:00:00 GMT',
                      b'Thu Jan  1 00:00:00 2026'):
            self.assertEqual(304, self._status(if_modified_since=value))

    def test_hostile_dates_are_ignored(self):
        for value in (b'Thu, 99 Jan 99999999999 00:00:00 GMT', b'\xff' * 50,
                      b'0' * 9000):
            self.assertEqual(200, self._status(if_modified_since=value))

    def test_if_range_takes_the_strong_tag_or_the_very_date(self):
        for value, counts in ((TAG, True), (b'W/"abc"', False),
                              (b'"x"', False), (SAME, True),
                              (AFTER, False), (BEFORE, False),
                              (b'nonsense', False), (b'', False)):
            self.assertEqual(counts, conditions.if_range(
                value, TAG, MODIFIED), value)
