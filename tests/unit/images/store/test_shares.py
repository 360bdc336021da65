# SPDX-License-Identifier: Apache-2.0

"""Tests that no project takes all of an image store from the others."""

import functools

import testtools

from ironic_ext.images import errors
from ironic_ext.images import service
from ironic_ext.images import settings
from ironic_ext.images.store import image_store
from ironic_ext.images.store import shares
from tests.unit.images.store import base

_KIB = 1 << 10
_SHARE = 300 * _KIB
_SIZE = 100 * _KIB


def held(name, size=10, used_at=0.0, projects='a', **facts):
    return shares.Held(name, size, used_at, frozenset(projects), **facts)


class PlanTestCase(testtools.TestCase):

    def plan(self, *found, share=30, needed=0):
        chosen, missing = shares.plan(found, 'a', share, needed)
        return [one.sha256 for one in chosen], missing

    def test_what_fits_stays(self):
        self.assertEqual(([], 0), self.plan(held('1'), held('2'), needed=10))

    def test_the_oldest_of_the_same_project_go(self):
        self.assertEqual((['1'], 0), self.plan(
            held('2', used_at=2.0), held('1', used_at=1.0),
            held('3', used_at=3.0), held('other', used_at=0.0, projects='b'),
            needed=5))

    def test_what_is_leased_stays_and_counts(self):
        self.assertEqual((['2'], 15), self.plan(
            held('1', size=20, leased=True), held('2'), needed=25))


class PaceTestCase(testtools.TestCase):

    def test_a_look_that_takes_long_is_not_soon_done_again(self):
        now = [100.0]
        pace = shares.Pace(0.5, lambda: now[0])
        for takes, rests in ((0.001, 0.5), (1.0, 20.0)):
            self.assertTrue(pace.is_due())
            with pace.looking():
                now[0] += takes
            self.assertFalse(pace.is_due())
            now[0] += rests - 0.1
            self.assertFalse(pace.is_due())
            now[0] += 0.2
            self.assertTrue(pace.is_due())


class SharesTestCase(base.StoreTestCase):

    def setUp(self):
        super().setUp()
        self.names = iter(range(1000))

    @functools.lru_cache  # noqa: B019
    def store_of(self, project):
        return image_store.ImageStore(
            str(self.root), settings.Settings(project=project),
            service_for=lambda href: self.source, lock_timeout=30,
            max_size=1 << 30, project_share=_SHARE)

    def put(self, size=_SIZE, **facts):
        name = next(self.names)
        return self.source.put(f'http://x/{name}', bytes([name]) * size,
                               f'"{name}"', **facts)

    def boot(self, project, href=None):
        return self.fetch(href or self.put(), store=self.store_of(project))

    def kept(self, *hrefs):
        """Tell which images are here still."""
        found = {source for image in self.store.versions()
                 for source in image.sources}
        return [href in found for href in hrefs]

    def test_who_boots_much_loses_their_own_images_and_nobody_elses(self):
        theirs = self.put()
        self.boot('b', theirs)
        mine = [self.put() for _ in range(6)]
        for href in mine:
            self.boot('a', href)
        self.assertEqual([True], self.kept(theirs))
        self.assertEqual([False] * 3 + [True] * 3, self.kept(*mine))

    def test_a_project_that_is_alone_may_have_it_all(self):
        mine = [self.put() for _ in range(6)]
        for href in mine:
            self.boot('a', href)
        self.boot('')
        self.assertEqual([True] * 6, self.kept(*mine))

    def test_the_operator_has_no_share(self):
        self.boot('b')
        mine = [self.put() for _ in range(6)]
        for href in mine:
            self.boot('', href)
        self.assertEqual([True] * 6, self.kept(*mine))

    def test_an_image_that_another_uses_stays_for_them(self):
        common = self.put()
        self.boot('a', common)
        self.boot('b', common)
        for _ in range(4):
            self.boot('a')
        self.assertEqual([True], self.kept(common))
        # It counts for the one alone now.
        for _ in range(4):
            self.boot('b')
        self.assertEqual([False], self.kept(common))

    def test_images_in_use_are_not_taken_and_what_comes_besides_is_not(self):
        self.boot('b')
        mine = [self.put() for _ in range(3)]
        with (self.store_of('a').lease(mine[0]),
              self.store_of('a').lease(mine[1]),
              self.store_of('a').lease(mine[2])):
            message = str(self.assertRaises(errors.NoSpaceError,
                                            self.boot, 'a'))
            self.assertIn('[ext_images]project_share', message)
            self.assertIn('project a', message)
            self.boot('b')
        self.assertEqual([True] * 3, self.kept(*mine))
        self.boot('a')

    def test_what_is_promised_counts_and_removes_nothing(self):
        self.boot('b')
        mine = self.put()
        self.boot('a', mine)
        self.assertRaises(errors.ImageError, self.boot, 'a',
                          self.put(size=250 * _KIB, cut=0))
        self.assertEqual([True], self.kept(mine))
        self.assertRaises(errors.ImageError, self.boot, 'a',
                          self.put(size=250 * _KIB, cut=64 * _KIB))
        # What it promised is kept a place until it is given up.
        self.assertRaises(errors.NoSpaceError, self.boot, 'a',
                          self.put(size=60 * _KIB))
        self.boot('b', self.put(size=60 * _KIB))

    def test_a_size_that_nobody_told_is_found_out(self):
        self.boot('b')
        self.source.put('http://x/big', bytes(8 << 20), size=None)
        self.assertRaises(errors.NoSpaceError, self.boot, 'a',
                          'http://x/big')
        self.assertEqual(service.ImageVersion,
                         type(self.source.stat('http://x/big')))
