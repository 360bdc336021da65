# SPDX-License-Identifier: Apache-2.0

"""What the image store keeps, removes and verifies."""

import os
import pathlib
import unittest.mock

from ironic_ext.images import errors
from ironic_ext.images.store import image_store
from tests.unit.images.store import base

CONTENT = base.CONTENT
SHA256 = base.SHA256
SHA512 = base.SHA512
HREF = base.HREF


class LastingLeaseTestCase(base.StoreTestCase):

    def setUp(self):
        super().setUp()
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()

    def test_a_held_image_outlives_every_limit(self):
        self.store.hold(f'sha256:{SHA256}', 'node:1')
        tight = self.new_store(max_size=1, max_age=0.000001)
        self.source.put(HREF + '2', b'other')
        self.fetch(HREF + '2', store=tight)
        tight.prune(older_than=0)
        self.assertEqual([SHA256], self.objects())
        self.assertEqual(['node:1'], tight.owners(SHA256))
        with tight.open(SHA256) as image:
            self.assertEqual(CONTENT, pathlib.Path(image.path).read_bytes())

    def test_a_released_image_goes_when_its_last_owner_let_go(self):
        for owner in ('node:1', 'media:2', 'media:2'):
            self.store.hold(SHA256, owner)
        self.assertEqual(['media:2', 'node:1'], self.store.owners(SHA256))
        self.assertEqual([(f'sha256:{SHA256}', 'media:2')],
                         self.store.holds('media:'))
        self.store.release(SHA256, 'node:1')
        self.assertEqual([], self.store.prune(older_than=0))
        self.store.release(SHA256, 'media:2')
        self.store.release(SHA256, 'never')
        self.assertEqual([], os.listdir(self.root / 'leases'))
        self.assertEqual(1, len(self.store.prune(older_than=0)))
        self.assertNothingKept()

    def test_an_owner_lets_go_of_all_at_once(self):
        self.source.put(HREF + '2', b'other')
        self.fetch(HREF + '2')
        for name in self.objects():
            self.store.hold(name, 'node:1')
        self.store.release_all('node:1')
        self.assertEqual([], os.listdir(self.root / 'leases'))

    def test_what_is_not_here_cannot_be_held(self):
        self.assertRaises(errors.ImageNotFoundError, self.store.hold,
                          '0' * 64, 'node:1')
        with self.store.open('0' * 64) as image:
            self.assertIsNone(image)

    def test_names_that_are_no_digest_are_refused(self):
        for digest in ('../../etc/passwd', 'sha256:x', SHA512, ''):
            self.assertRaises(errors.ChecksumError, self.store.hold, digest,
                              'node:1')


class EvictionTestCase(base.StoreTestCase):

    def use(self, name, content, at):
        """Have an image that was last used at a time."""
        self.source.put(name, content)
        with self.store.lease(name) as image:
            sha256 = image.digest.partition(':')[2]
        os.utime(self.root / 'objects' / f'{sha256}.json', (at, at))
        return sha256

    def test_the_images_used_least_recently_make_room(self):
        self.store = self.new_store(max_size=len(CONTENT) + 10)
        self.use(HREF, CONTENT, 1000)
        new = self.use(HREF + '2', b'b' * 100, 2000)
        self.assertEqual([new], self.objects())
        self.assertEqual(3, len(self.files()), self.files())

    def test_using_an_image_keeps_it(self):
        first = self.use('http://x/1', b'1' * 400, 1000)
        self.use('http://x/2', b'2' * 400, 2000)
        self.fetch('http://x/9', first)
        self.store = self.new_store(max_size=900)
        self.use('http://x/3', b'3' * 400, 3000)
        self.assertIn(first, self.objects())
        self.assertEqual(2, len(self.objects()))

    def test_an_image_that_is_read_is_not_removed(self):
        self.source.put(HREF, CONTENT)
        with self.store.lease(HREF) as image:
            self.assertEqual([], self.store.prune(older_than=0,
                                                  dry_run=True))
            self.assertEqual([], self.store.prune(older_than=0))
            self.assertEqual(CONTENT, pathlib.Path(image.path).read_bytes())
        self.assertEqual(1, len(self.store.prune(older_than=0)))

    def test_a_dry_run_removes_nothing(self):
        self.use(HREF, CONTENT, 1000)
        (found,) = self.store.prune(older_than=10, dry_run=True)
        self.assertEqual((SHA256, len(CONTENT)), (found.sha256, found.size))
        self.assertEqual([SHA256], self.objects())

    def test_images_go_when_they_were_not_used_for_long(self):
        old = self.use('http://x/1', b'1', 1000)
        self.store = self.new_store(max_age=3600)
        self.use('http://x/2', b'2', 2000)
        self.assertNotIn(old, self.objects())

    def test_what_is_not_to_be_kept_goes_after_its_use(self):
        self.source.put(HREF, CONTENT, etag='"1"', no_cache=True)
        with self.store.lease(HREF) as image:
            self.assertEqual(CONTENT, pathlib.Path(image.path).read_bytes())
        self.assertEqual([], self.objects())

    def test_unfinished_downloads_go_too(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        self.store.prune(older_than=3600)
        self.assertEqual(2, len(self.files()), self.files())
        self.store.prune(older_than=0)
        self.assertNothingKept()


class DamageTestCase(base.StoreTestCase):

    def setUp(self):
        super().setUp()
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        self.object = self.root / 'objects' / SHA256

    def spoil(self, keep_time=False):
        before = self.object.stat()
        os.chmod(self.object, 0o644)
        with open(self.object, 'r+b') as stream:
            stream.write(b'damage')
        if keep_time:
            os.utime(self.object, ns=(before.st_atime_ns,
                                      before.st_mtime_ns))

    def test_an_object_that_was_written_to_is_not_used(self):
        self.spoil()
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))
        self.assertEqual(2, self.source.calls['download'])

    def test_a_reader_is_told_of_a_write(self):
        with self.store.lease(HREF) as image:
            self.spoil()
            self.assertRaises(errors.ImageChangedError,
                              image.require_unchanged)

    def test_an_object_that_was_only_touched_is_digested_and_kept(self):
        os.utime(self.object, (1000, 1000))
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))
        self.assertEqual(1, self.source.calls['download'])
        with unittest.mock.patch.object(
                image_store.hashing, 'of_file',
                side_effect=AssertionError('digested again')):
            self.fetch(checksum=SHA256)

    def test_verify_finds_what_nothing_else_shows(self):
        self.assertTrue(self.store.verify(SHA256))
        self.spoil(keep_time=True)
        seen = []
        self.assertFalse(self.store.verify(SHA256, seen.append))
        self.assertEqual([len(CONTENT)], seen)
        self.assertEqual([], self.objects())
        self.assertEqual(CONTENT, self.fetch())

    def test_rebuild_removes_what_belongs_to_nothing(self):
        (self.root / 'objects' / ('0' * 64 + '.json')).write_text('{}')
        (self.root / 'objects' / (SHA256 + '.json.new')).write_text('{')
        self.store.rebuild()
        self.assertEqual([SHA256, f'{SHA256}.json'],
                         sorted(os.listdir(self.root / 'objects')))
        self.fetch()
        self.assertEqual(1, self.source.calls['download'])
