# SPDX-License-Identifier: Apache-2.0

"""Answers to downloads over HTTP that are no image, and what is said then."""

import time

from ironic_ext.images import errors
from ironic_ext.images.http import service as http
from tests import fault_server as faults
from tests.functional import http_downloads
from tests import memory_target

_MIB = http_downloads.MIB
CONTENT = http_downloads.CONTENT
settings = http_downloads.settings


class RefusalTestCase(http_downloads.DownloadTestCase):

    def test_statuses_that_may_pass_are_tried_again(self):
        for code in (408, 425, 429, 500, 502, 503, 504):
            with self.subTest(code=code):
                self.server.resources.clear()
                self.target = memory_target.MemoryTarget()
                self.serve(faults=[faults.status(code)])
                self.fetch()
                self.assertDownloaded()

    def test_other_statuses_are_not_tried_again(self):
        for code, kind in ((400, errors.ImageError),
                           (401, errors.ImageAccessError),
                           (403, errors.ImageAccessError),
                           (404, errors.ImageNotFoundError),
                           (410, errors.ImageNotFoundError),
                           (501, errors.ImageError)):
            with self.subTest(code=code):
                self.server.resources.clear()
                self.server.requests.clear()
                self.serve(always=faults.status(code))
                self.assertFails(kind, f'answered {code} for {self.url}')
                # These two may mean that there are no ranges.
                self.assertEqual(2 if code in (400, 501) else 1,
                                 len(self.server.requests))

    def test_a_server_that_refuses_ranges_is_asked_without(self):
        def refuse(reply, resource):
            if wanted():
                faults.status(code)(reply, resource)

        def wanted():
            return 'Range' in self.server.requests[-1].headers

        for code in (400, 501):
            with self.subTest(code=code):
                self.server.resources.clear()
                self.target = memory_target.MemoryTarget()
                self.service = http.HttpImageService(settings())
                self.serve(always=refuse, head=False)
                self.assertEqual(len(CONTENT),
                                 self.service.stat(self.url).size)
                self.fetch()
                self.assertDownloaded()
                self.assertEqual(CONTENT[5:99], self.service.read_range(
                    self.url, 5, 94))

    def test_the_library_is_not_what_the_server_is_told(self):
        self.serve()
        self.fetch()
        self.assertEqual({'ironic-ext'}, {
            request.headers['User-Agent']
            for request in self.server.requests})

    def test_a_server_may_say_when_to_come_back(self):
        self.service = http.HttpImageService(settings(retry_ceiling=0.3))
        self.serve(faults=[faults.status(503, Retry_After='3600')])
        started = time.monotonic()
        self.fetch()
        self.assertDownloaded()
        self.assertGreaterEqual(time.monotonic() - started, 0.3)

    def test_a_server_that_is_always_busy_is_given_up(self):
        self.serve(always=faults.status(503))
        self.assertFails(errors.ImageError, 'answered 503')
        self.assertEqual(4, len(self.server.requests))

    def test_a_web_page_is_no_image(self):
        self.serve(always=faults.page())
        self.assertFails(errors.ImageError, 'with a web page')
        self.assertEqual([], self.target.versions)

    def test_an_image_that_is_called_a_web_page_comes_all_the_same(self):
        self.serve(kind='text/html')
        self.fetch()
        self.assertDownloaded()

    def test_a_compressed_answer_is_refused(self):
        self.serve(ranges=False, always=faults.compressed())
        self.assertFails(errors.ImageError, 'encoded as "gzip"')
        self.assertEqual(
            'identity', self.server.requests[0].headers['Accept-Encoding'])

    def test_a_body_longer_than_announced_is_refused(self):
        self.serve(ranges=False, always=faults.announce(2 * _MIB))
        self.assertFails(errors.ImageError, 'Content-Length is wrong')

    def test_a_body_shorter_than_announced_is_no_image(self):
        self.serve(ranges=False, always=faults.announce(4 * _MIB))
        self.assertFails(errors.ImageError, 'broke off')

    def test_other_bytes_than_asked_for_are_refused(self):
        wrong = faults.header(
            'Content-Range', f'bytes 0-{_MIB - 1}/{len(CONTENT)}')
        self.serve(faults=[None, wrong])
        self.assertFails(errors.ImageError, 'Content-Range is wrong')

    def test_ranges_without_a_sense_are_not_used(self):
        for text in ('bytes 5-9/100', 'bytes 0-99/*', 'pages 1-2/3', None):
            with self.subTest(text=text):
                self.server.resources.clear()
                self.target = memory_target.MemoryTarget()
                self.serve(faults=[faults.header('Content-Range', text)])
                self.fetch()
                self.assertDownloaded()
                self.assertIsNone(self.server.sent()[-1])

    def test_what_the_target_raises_ends_an_endless_answer(self):
        self.serve(always=faults.endless())

        class Small(memory_target.MemoryTarget):
            def write(self, offset, data):
                if offset > _MIB:
                    raise errors.ImageTooLargeError('too large')
                super().write(offset, data)
        self.target = Small()
        self.assertFails(errors.ImageTooLargeError, 'too large')

    def test_what_begin_raises_ends_a_download(self):
        class Full(memory_target.MemoryTarget):
            def begin(self, version):
                raise errors.NoSpaceError('disk full')
        self.serve()
        self.target = Full()
        self.assertFails(errors.NoSpaceError, 'disk full')
        self.assertEqual(1, len(self.server.requests))

    def test_a_refused_connection_is_named(self):
        self.server.shutdown()
        self.server.server_close()
        self.assertFails(errors.ImageError, 'the connection was refused')

    def test_an_answer_that_is_no_http_is_an_error(self):
        def garbage(reply, resource):
            raise OSError('the handler ends here')
        self.serve(always=garbage)
        self.assertFails(errors.ImageError, 'the connection broke off')
