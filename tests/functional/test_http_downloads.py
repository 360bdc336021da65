# SPDX-License-Identifier: Apache-2.0

"""Tests of downloads over HTTP from a server that misbehaves."""

import itertools
import time


from ironic_ext.images import errors
from ironic_ext.images.http import download as http_download
from ironic_ext.images.http import service as http
from ironic_ext.images import service
from tests import fault_server as faults
from tests.functional import http_downloads
from tests import memory_target

_MIB = http_downloads.MIB
CONTENT = http_downloads.CONTENT
OTHER = http_downloads.OTHER
settings = http_downloads.settings


class FetchTestCase(http_downloads.DownloadTestCase):

    def test_an_image_comes_as_it_is(self):
        self.serve()
        version = self.fetch()
        self.assertDownloaded()
        self.assertEqual(len(CONTENT), version.size)
        self.assertEqual('"v1"', version.etag)
        self.assertTrue(version.ranges)
        self.assertEqual(len(CONTENT), self.target.written)

    def test_an_empty_image_comes_as_it_is(self):
        self.serve(b'')
        self.assertEqual(0, self.fetch().size)
        self.assertDownloaded(b'')

    def test_a_small_image_takes_one_request(self):
        self.serve(b'small')
        self.fetch()
        self.assertDownloaded(b'small')
        self.assertEqual(1, len(self.server.requests))

    def test_a_download_needs_one_connection(self):
        self.serve()
        self.fetch()
        self.assertEqual(1, len({r.client for r in self.server.requests}))

    def test_an_image_of_unknown_size_comes_as_it_is(self):
        self.serve(ranges=False, chunked=True)
        self.assertEqual(len(CONTENT), self.fetch().size)
        self.assertDownloaded()
        self.assertIsNone(self.target.versions[0].size)

    def test_a_server_without_ranges_sends_one_stream(self):
        self.serve(ranges=False)
        self.assertFalse(self.fetch().ranges)
        self.assertDownloaded()
        self.assertEqual(1, len(self.server.requests))

    def test_without_a_strong_validator_an_image_is_one_stream(self):
        for etag in ('W/"v1"', None):
            with self.subTest(etag=etag):
                self.server.resources.clear()
                self.server.requests.clear()
                self.target = memory_target.MemoryTarget()
                self.serve(etag=etag, last_modified=None)
                self.fetch()
                self.assertDownloaded()
                self.assertIsNone(self.server.sent()[-1])

    def test_what_is_at_hand_is_not_fetched_again(self):
        self.serve()
        version = self.service.stat(self.url)
        half = 2 * _MIB
        self.target.have(version, 0, CONTENT[:half])
        self.target.have(version, half + _MIB, CONTENT[half + _MIB:])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(_MIB, self.target.written)
        self.assertEqual(
            [f'bytes=0-{http_download.FIRST - 1}',
             f'bytes={half}-{half + _MIB - 1}'], self.server.sent())

    def test_a_part_at_hand_serves_where_there_are_no_ranges(self):
        self.serve(ranges=False)
        version = self.service.stat(self.url)
        self.target.have(version, 1000, CONTENT[1000:2 * _MIB])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(len(CONTENT) - 2 * _MIB + 1000, self.target.written)

    def test_a_complete_image_is_not_fetched(self):
        self.serve()
        version = self.service.stat(self.url)
        self.target.have(version, 0, CONTENT)
        self.fetch()
        self.assertEqual(0, self.target.written)


class ConditionTestCase(http_downloads.DownloadTestCase):

    def test_a_known_image_is_not_sent(self):
        self.serve()
        known = self.fetch()
        written = self.target.written
        self.assertIsNone(self.fetch(known))
        self.assertEqual(written, self.target.written)
        request = self.server.requests[-1]
        self.assertEqual('"v1"', request.headers['If-None-Match'])
        self.assertNotIn('If-Modified-Since', request.headers)
        self.assertEqual(0, request.sent)

    def test_asking_again_needs_no_new_connection(self):
        self.serve()
        known = self.fetch()
        self.service.stat(self.url)
        for _ in range(3):
            self.assertIsNone(self.fetch(known))
        self.assertEqual(1, len({r.client for r in self.server.requests}))

    def test_a_date_tells_whether_an_image_is_known(self):
        self.serve(etag=None)
        known = self.fetch()
        self.assertIsNone(self.fetch(known))
        self.assertIn('If-Modified-Since', self.server.requests[-1].headers)

    def test_a_server_that_ignores_conditions_is_not_read(self):
        self.serve(conditions=False)
        known = self.fetch()
        written = self.target.written
        self.assertIsNone(self.fetch(known))
        self.assertEqual(written, self.target.written)

    def test_a_changed_image_is_fetched(self):
        resource = self.serve()
        known = self.fetch()
        resource.content, resource.etag = OTHER, '"v2"'
        self.assertEqual('"v2"', self.fetch(known).etag)
        self.assertDownloaded(OTHER)


class ResumeTestCase(http_downloads.DownloadTestCase):

    def test_a_broken_download_resumes(self):
        self.serve(faults=[None, faults.cut(_MIB)])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(len(CONTENT), sum(
            request.sent for request in self.server.requests))
        self.assertEqual('"v1"', self.server.requests[-1].headers['If-Range'])

    def test_a_download_that_breaks_in_its_first_bytes_resumes(self):
        self.serve(faults=[faults.cut(1000)])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(f'bytes=1000-{len(CONTENT) - 1}',
                         self.server.sent()[-1])

    def test_any_number_of_breaks_is_survived_that_bring_something(self):
        self.serve(faults=[faults.cut(100_000)] * 20)
        self.fetch()
        self.assertDownloaded()

    def test_breaks_that_bring_nothing_are_counted(self):
        resource = self.serve(faults=[None, *[faults.cut(0)] * 3])
        self.fetch()
        self.assertDownloaded()
        resource.faults = [None, *[faults.cut(0)] * 4]
        self.target = memory_target.MemoryTarget()
        self.assertFails(errors.ImageError, 'the connection broke off')

    def test_a_stalled_download_resumes(self):
        self.service = http.HttpImageService(settings(stall_timeout=0.2))
        self.serve(faults=[None, faults.stall(_MIB)])
        self.fetch()
        self.assertDownloaded()

    def test_a_server_that_stalls_for_ever_is_given_up(self):
        self.service = http.HttpImageService(
            settings(stall_timeout=0.1, retries=1))
        self.serve(always=faults.stall(0))
        self.assertFails(errors.ImageError, 'sends nothing any more')

    def test_a_trickle_is_a_stall(self):
        self.service = http.HttpImageService(
            settings(stall_timeout=0.2, retries=0))
        self.serve(faults=[None, faults.trickle(0.05)])
        self.assertFails(errors.ImageError, 'next to nothing')

    def test_a_server_that_dribbles_is_given_up(self):
        self.service = http.HttpImageService(settings(
            stall_timeout=30, min_rate=1 << 20, rate_window=0.5))
        self.serve(faults=[None, faults.trickle(0.05, 8 << 10)])
        self.assertFails(errors.ImageError, 'min_rate or rate_window')

    def test_breaks_do_not_hide_that_it_dribbles(self):
        self.service = http.HttpImageService(settings(
            retries=1000, min_rate=1 << 20, rate_window=0.5))
        self.serve(faults=[None, *[faults.both(
            faults.trickle(0.02, 1 << 10), faults.cut(2 << 10))] * 1000])
        self.assertFails(errors.ImageError, 'min_rate or rate_window')

    def test_a_disk_that_is_slow_is_no_slow_server(self):
        class Slow(memory_target.MemoryTarget):
            def write(self, offset, data):
                time.sleep(0.2)
                super().write(offset, data)

        self.service = http.HttpImageService(settings(
            min_rate=20 << 20, rate_window=0.3))
        self.target = Slow()
        self.serve()
        self.fetch()
        self.assertDownloaded()

    def test_a_settled_date_ties_parts_together(self):
        resource = self.serve(etag=None, faults=[None, faults.cut(_MIB)])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(resource.last_modified,
                         self.server.requests[-1].headers['If-Range'])

    def test_without_a_strong_validator_a_break_means_to_start_over(self):
        self.serve(etag='W/"v1"', faults=[None, faults.cut(_MIB)])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(2, len(self.target.versions))

    def test_starting_over_for_ever_is_given_up(self):
        self.serve(etag='W/"v1"', always=faults.cut(_MIB))
        self.assertFails(errors.ImageError, 'broke off')

    def test_a_download_of_unknown_size_resumes_where_ranges_work(self):
        def chunked(reply, resource):
            reply.status, reply.body = 200, resource.content
            reply.headers.pop('Content-Range', None)
            reply.chunked, reply.cut = True, 2 * _MIB
        self.serve(faults=[chunked])
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(f'bytes={2 * _MIB}-', self.server.sent()[-1])

    def test_ranges_that_are_lost_cost_a_second_stream(self):
        resource = self.serve(faults=[None, faults.cut(_MIB)])

        def no_ranges(reply, res):
            reply.status, reply.body = 200, res.content
            reply.headers.pop('Content-Range')
            reply.headers['Content-Length'] = str(len(res.content))
        resource.faults.append(no_ranges)
        self.fetch()
        self.assertDownloaded()
        self.assertEqual(len(CONTENT), self.target.written)


class ChangeTestCase(http_downloads.DownloadTestCase):

    def test_an_image_that_changes_under_way_starts_over(self):
        self.serve(faults=[None, faults.both(
            faults.cut(_MIB), faults.change(OTHER, '"v2"'))])
        self.assertEqual('"v2"', self.fetch().etag)
        self.assertDownloaded(OTHER)

    def test_a_change_is_seen_where_if_range_is_ignored(self):
        self.serve(if_range=False, faults=[None, faults.both(
            faults.cut(_MIB), faults.change(OTHER, '"v2"'))])
        self.assertEqual('"v2"', self.fetch().etag)
        self.assertDownloaded(OTHER)

    def test_an_image_that_shrinks_under_way_starts_over(self):
        self.serve(if_range=False, faults=[None, faults.both(
            faults.cut(_MIB), faults.change(b'short', '"v2"'))])
        self.fetch()
        self.assertDownloaded(b'short')

    def another(self, *faults_too):
        """Return a fault: servers that have an entity tag each."""
        count = iter(range(1000))

        def apply(reply, resource):
            resource.etag = f'"{next(count)}"'
            for fault in faults_too:
                fault(reply, resource)
        return apply

    def test_servers_that_do_not_agree_send_one_stream(self):
        for if_range in (True, False):
            self.server.requests.clear()
            self.target = memory_target.MemoryTarget()
            self.serve(if_range=if_range, always=self.another())
            self.fetch()
            self.assertDownloaded()
            self.assertIsNone(self.server.sent()[-1])

    def test_two_servers_that_take_turns_send_one_stream(self):
        tags = itertools.cycle(('"one"', '"two"'))
        self.serve(always=lambda reply, resource: setattr(
            resource, 'etag', next(tags)))
        self.fetch()
        self.assertDownloaded()

    def test_an_image_that_never_stays_the_same_nor_whole_is_given_up(self):
        self.serve(always=self.another(faults.cut(_MIB)))
        self.assertFails(errors.ImageError, 'broke off')

    def test_a_login_page_does_not_replace_what_was_fetched(self):
        self.serve(faults=[None, faults.cut(_MIB), faults.page()])
        self.assertFails(errors.ImageError, 'web page')
        self.assertEqual(1, len(self.target.versions))


class ContractTestCase(http_downloads.DownloadTestCase):

    def test_the_service_keeps_the_contract(self):
        self.assertIsInstance(self.service, service.ImageService)

    def test_credentials_given_later_are_used(self):
        self.serve(authorization='Basic dTpw')
        self.assertFails(errors.ImageAccessError, 'it wants credentials')
        self.service.set_image_auth(
            self.url, {'username': 'u', 'password': 'p'})
        self.fetch()
        self.assertDownloaded()
