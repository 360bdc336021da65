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

"""Tests for the cache of base images, with a real web server."""

import hashlib
import os
import pathlib
import tempfile
import threading

import testtools

from ironic_ext import images
from tests.unit.images import web_server

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()


class CacheTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        server = web_server.serving()
        self.web = server.__enter__()
        self.addCleanup(server.__exit__, None, None, None)
        self.root = self.folder / 'cache'
        self.allowed = self.folder / 'allowed'
        self.allowed.mkdir()
        self.cache = self.new_cache()

    def new_cache(self, **options):
        http = images.HttpService(timeout=10)
        return images.ImageCache(
            str(self.root),
            {'http': http,
             'file': images.FileService([str(self.allowed)],
                                        denied=[str(self.allowed / 'no')])},
            **{'lock_timeout': 20, **options})

    def page(self, path='/a.iso', content=CONTENT, **facts):
        self.web.pages[path] = web_server.Page(content, **facts)
        return self.web.url + path

    def fetch(self, href, checksum=None, cache=None):
        with (cache or self.cache).lease(href, checksum) as base:
            return pathlib.Path(base.path).read_bytes()

    def failure(self, href, checksum=None, kind=images.ImageError):
        def fetch():
            self.fetch(href, checksum)

        return str(self.assertRaises(kind, fetch))

    def objects(self):
        return sorted(os.listdir(self.root / 'objects'))

    def assertNothingKept(self):
        self.assertEqual([], self.objects())
        self.assertEqual([], os.listdir(self.root / 'hrefs'))


class HttpTestCase(CacheTestCase):

    def test_gives_the_content_and_keeps_it_under_its_digest(self):
        href = self.page()
        self.assertEqual(CONTENT, self.fetch(href))
        self.assertEqual([SHA256], self.objects())

    def test_kept_content_cannot_be_written_to(self):
        self.fetch(self.page())
        mode = (self.root / 'objects' / SHA256).stat().st_mode
        self.assertEqual(0o444, mode & 0o777)

    def test_an_unchanged_etag_needs_no_second_download(self):
        href = self.page(etag='"v1"')
        self.fetch(href)
        self.assertEqual(CONTENT, self.fetch(href))
        self.assertEqual('"v1"',
                         self.web.requests[-1].headers['If-None-Match'])
        self.assertEqual(2, len(self.web.requests))

    def test_an_unchanged_modification_date_needs_no_second_download(self):
        date = 'Sat, 21 Nov 2026 10:00:00 GMT'
        href = self.page(last_modified=date)
        self.fetch(href)
        self.assertEqual(CONTENT, self.fetch(href))
        self.assertEqual(date,
                         self.web.requests[-1].headers['If-Modified-Since'])

    def test_changed_content_is_downloaded_though_the_url_is_the_same(self):
        href = self.page(etag='"v1"')
        self.fetch(href)
        self.page(content=b'new', etag='"v2"')
        self.assertEqual(b'new', self.fetch(href))

    def test_without_validators_the_content_is_never_taken_for_current(self):
        href = self.page()
        self.fetch(href)
        self.page(content=b'new')
        self.assertEqual(b'new', self.fetch(href))

    def test_content_asked_for_by_digest_needs_no_server(self):
        href = self.page()
        self.fetch(href)
        before = len(self.web.requests)
        self.assertEqual(CONTENT, self.fetch(
            'http://127.0.0.1:9/gone.iso', f'sha256:{SHA256.upper()}'))
        self.assertEqual(CONTENT, self.fetch(href, SHA256))
        self.assertEqual(before, len(self.web.requests))

    def test_a_sha512_is_verified_and_found_again(self):
        href = self.page()
        self.fetch(href, SHA512)
        self.assertEqual(CONTENT, self.fetch(href, f'sha512:{SHA512}'))
        self.assertEqual(1, len(self.web.requests))

    def test_wrong_content_is_refused_and_not_kept(self):
        message = self.failure(self.page(), 'sha256:' + '0' * 64,
                               images.ChecksumError)
        self.assertIn(SHA256, message)
        self.assertNothingKept()

    def test_cached_content_of_another_digest_does_not_pass(self):
        href = self.page(etag='"v1"')
        self.fetch(href)
        self.failure(href, 'sha256:' + '0' * 64, images.ChecksumError)

    def test_a_checksum_file_is_read_for_the_images_name(self):
        href = self.page()
        sums = self.page('/SHA256SUMS', f'{SHA256} *a.iso\n'.encode())
        self.assertEqual(CONTENT, self.fetch(href, sums))

    def test_a_wrong_line_in_a_checksum_file_refuses_the_image(self):
        href = self.page()
        sums = self.page('/SHA256SUMS', f'{"1" * 64} *a.iso\n'.encode())
        self.failure(href, sums, images.ChecksumError)

    def test_a_missing_image_is_told_with_the_servers_answer(self):
        message = self.failure(self.web.url + '/none.iso?sig=SECRET')
        self.assertIn('404', message)
        self.assertIn('/none.iso', message)
        self.assertNotIn('SECRET', message)

    def test_passwords_in_a_url_do_not_reach_messages(self):
        href = self.web.url.replace('//', '//user:hunter2@') + '/none.iso'
        self.assertNotIn('hunter2', self.failure(href))

    def test_a_web_page_is_not_taken_for_an_image(self):
        href = self.page(content=b'\n<!DOCTYPE html><html>Log in</html>',
                         kind='text/html; charset=utf-8')
        self.assertIn('web page', self.failure(href))
        self.assertNothingKept()

    def test_a_truncated_download_is_refused_and_not_kept(self):
        href = self.page(announce=len(CONTENT) + 1)
        self.failure(href)
        self.assertNothingKept()

    def test_a_download_of_unknown_length_is_taken(self):
        self.assertEqual(CONTENT, self.fetch(self.page(announce=-1)))

    def test_a_server_that_is_down_is_told(self):
        message = self.failure('http://127.0.0.1:9/a.iso')
        self.assertIn('no connection', message)

    def test_an_image_announced_as_too_large_is_not_downloaded(self):
        self.cache = self.new_cache(max_image_size=1000)
        self.assertIn('1000 bytes', self.failure(self.page()))
        self.assertNothingKept()

    def test_a_download_stops_at_the_limit(self):
        self.cache = self.new_cache(max_image_size=len(CONTENT) - 1)
        self.assertIn('larger', self.failure(self.page(announce=-1)))
        self.assertNothingKept()

    def test_concurrent_requests_share_one_download(self):
        gate = threading.Event()
        href = self.page(etag='"v1"', gate=gate)
        results = []
        threads = [threading.Thread(
            target=lambda: results.append(self.fetch(href)))
            for _number in range(4)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        self.assertEqual([CONTENT] * 4, results)
        self.assertEqual([], os.listdir(self.root / 'locks'))
        whole = [request for request in self.web.requests
                 if 'If-None-Match' not in request.headers]
        self.assertEqual(1, len(whole))

    def test_waiting_for_another_download_has_an_end(self):
        gate = threading.Event()
        href = self.page(gate=gate)
        self.addCleanup(gate.set)
        thread = threading.Thread(target=self.fetch, args=(href,))
        thread.start()
        while not self.web.requests:
            thread.join(0.01)
        impatient = self.new_cache(lock_timeout=0)
        error = self.assertRaises(images.ImageError, self.fetch, href,
                                  cache=impatient)
        self.assertIn('another download', str(error))
        gate.set()
        thread.join()

    def test_a_leftover_of_a_killed_download_is_no_obstacle(self):
        href = self.page(announce=len(CONTENT) + 1)
        self.failure(href)
        key = hashlib.sha256(href.encode()).hexdigest()
        (self.root / 'hrefs' / f'{key}.part').write_bytes(b'half')
        self.page()
        self.assertEqual(CONTENT, self.fetch(href))

    def test_old_images_make_room_for_new_ones(self):
        self.cache = self.new_cache(max_size=len(CONTENT) + 10)
        self.fetch(self.page())
        self.fetch(self.page('/b.iso', b'b' * 100))
        self.assertEqual([hashlib.sha256(b'b' * 100).hexdigest()],
                         self.objects())

    def test_an_image_in_use_is_not_removed(self):
        self.cache = self.new_cache(max_size=10)
        with self.cache.lease(self.page()) as base:
            self.fetch(self.page('/b.iso', b'b' * 100))
            self.assertIn(SHA256, self.objects())
            self.assertEqual(CONTENT,
                             pathlib.Path(base.path).read_bytes())
        self.fetch(self.page('/c.iso', b'c' * 100))
        self.assertNotIn(SHA256, self.objects())

    def test_at_hand_only_what_the_server_still_has(self):
        href = self.page(etag='"v1"')
        with self.cache.at_hand(href) as base:
            self.assertIsNone(base)
        self.fetch(href)
        with self.cache.at_hand(href) as base:
            self.assertEqual(len(CONTENT), base.size)
        self.page(content=b'new', etag='"v2"')
        with self.cache.at_hand(href) as base:
            self.assertIsNone(base)

    def test_peek_reads_the_start_only(self):
        href = self.page()
        self.assertEqual(CONTENT[:100], self.cache.peek(href, 100))
        self.assertEqual('bytes=0-99',
                         self.web.requests[-1].headers['Range'])

    def test_small_things_are_read_up_to_a_limit(self):
        href = self.page(content=b'0123456789')
        self.assertEqual(b'0123456789', self.cache.read(href, 10))
        self.assertRaises(images.ImageError, self.cache.read, href, 9)

    def test_an_unknown_scheme_is_told_with_the_known_ones(self):
        for href in ('ftp://x/a.iso', 'a.iso', '/etc/passwd', 'http:[x'):
            with self.subTest(href):
                self.failure(href, kind=images.HrefError)

    def test_an_unusable_cache_directory_is_told(self):
        self.root.write_text('in the way')
        self.assertIn('cache_dir', self.failure(self.page()))


class FileTestCase(CacheTestCase):

    def file(self, name='a.iso', content=CONTENT):
        path = self.allowed / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return f'file://{path}'

    def test_a_file_is_used_in_place(self):
        href = self.file()
        with self.cache.lease(href) as base:
            self.assertTrue(os.path.samefile(base.path,
                                             self.allowed / 'a.iso'))
        self.assertFalse(self.root.exists())

    def test_a_files_checksum_is_verified(self):
        href = self.file()
        self.assertEqual(CONTENT, self.fetch(href, SHA256))
        self.failure(href, '0' * 64, images.ChecksumError)

    def test_a_changed_file_is_digested_anew(self):
        href = self.file()
        self.fetch(href, SHA256)
        self.file(content=b'other')
        self.failure(href, SHA256, images.ChecksumError)

    def test_a_file_that_changes_while_in_use_is_told(self):
        href = self.file()
        with self.cache.lease(href) as base:
            base.require_unchanged()
            self.file(content=CONTENT + b'more')
            self.assertRaises(images.ImageError, base.require_unchanged)

    def test_a_replaced_file_stays_the_one_that_was_leased(self):
        href = self.file()
        with self.cache.lease(href) as base:
            self.file('b.iso', b'other')
            os.rename(self.allowed / 'b.iso', self.allowed / 'a.iso')
            self.assertEqual(CONTENT,
                             pathlib.Path(base.path).read_bytes())

    def test_a_symlink_does_not_lead_out_of_the_allowed_paths(self):
        outside = self.folder / 'secret'
        outside.write_text('x')
        (self.allowed / 'link').symlink_to(outside)
        self.failure(f'file://{self.allowed}/link', kind=images.HrefError)

    def test_dots_do_not_lead_out_of_the_allowed_paths(self):
        (self.folder / 'secret').write_text('x')
        for path in ('../secret', '%2e%2e/secret'):
            self.failure(f'file://{self.allowed}/{path}',
                         kind=images.HrefError)

    def test_a_denied_directory_wins(self):
        self.failure(self.file('no/a.iso'), kind=images.HrefError)

    def test_what_is_no_plain_file_is_refused(self):
        os.mkfifo(self.allowed / 'fifo')
        (self.allowed / 'dir').mkdir()
        for name in ('fifo', 'dir'):
            with self.subTest(name):
                self.failure(f'file://{self.allowed}/{name}')

    def test_a_missing_file_is_told(self):
        self.assertIn('No such file',
                      self.failure(f'file://{self.allowed}/none.iso'))

    def test_a_host_in_a_file_url_is_refused(self):
        self.failure('file://etc/passwd', kind=images.HrefError)

    def test_peek_and_at_hand_read_the_file(self):
        href = self.file()
        self.assertEqual(CONTENT[:9], self.cache.peek(href, 9))
        with self.cache.at_hand(href, SHA256) as base:
            self.assertEqual(len(CONTENT), base.size)
