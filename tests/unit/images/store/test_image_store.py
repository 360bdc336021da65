# SPDX-License-Identifier: Apache-2.0

"""The image store: what callers get, and what is kept of it."""

import hashlib
import os
import pathlib
import unittest.mock

from ironic_ext import blocks as disk
from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import image_store
from tests.unit.images.store import base

CONTENT = base.CONTENT
SHA256 = base.SHA256
SHA512 = base.SHA512
HREF = base.HREF


class LeaseTestCase(base.StoreTestCase):

    def test_gives_the_content_and_keeps_it_under_its_digest(self):
        self.source.put(HREF, CONTENT)
        with self.store.lease(HREF) as image:
            self.assertEqual(CONTENT, pathlib.Path(image.path).read_bytes())
            self.assertEqual(f'sha256:{SHA256}', image.digest)
            self.assertEqual(len(CONTENT), image.size)
            self.assertEqual(HREF, image.href)
            self.assertEqual(len(CONTENT), image.version.size)
            image.require_unchanged()
        self.assertEqual([SHA256], self.objects())

    def test_objects_are_read_only_and_everything_is_private(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        self.assertEqual(0o444, (self.root / 'objects' / SHA256)
                         .stat().st_mode & 0o777)
        for name in ('.', 'objects', 'index', 'leases', 'partial', 'locks'):
            self.assertEqual(0o700, (self.root / name).stat().st_mode & 0o777)
        for path in (self.root / 'index').iterdir():
            self.assertEqual(0o600, path.stat().st_mode & 0o777)

    def test_nothing_but_the_image_and_its_records_is_left(self):
        self.source.put(HREF, CONTENT)
        self.fetch()
        self.assertEqual(3, len(self.files()), self.files())

    def test_an_image_that_did_not_change_is_not_downloaded_again(self):
        for facts in ({'etag': '"1"'}, {'last_modified': 'Sat, 21 Nov'}):
            self.source.put(HREF, CONTENT, **facts)
            self.fetch()
            self.source.calls.clear()
            self.assertEqual(CONTENT, self.fetch())
            self.assertEqual(1, self.source.calls['unchanged'])
            self.assertEqual(0, self.source.calls['download'])

    def test_a_changed_image_is_a_new_object_and_the_old_one_stays(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        with self.store.lease(HREF) as old:
            self.source.put(HREF, b'new', etag='"2"')
            with self.store.lease(HREF) as new:
                self.assertEqual(b'new', pathlib.Path(new.path).read_bytes())
                self.assertEqual(CONTENT,
                                 pathlib.Path(old.path).read_bytes())
        self.assertEqual(2, len(self.objects()))

    def test_without_validators_nothing_is_taken_for_current(self):
        self.source.put(HREF, CONTENT)
        self.fetch()
        self.source.put(HREF, b'new')
        self.assertEqual(b'new', self.fetch())

    def test_two_urls_of_the_same_content_are_one_object(self):
        self.source.put(HREF, CONTENT)
        self.source.put(HREF + '2', CONTENT)
        self.fetch()
        self.fetch(HREF + '2')
        self.assertEqual([SHA256], self.objects())
        (stored,) = self.store.versions()
        self.assertEqual((HREF, HREF + '2'), stored.sources)

    def test_an_image_of_unknown_size_is_taken(self):
        self.source.put(HREF, CONTENT, size=None)
        self.assertEqual(CONTENT, self.fetch())

    def test_an_empty_image_is_taken(self):
        self.source.put(HREF, b'')
        self.assertEqual(b'', self.fetch())

    def test_parts_may_come_in_any_order(self):
        self.source.put(HREF, CONTENT, etag='"1"', reverse=True)
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))

    def test_an_unknown_image_is_told_and_nothing_is_left(self):
        self.assertIn('404', self.failure(errors.ImageNotFoundError))
        self.assertNothingKept()

    def test_an_unusable_directory_is_told(self):
        self.root.write_text('in the way')
        self.source.put(HREF, CONTENT)
        self.assertIn('cache_dir', self.failure(errors.ImageError))

    def test_secrets_of_an_href_are_in_no_file_and_no_name(self):
        href = 'https://me:pa55word@images.example.org/a.iso?sig=5ecret'
        self.source.put(href, CONTENT, etag='"1"')
        with self.store.lease(href) as image:
            self.assertEqual('https://images.example.org/a.iso', image.href)
        for name in self.files():
            text = name.encode() + (self.root / name).read_bytes()
            for secret in (b'pa55word', b'5ecret'):
                self.assertNotIn(secret, text)


class ChecksumTestCase(base.StoreTestCase):

    def test_content_at_hand_needs_no_server(self):
        self.source.put(HREF, CONTENT)
        self.fetch()
        self.source.calls.clear()
        self.assertEqual(CONTENT, self.fetch(
            'http://192.0.2.1/gone.iso', f'sha256:{SHA256.upper()}'))
        self.assertEqual({}, self.source.calls)

    def test_a_sha512_is_verified_and_found_again(self):
        self.source.put(HREF, CONTENT)
        self.fetch(checksum=SHA512)
        self.assertEqual(CONTENT, self.fetch('http://x/y',
                                             f'sha512:{SHA512}'))
        self.assertEqual(1, self.source.calls['download'])

    def test_a_digest_nobody_asked_for_before_is_computed_once(self):
        self.source.put(HREF, CONTENT)
        self.fetch()
        self.assertEqual(CONTENT, self.fetch(checksum=SHA512))
        self.assertEqual(1, self.source.calls['fetch'])
        stored = self.store.show(SHA256)
        self.assertEqual({'sha256': SHA256, 'sha512': SHA512},
                         stored.digests)
        with unittest.mock.patch.object(
                image_store.hashing, 'of_file',
                side_effect=AssertionError('digested again')):
            self.fetch(checksum=SHA512)

    def test_wrong_content_is_refused_and_not_kept(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        message = self.failure(errors.ChecksumError, checksum='0' * 64)
        self.assertIn(SHA256, message)
        self.assertNothingKept()

    def test_content_that_is_here_does_not_pass_for_another_digest(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        self.failure(errors.ChecksumError, checksum='0' * 128)
        self.assertEqual([SHA256], self.objects())

    def test_what_the_source_promises_is_verified(self):
        self.source.put(HREF, CONTENT,
                        checksum=checksums.Checksum('sha512', '0' * 128))
        self.failure(errors.ChecksumError)
        self.assertNothingKept()

    def test_a_checksum_file_is_read_for_the_images_name(self):
        self.source.put(HREF, CONTENT)
        sums = self.source.put('http://images.example.org/SHA256SUMS',
                               f'{SHA256} *a.iso\n'.encode())
        self.assertEqual(CONTENT, self.fetch(checksum=sums))
        self.source.put(sums, f'{"1" * 64} *a.iso\n'.encode())
        self.failure(errors.ChecksumError, checksum=sums)

    def test_a_checksum_file_must_not_be_local(self):
        self.failure(errors.HrefError, checksum='file:///etc/passwd')

    def test_md5_must_be_allowed(self):
        self.source.put(HREF, CONTENT)
        md5 = hashlib.md5(CONTENT).hexdigest()
        self.failure(errors.ChecksumError, checksum=md5)
        allowing = self.new_store(
            settings=image_settings.Settings(allow_md5=True))
        self.assertEqual(CONTENT, self.fetch(checksum=md5, store=allowing))
        self.assertRaises(errors.ChecksumError, self.fetch,
                          checksum='0' * 32, store=allowing)


class AccessTestCase(base.StoreTestCase):

    def as_user(self, **access):
        return self.new_store(settings=image_settings.Settings(
            access=image_settings.Access(**access)))

    def test_another_users_copy_is_given_to_those_alone_who_may_read_it(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch(store=self.as_user(username='a', password='b'))
        self.source.pages[HREF].error = errors.ImageAccessError('401')
        self.assertRaises(errors.ImageAccessError, self.fetch,
                          store=self.as_user(username='c', password='d'))
        self.source.pages[HREF].error = None
        self.fetch(store=self.as_user(username='c', password='d'))
        self.assertEqual(1, self.source.calls['download'])

    def test_what_came_unverified_is_no_answer_to_who_verifies(self):
        self.source.put(HREF, b'forged', etag='"1"')
        self.fetch(store=self.as_user(verify=False))
        self.source.put(HREF, CONTENT, etag='"1"')
        self.assertEqual(CONTENT, self.fetch())


class LimitsTestCase(base.StoreTestCase):

    def test_an_image_announced_as_too_large_is_not_downloaded(self):
        self.store = self.new_store(max_image_size=1000)
        self.source.put(HREF, CONTENT)
        self.assertIn('1000 bytes',
                      self.failure(errors.ImageTooLargeError))
        self.assertEqual(0, self.source.sent)
        self.assertNothingKept()

    def test_a_download_of_unknown_size_stops_at_the_limit(self):
        self.store = self.new_store(max_image_size=len(CONTENT) - 1)
        self.source.put(HREF, CONTENT, size=None)
        self.failure(errors.ImageTooLargeError)
        self.assertNothingKept()

    def test_a_source_that_sends_more_than_it_said_is_stopped(self):
        self.source.put(HREF, CONTENT, size=1000)

        def begin(target, version):
            real(target, version)
            return [(0, len(CONTENT))]

        real = image_store.downloads.partial.PartialFile.begin
        with unittest.mock.patch.object(
                image_store.downloads.partial.PartialFile, 'begin', begin):
            self.assertIn('1000 bytes', self.failure(errors.ImageError))
        self.assertEqual([], self.objects())

    def test_a_source_that_sends_too_little_is_told(self):
        self.source.put(HREF, CONTENT, size=len(CONTENT) + 1, etag='W/"1"')
        self.assertIn('without the bytes', self.failure(errors.ImageError))
        self.assertNothingKept()

    def test_space_for_others_is_left_free(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.store = self.new_store(min_free=1 << 60)
        message = self.failure(errors.NoSpaceError)
        self.assertIn(HREF, message)
        self.assertIn(str(self.root), message)
        self.assertIn('min_free_space', message)
        self.assertEqual(0, self.source.sent)
        self.assertNothingKept()

    def test_unused_images_make_room_for_a_new_one(self):
        self.source.put(HREF, CONTENT)
        self.fetch()
        self.source.put(HREF + '2', b'x' * 5000)

        def pretend(path):
            # As if the disk were full but for what the store has.
            return 1000 + (1 - len(self.objects())) * len(CONTENT)

        with unittest.mock.patch.object(disk, 'free', pretend):
            self.fetch(HREF + '2')
        self.assertNotIn(SHA256, self.objects())


class IndexTestCase(base.StoreTestCase):

    def test_a_lost_index_is_made_again_from_the_objects(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        for path in (self.root / 'index').iterdir():
            path.unlink()
        (self.root / 'index').rmdir()
        self.assertEqual(CONTENT, self.fetch(store=self.new_store()))
        self.assertEqual(1, self.source.calls['download'])

    def test_records_that_are_damaged_cost_a_download_at_most(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        for text in ('', 'null', '[]', '{"version": 3}', '[' * 100000):
            for path in self.root.rglob('*.json'):
                path.write_text(text)
            self.assertEqual(CONTENT, self.fetch())
            self.assertEqual(CONTENT, self.fetch('http://x/', SHA256))
            self.assertEqual({'sha256'},
                             set(self.store.show(SHA256).digests))

    def test_of_many_urls_of_one_image_the_latest_are_remembered(self):
        for number in range(40):
            self.source.put(f'{HREF}?sig={number}', CONTENT, etag='"1"')
            self.fetch(f'{HREF}?sig={number}')
        self.assertEqual(32, len(list((self.root / 'index').iterdir())))
        self.source.calls.clear()
        self.fetch(f'{HREF}?sig=39')
        self.assertEqual(1, self.source.calls['unchanged'])


class AtHandTestCase(base.StoreTestCase):

    def test_at_hand_only_what_the_source_still_has(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        with self.store.at_hand(HREF) as image:
            self.assertIsNone(image)
        self.fetch()
        with self.store.at_hand(HREF) as image:
            self.assertEqual(f'sha256:{SHA256}', image.digest)
        self.source.put(HREF, b'new', etag='"2"')
        with self.store.at_hand(HREF) as image:
            self.assertIsNone(image)
        with self.store.at_hand(HREF, SHA256) as image:
            self.assertEqual(len(CONTENT), image.size)
        with self.store.at_hand(HREF, '0' * 64) as image:
            self.assertIsNone(image)

    def test_peek_reads_the_start_only(self):
        self.source.put(HREF, CONTENT)
        self.assertEqual(CONTENT[:100], self.store.peek(HREF, 100))
        self.assertFalse(self.root.exists())

    def test_small_things_are_read_up_to_a_limit(self):
        for size in (-1, None):
            self.source.put(HREF, b'0123456789', size=size)
            self.assertEqual(b'0123456789', self.store.read(HREF, 10))
            self.assertRaises(errors.ImageTooLargeError, self.store.read,
                              HREF, 9)


class PlaceTestCase(base.StoreTestCase):

    def test_an_image_is_put_elsewhere_without_becoming_writable(self):
        self.source.put(HREF, CONTENT)
        target = self.folder / 'copy.iso'
        with self.store.lease(HREF) as image:
            for clone, link, expected in ((False, True, 'link'),
                                          (False, True, 'link'),
                                          (False, False, 'copy')):
                with unittest.mock.patch.object(
                        disk, 'clone', return_value=clone):
                    if link:
                        how = image.place(str(target))
                    else:
                        with unittest.mock.patch.object(
                                disk, 'link', return_value=False):
                            how = image.place(str(target))
                self.assertEqual(expected, how)
                self.assertEqual(CONTENT, target.read_bytes())
                self.assertEqual(['copy.iso', 'store'],
                                 sorted(os.listdir(self.folder)))
        self.assertEqual(0o444, (self.root / 'objects' / SHA256)
                         .stat().st_mode & 0o777)
