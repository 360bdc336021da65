# SPDX-License-Identifier: Apache-2.0

"""Local files in the image store."""

import os
import pathlib
import unittest.mock

from ironic_ext import blocks as disk
from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import image_store
from tests.unit.images.store import base

CONTENT = base.CONTENT
SHA256 = base.SHA256
SHA512 = base.SHA512


class LocalFileTestCase(base.StoreTestCase):

    def setUp(self):
        super().setUp()
        self.local = self.folder / 'images' / 'a.iso'
        self.local.parent.mkdir()
        self.local.write_bytes(CONTENT)
        os.chmod(self.local, 0o640)
        self.href = f'file://{self.local}'
        self.source = file.FileImageService(image_settings.Settings(
            allowed_paths=(str(self.local.parent),)))
        self.before = self.local.stat()

    def assertUntouched(self):
        after = self.local.stat()
        for name in ('st_mode', 'st_ino', 'st_mtime_ns', 'st_size', 'st_uid'):
            self.assertEqual(getattr(self.before, name),
                             getattr(after, name), name)

    def test_a_local_file_becomes_an_object_and_stays_as_it_is(self):
        for checksum in (None, SHA256, SHA512):
            self.assertEqual(CONTENT, self.fetch(self.href, checksum))
        self.assertEqual([SHA256], self.objects())
        self.assertUntouched()
        self.assertEqual(3, len(self.files()), self.files())

    def test_a_second_use_reads_nothing(self):
        self.fetch(self.href)
        with unittest.mock.patch.object(
                image_store.hashing, 'of_file',
                side_effect=AssertionError('digested again')):
            self.assertEqual(CONTENT, self.fetch(self.href))

    def test_where_blocks_cannot_be_shared_it_is_linked(self):
        with unittest.mock.patch.object(disk, 'clone', return_value=False):
            self.fetch(self.href)
        self.assertTrue(os.path.samefile(self.local,
                                         self.root / 'objects' / SHA256))
        self.assertUntouched()
        self.assertTrue(self.store.show(SHA256).linked)

    def test_where_it_cannot_be_linked_either_it_is_copied(self):
        with unittest.mock.patch.object(disk, 'clone', return_value=False):
            with unittest.mock.patch.object(disk, 'link', return_value=False):
                self.assertEqual(CONTENT, self.fetch(self.href, SHA256))
                self.fetch(self.href)
        self.assertFalse(os.path.samefile(self.local,
                                          self.root / 'objects' / SHA256))
        self.assertUntouched()
        self.assertEqual(3, len(self.files()), self.files())

    def test_wrong_content_is_refused_and_not_kept(self):
        self.failure(errors.ChecksumError, self.href, '0' * 64)
        self.assertNothingKept()
        self.assertUntouched()

    def test_a_replaced_file_is_a_new_object_and_the_old_one_stays(self):
        with unittest.mock.patch.object(disk, 'clone', return_value=False):
            with self.store.lease(self.href) as image:
                other = self.local.parent / 'b.iso'
                other.write_bytes(b'other')
                other.rename(self.local)
                self.assertEqual(b'other', self.fetch(self.href))
                self.assertEqual(CONTENT,
                                 pathlib.Path(image.path).read_bytes())
                image.require_unchanged()
        self.assertEqual(2, len(self.objects()))

    def test_a_file_written_in_place_drops_the_object_that_is_linked(self):
        with unittest.mock.patch.object(disk, 'clone', return_value=False):
            with self.store.lease(self.href) as image:
                self.local.write_bytes(b'other')
                self.assertRaises(errors.ImageChangedError,
                                  image.require_unchanged)
            with self.store.open(SHA256) as image:
                self.assertIsNone(image)
            self.assertEqual(b'other', self.fetch(self.href))
        self.assertNotIn(SHA256, self.objects())

    def test_a_file_that_changes_while_it_is_digested_is_refused(self):
        real = image_store.hashing.of_file

        def of_file(fd, algorithms, note=None):
            found = real(fd, algorithms, note)
            self.local.write_bytes(CONTENT)
            return found

        with unittest.mock.patch.object(image_store.hashing, 'of_file',
                                        of_file):
            self.failure(errors.ImageChangedError, self.href)
        self.assertNothingKept()

    def test_removing_a_linked_object_leaves_the_file(self):
        with unittest.mock.patch.object(disk, 'clone', return_value=False):
            self.fetch(self.href)
        self.assertEqual(1, len(self.store.prune(older_than=0)))
        self.assertEqual(CONTENT, self.local.read_bytes())
        self.assertUntouched()

    def test_a_file_is_at_hand_without_being_digested(self):
        with self.store.at_hand(self.href, '0' * 64) as image:
            self.assertEqual(CONTENT, pathlib.Path(image.path).read_bytes())
            self.assertEqual('', image.digest)
        self.assertEqual([], self.objects())
        self.fetch(self.href)
        with self.store.at_hand(self.href, SHA256) as image:
            self.assertEqual(f'sha256:{SHA256}', image.digest)

    def test_a_file_that_is_too_large_is_refused(self):
        self.store = self.new_store(max_image_size=10)
        self.failure(errors.ImageTooLargeError, self.href)
        self.assertNothingKept()
