# SPDX-License-Identifier: Apache-2.0

"""Which objects make room: judged on values."""

import testtools

from ironic_ext.images.store import eviction


def candidate(name, size=10, used_at=0.0, **facts):
    return eviction.Candidate(name, size, used_at, **facts)


def chosen(candidates, needed=0, **policy):
    return [found.sha256 for found in eviction.plan(
        candidates, eviction.Policy(**policy), 1000.0, needed)]


class PlanTestCase(testtools.TestCase):

    def test_without_limits_everything_stays(self):
        self.assertEqual([], chosen([candidate('a'), candidate('b')]))

    def test_the_least_recently_used_go_until_the_size_fits(self):
        found = [candidate('new', used_at=9.0), candidate('old', used_at=1.0),
                 candidate('mid', used_at=5.0)]
        self.assertEqual(['old'], chosen(found, max_size=20))
        self.assertEqual(['old', 'mid'], chosen(found, max_size=19))
        self.assertEqual([], chosen(found, max_size=30))

    def test_what_is_leased_stays_but_counts(self):
        found = [candidate('leased', 100, leased=True),
                 candidate('free', 10, used_at=5.0)]
        self.assertEqual(['free'], chosen(found, max_size=100))
        self.assertEqual(['free'], chosen(found, max_size=0, max_age=0))

    def test_old_ones_go_whatever_the_size(self):
        found = [candidate('old', used_at=100.0),
                 candidate('new', used_at=900.0)]
        self.assertEqual(['old'], chosen(found, max_age=500))

    def test_what_frees_no_byte_goes_by_age_only(self):
        found = [candidate('linked', size=0), candidate('own', used_at=1.0)]
        self.assertEqual(['own'], chosen(found, max_size=0))
        self.assertEqual(['own'], chosen(found, needed=5))
        self.assertEqual(['linked', 'own'], chosen(found, max_age=0))

    def test_only_as_many_go_as_a_download_needs(self):
        found = [candidate(str(number), used_at=float(number))
                 for number in range(5)]
        self.assertEqual(['0', '1'], chosen(found, needed=15))

    def test_what_a_source_asked_not_to_keep_goes_first_of_all(self):
        found = [candidate('kept'), candidate('unwanted', unwanted=True)]
        self.assertEqual(['unwanted'], chosen(found))
