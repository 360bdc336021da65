# SPDX-License-Identifier: Apache-2.0

"""Tests of stat and read_range over HTTP."""

import random
import threading

from ironic_ext.images import errors
from ironic_ext.images.http import service as http
from ironic_ext.images import service
from tests import fault_server as faults
from tests.functional import http_downloads

CONTENT = random.Random(3).randbytes(2_500_000)


class StatTestCase(http_downloads.DownloadTestCase):

    def stat(self):
        return self.service.stat(self.url)

    def methods(self):
        return [(r.method, r.sent) for r in self.server.requests]

    def test_head_tells_all(self):
        self.serve(headers={'Cache-Control': 'no-store'})
        version = self.stat()
        self.assertEqual((len(http_downloads.CONTENT), '"v1"', True, True), (
            version.size, version.etag, version.ranges, version.no_cache))
        self.assertEqual(2026, version.updated_at.year)
        self.assertIsNone(version.updated_at.tzinfo)
        self.assertEqual([('HEAD', 0)], self.methods())

    def test_where_head_is_refused_a_few_bytes_are_asked_for(self):
        self.serve(head=False)
        version = self.stat()
        self.assertEqual(len(http_downloads.CONTENT), version.size)
        self.assertTrue(version.ranges)
        self.assertEqual(
            [('HEAD', None), ('GET', 'bytes=0-511')],
            [(r.method, r.headers.get('Range'))
             for r in self.server.requests])

    def test_a_head_without_a_length_is_no_use(self):
        self.serve(chunked=True)
        self.assertEqual(len(http_downloads.CONTENT), self.stat().size)

    def test_a_server_without_ranges_is_not_read_to_its_end(self):
        self.serve(content=bytes(64 << 20), head=False, ranges=False)
        version = self.stat()
        self.assertEqual((64 << 20, False), (version.size, version.ranges))
        self.server.hang_up()
        self.assertLess(self.server.requests[-1].sent, 32 << 20)

    def test_an_empty_image_has_a_size(self):
        self.serve(b'', head=False)
        self.assertEqual(0, self.stat().size)

    def test_a_missing_image_takes_one_request(self):
        self.assertRaises(errors.ImageNotFoundError, self.stat)
        self.assertEqual(1, len(self.server.requests))

    def test_an_image_behind_a_password_says_so(self):
        self.serve(authorization='x')
        self.assertRaises(errors.ImageAccessError, self.stat)

    def test_a_web_page_is_no_image(self):
        self.serve(always=faults.page())
        failure = self.assertRaises(errors.ImageError, self.stat)
        self.assertIn('web page', str(failure))

    def test_a_busy_server_is_asked_again(self):
        self.serve(head=False, faults=[faults.status(503)])
        self.assertEqual(len(http_downloads.CONTENT), self.stat().size)


class ReadRangeTestCase(http_downloads.DownloadTestCase):

    def setUp(self):
        super().setUp()
        self.resource = self.serve(CONTENT)
        self.version = service.ImageVersion(size=len(CONTENT), etag='"v1"')

    def read(self, offset, length, version=None):
        return self.service.read_range(self.url, offset, length,
                                       version or self.version)

    def assertChanged(self, offset=0, length=10):
        self.assertRaises(errors.ImageChangedError, self.read, offset,
                          length)

    def test_a_part_is_what_lies_there(self):
        for offset, length in ((0, 1), (5, 100), (1000, 1 << 20),
                               (0, len(CONTENT))):
            self.assertEqual(CONTENT[offset:offset + length],
                             self.read(offset, length))
        self.assertEqual(
            'bytes=5-104', self.server.requests[1].headers['Range'])

    def test_a_part_ends_where_the_image_does(self):
        self.assertEqual(CONTENT[-10:], self.read(len(CONTENT) - 10, 100))
        self.assertEqual(b'', self.read(len(CONTENT), 100))
        self.assertEqual(b'', self.read(len(CONTENT) + 5, 100))

    def test_nothing_is_read_without_a_request(self):
        self.assertEqual(b'', self.read(5, 0))
        self.assertEqual([], self.server.requests)

    def test_another_version_is_told(self):
        self.resource.etag = '"v2"'
        self.assertChanged()
        self.resource.conditions = False
        self.assertChanged()

    def test_another_size_is_told(self):
        self.resource.content = CONTENT[:-1]
        self.assertChanged()
        self.assertChanged(len(CONTENT) - 1)
        self.assertChanged(len(CONTENT))

    def test_without_an_etag_size_and_date_have_to_be_the_same(self):
        self.resource.etag = None
        self.version = self.service.stat(self.url)
        self.assertEqual(CONTENT[5:9], self.read(5, 4))
        self.resource.last_modified = 'Fri, 02 Jan 2026 00:00:00 GMT'
        self.assertChanged()

    def test_any_version_will_do_where_none_is_given(self):
        self.assertEqual(CONTENT[5:9], self.service.read_range(
            self.url, 5, 4))

    def test_calls_share_a_connection(self):
        for offset in range(20):
            self.read(offset, 4)
        self.assertEqual(1, len({r.client for r in self.server.requests}))

    def test_threads_have_connections_of_their_own(self):
        found = []
        threads = [threading.Thread(
            target=lambda at=at: found.append(self.read(at, 4)))
            for at in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(CONTENT[at:at + 4] for at in range(5)),
                         sorted(found))

    def test_the_start_can_be_had_from_a_server_without_ranges(self):
        self.resource.ranges = False
        self.assertEqual(CONTENT[5:1000], self.read(5, 995))
        failure = self.assertRaises(
            errors.ImageError, self.read, 2 << 20, 10)
        self.assertIn('does not serve parts', str(failure))

    def test_other_bytes_than_asked_for_are_refused(self):
        self.resource.always = faults.header(
            'Content-Range', f'bytes 0-9/{len(CONTENT)}')
        failure = self.assertRaises(errors.ImageError, self.read, 5, 10)
        self.assertIn('Content-Range is wrong', str(failure))

    def test_a_part_that_breaks_off_is_read_again(self):
        self.resource.faults = [faults.cut(3), faults.status(503)]
        self.assertEqual(CONTENT[5:15], self.read(5, 10))

    def test_a_missing_image_is_told(self):
        self.server.resources.clear()
        self.assertRaises(errors.ImageNotFoundError, self.read, 0, 10)

    def test_a_part_comes_from_where_a_redirect_led(self):
        self.server.add('/link', always=faults.redirect('/a.iso'))
        link = f'{self.server.url}/link'
        for offset in (5, 6):
            self.assertEqual(CONTENT[offset:offset + 4],
                             self.service.read_range(link, offset, 4))
        self.assertEqual(['/link', '/a.iso', '/a.iso'],
                         [r.path for r in self.server.requests])

    def test_other_credentials_mean_other_sessions(self):
        service_ = http.HttpImageService(http_downloads.settings())
        service_.read_range(self.url, 0, 4)
        service_.set_image_auth(self.url, {'username': 'u',
                                           'password': 'p'})
        service_.read_range(self.url, 0, 4)
        self.assertEqual([None, 'Basic dTpw'], [
            r.headers.get('Authorization') for r in self.server.requests])
