# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The image store: what callers get, and what is kept of it."""

import hashlib
import json
import os
import pathlib
import threading
import unittest.mock

import fixtures
import testtools

from ironic_ext.images import checksum as checksums
from ironic_ext.images import disk
from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images import settings as image_settings
from ironic_ext.images import store as image_store
from tests.unit.images import fake_service

CONTENT = os.urandom(1 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()
HREF = 'http://images.example.org/a.iso'


class StoreTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.root = self.folder / 'store'
        self.source = fake_service.FakeService()
        self.store = self.new_store()

    def new_store(self, **options):
        return image_store.ImageStore(
            str(self.root), service_for=lambda href: self.source,
            **{'lock_timeout': 30, **options})

    def fetch(self, href=HREF, checksum=None, store=None, **options):
        with (store or self.store).lease(href, checksum, **options) as image:
            return pathlib.Path(image.path).read_bytes()

    def failure(self, kind, href=HREF, checksum=None, **options):
        return str(self.assertRaises(kind, self.fetch, href, checksum,
                                     **options))

    def objects(self):
        return sorted(name for name in os.listdir(self.root / 'objects')
                      if '.' not in name)

    def files(self):
        """Return every file of the store, whatever it is for."""
        return sorted(str(path.relative_to(self.root))
                      for path in self.root.rglob('*')
                      if path.is_file() and path.name != 'lock')

    def assertNothingKept(self):
        self.assertEqual([], self.files())


class LeaseTestCase(StoreTestCase):

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


class ChecksumTestCase(StoreTestCase):

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


class AccessTestCase(StoreTestCase):

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


class LimitsTestCase(StoreTestCase):

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


class ResumeTestCase(StoreTestCase):

    def test_a_broken_download_resumes(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        self.assertEqual([], self.objects())
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))
        self.assertEqual(len(CONTENT), self.source.sent)
        self.assertEqual(3, len(self.files()), self.files())

    def test_a_download_that_broke_at_several_places_resumes(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=400000, reverse=True)
        self.source.pages[HREF].cut = None
        store = self.new_store()
        real = image_store.downloads.partial.PartialFile.write

        def write(target, offset, data):
            if self.source.sent > 500000:
                raise errors.ImageError('broke off')
            real(target, offset, data)

        with unittest.mock.patch.object(
                image_store.downloads.partial.PartialFile, 'write', write):
            self.failure(errors.ImageError)
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256, store=store))
        self.assertEqual(len(CONTENT), self.source.sent)

    def test_an_image_that_changed_meanwhile_starts_over(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        other = CONTENT[::-1]
        self.source.put(HREF, other, etag='"2"')
        self.assertEqual(other, self.fetch())

    def test_what_no_strong_validator_stands_for_starts_over(self):
        for etag in ('', 'W/"1"'):
            self.source.put(HREF, CONTENT, etag=etag, cut=700000)
            self.failure(errors.ImageError)
            self.assertNothingKept()

    def state(self):
        (path,) = (self.root / 'partial').glob('*.state')
        return path

    def test_a_damaged_state_starts_over(self):
        for damage in ('', '{}\n', '[]\n0 5\n', 'null\n', None, '5 3\n',
                       '0 %d\n' % (1 << 40), '-4 5\n', 'x 1\n', '7\n'):
            self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
            self.failure(errors.ImageError)
            head, newline, _rest = self.state().read_text().partition('\n')
            if damage is None:
                self.state().unlink()
            elif damage[:1] in ('', '{', '[', 'n'):
                self.state().write_text(damage)
            else:
                self.state().write_text(head + newline + damage)
            self.source.sent = 0
            self.assertEqual(CONTENT, self.fetch(), damage)
            self.assertEqual(len(CONTENT), self.source.sent)
            self.store.prune(older_than=0)

    def test_a_line_that_was_not_finished_does_not_count(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        with self.state().open('a') as file:
            file.write('0 %d' % len(CONTENT))
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))

    def cut_power(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        head, *lines = self.state().read_text().split('\n')
        facts = {**json.loads(head), 'boot': 'another'}
        self.state().write_text('\n'.join([json.dumps(facts), *lines]))
        self.source.sent = 0

    def test_after_a_power_cut_nothing_is_resumed_that_nobody_judges(self):
        self.cut_power()
        self.assertEqual(CONTENT, self.fetch())
        self.assertEqual(len(CONTENT), self.source.sent)

    def test_after_a_power_cut_a_checksum_lets_a_download_resume(self):
        self.cut_power()
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))
        self.assertLess(self.source.sent, len(CONTENT))

    def test_bytes_that_a_power_cut_spoilt_are_downloaded_again(self):
        self.cut_power()
        (path,) = (path for path in (self.root / 'partial').iterdir()
                   if path.suffix != '.state')
        with path.open('r+b') as spoilt:
            spoilt.write(bytes(4096))
        self.assertEqual(CONTENT, self.fetch(checksum=SHA256))

    def test_after_a_failure_that_stays_nothing_is_left(self):
        self.source.put(HREF, CONTENT, etag='"1"', cut=700000)
        self.failure(errors.ImageError)
        self.source.put(HREF, CONTENT, etag='"1"')
        self.failure(errors.ChecksumError, checksum='0' * 64)
        self.assertNothingKept()


class IndexTestCase(StoreTestCase):

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


class ConcurrencyTestCase(StoreTestCase):

    def test_concurrent_requests_share_one_download(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, gate=gate)
        results, seen = [], []
        threads = [threading.Thread(target=lambda: results.append(
            self.fetch(observer=seen.append))) for _number in range(20)]
        for thread in threads:
            thread.start()
        self.source.asked.wait(10)
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual([CONTENT] * 20, results)
        self.assertEqual(1, self.source.calls['fetch'])
        self.assertEqual([], os.listdir(self.root / 'locks'))

    def test_who_waits_sees_how_far_the_other_download_is(self):
        half, gate = threading.Event(), threading.Event()

        class Slow(fake_service.FakeService):
            def fetch(self, href, target, known=None):
                target.begin(self.pages[href].version)
                target.write(0, CONTENT[:600000])
                half.set()
                gate.wait(30)
                target.write(600000, CONTENT[600000:])
                return self.pages[href].version

        self.source = Slow()
        self.source.put(HREF, CONTENT)
        self.useFixture(fixtures.MockPatch(
            'ironic_ext.images.download_lock._TELL_SECONDS', 0.02))
        seen = []

        def observe(progress):
            seen.append(progress)
            gate.set()

        first = threading.Thread(target=self.fetch)
        first.start()
        half.wait(10)
        self.assertEqual(CONTENT, self.fetch(observer=observe))
        first.join()
        self.assertEqual([('waiting', 600000, len(CONTENT))],
                         [(p.phase, p.received, p.size) for p in seen[:1]])
        self.assertEqual('done', seen[-1].phase)

    def test_a_request_after_the_download_asks_the_source_again(self):
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch()
        self.fetch()
        self.assertEqual(2, self.source.calls['fetch'])

    def test_whoever_waited_for_a_download_that_failed_tries_himself(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, etag='"1"', gate=gate, cut=0)
        results = []

        def request():
            try:
                results.append(self.fetch())
            except errors.ImageError as exc:
                results.append(str(exc))

        threads = [threading.Thread(target=request) for _number in range(2)]
        threads[0].start()
        self.source.asked.wait(10)
        threads[1].start()
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual({False, True},
                         {result == CONTENT for result in results})

    def test_waiting_for_another_download_has_an_end(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, gate=gate)
        thread = threading.Thread(target=self.fetch)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(gate.set)
        self.source.asked.wait(10)
        error = self.assertRaises(errors.ImageError, self.fetch,
                                  store=self.new_store(lock_timeout=0))
        self.assertIn('another download', str(error))

    def test_credentials_of_one_do_not_answer_another_who_waited(self):
        gate = threading.Event()
        self.source.put(HREF, CONTENT, gate=gate, etag='"1"')
        thread = threading.Thread(target=self.fetch)
        thread.start()
        self.source.asked.wait(10)
        other = self.new_store(settings=image_settings.Settings(
            access=image_settings.Access(token='t')))
        second = threading.Thread(target=self.fetch,
                                  kwargs={'store': other})
        second.start()
        gate.set()
        thread.join()
        second.join()
        self.assertEqual(2, self.source.calls['fetch'])
        self.assertEqual(1, self.source.calls['download'])


class LastingLeaseTestCase(StoreTestCase):

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


class EvictionTestCase(StoreTestCase):

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


class DamageTestCase(StoreTestCase):

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


class AtHandTestCase(StoreTestCase):

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


class LocalFileTestCase(StoreTestCase):

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


class PlaceTestCase(StoreTestCase):

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
