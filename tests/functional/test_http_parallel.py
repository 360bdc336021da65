# SPDX-License-Identifier: Apache-2.0

"""Tests of downloads over several connections."""

import random
import ssl
import threading
import time

import fixtures
import trustme

from ironic_ext.images import errors
from ironic_ext.images.http import service as http
from ironic_ext.images import settings as image_settings
from tests import fault_server as faults
from tests.functional import http_downloads
from tests import memory_target

_PIECE = 128 << 10
CONTENT = random.Random(4).randbytes(5 << 20)
# A server that gives each connection some 10 MB/s.
SLOW = faults.trickle(0.0015, 16 << 10)


class ParallelTestCase(http_downloads.DownloadTestCase):

    def setUp(self):
        super().setUp()
        for name, value in (('crew.PIECE', _PIECE),
                            ('pieces._MEASURED', 0.03),
                            ('pieces._SETTLING', 0.01),
                            ('download.FIRST', 64 << 10),
                            ('download._NEARLY_DONE', 0)):
            self.useFixture(fixtures.MonkeyPatch(
                f'ironic_ext.images.http.{name}', value))
        self.allow(4)
        self.addCleanup(self.assertNoReaders)

    def allow(self, connections, **facts):
        self.service = http.HttpImageService(http_downloads.settings(
            connections=connections, parallel_above=1 << 20, **facts))

    def assertNoReaders(self):
        for thread in threading.enumerate():
            if thread.name.startswith('image-part'):
                thread.join(5)
                self.assertFalse(thread.is_alive())

    def connections(self):
        return len({r.client for r in self.server.requests})

    def test_connections_are_added_where_each_brings_more(self):
        self.serve(CONTENT, always=SLOW)
        self.fetch()
        self.assertDownloaded(CONTENT)
        self.assertGreater(len(self.target.threads), 1)
        self.assertEqual(len(CONTENT), self.target.written)

    def test_a_limit_is_a_limit(self):
        self.allow(1)
        self.serve(CONTENT, always=SLOW)
        self.fetch()
        self.assertDownloaded(CONTENT)
        self.assertEqual(1, self.connections())

    def test_a_small_image_comes_over_one_connection(self):
        content = CONTENT[:1 << 19]
        self.serve(content, always=SLOW)
        self.fetch()
        self.assertDownloaded(content)
        self.assertEqual(1, self.connections())

    def test_parts_that_nothing_ties_together_come_over_one(self):
        self.serve(CONTENT, etag='W/"v1"', always=SLOW)
        self.fetch()
        self.assertDownloaded(CONTENT)
        self.assertEqual(1, len(self.target.threads))

    def test_a_server_that_refuses_a_second_connection_is_left_alone(self):
        first = []

        def limited(reply, resource):
            client = self.server.requests[-1].client
            first.append(client)
            if client == first[0]:
                SLOW(reply, resource)
            elif len(set(first)) < 3:
                faults.status(503)(reply, resource)
        self.serve(CONTENT, always=limited)
        self.fetch()
        self.assertDownloaded(CONTENT)

    def test_readers_that_break_off_give_back_what_is_missing(self):
        count = iter(range(10 ** 6))

        def brittle(reply, resource):
            SLOW(reply, resource)
            if next(count) % 3 == 2:
                faults.cut(50_000)(reply, resource)
        self.serve(CONTENT, always=brittle)
        self.fetch()
        self.assertDownloaded(CONTENT)
        self.assertEqual(len(CONTENT), self.target.written)

    def test_a_change_while_several_read_starts_over(self):
        other = CONTENT[::-1]

        def changing(reply, resource):
            SLOW(reply, resource)
            if len(self.server.requests) > 3:
                resource.content, resource.etag = other, '"v2"'
        self.serve(CONTENT, always=changing)
        self.assertEqual('"v2"', self.fetch().etag)
        self.assertDownloaded(other)

    def test_what_the_target_raises_beside_ends_the_download(self):
        class Full(memory_target.MemoryTarget):
            def write(self, offset, data):
                if threading.current_thread().name.startswith('image-part'):
                    raise errors.NoSpaceError('disk full')
                super().write(offset, data)
        self.target = Full()
        self.serve(CONTENT, always=SLOW)
        self.assertFails(errors.NoSpaceError, 'disk full')

    def test_nobody_writes_after_a_failure(self):
        class Full(memory_target.MemoryTarget):
            def write(self, offset, data):
                super().write(offset, data)
                if len(self.threads) > 1 and not (
                        threading.current_thread().name.startswith('image')):
                    raise errors.NoSpaceError('disk full')
        self.target = Full()
        self.serve(CONTENT, always=SLOW)
        self.assertFails(errors.NoSpaceError, 'disk full')
        written = self.target.written
        self.server.hang_up()
        self.assertNoReaders()
        self.assertEqual(written, self.target.written)

    def test_a_reader_that_stalls_does_not_keep_a_failure(self):
        def stalling(reply, resource):
            SLOW(reply, resource)
            if len(self.server.requests) > 2:
                faults.stall(1000)(reply, resource)

        class Full(memory_target.MemoryTarget):
            def write(self, offset, data):
                super().write(offset, data)
                if len(self.threads) > 1 and not (
                        threading.current_thread().name.startswith('image')):
                    raise errors.NoSpaceError('disk full')
        self.target = Full()
        self.allow(4, stall_timeout=30)
        self.serve(CONTENT, always=stalling)
        started = time.monotonic()
        self.assertFails(errors.NoSpaceError, 'disk full')
        self.assertLess(time.monotonic() - started, 10)

    def test_readers_that_are_stopped_leave_no_garbage(self):
        # The rest of a TLS connection that was shut down is no data.
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert('127.0.0.1').configure_cert(context)
        server = self.enterContext(faults.serving(context))
        server.add('/a.iso', CONTENT, always=SLOW)
        self.allow(4, access=image_settings.Access(
            proxies={}, ca=authority.cert_pem.bytes().decode()))

        class Full(memory_target.MemoryTarget):
            def write(self, offset, data):
                super().write(offset, data)
                if len(self.threads) > 1 and not (
                        threading.current_thread().name.startswith('image')):
                    raise errors.NoSpaceError('disk full')
        for _ in range(2):
            target = Full()
            self.assertRaises(errors.NoSpaceError, self.service.fetch,
                              f'{server.url}/a.iso', target)
            end = 0
            for start, stop in [*target.missing(), (len(CONTENT), 0)]:
                if target.content[end:start] != CONTENT[end:start]:
                    self.fail('what was written is not the image')
                end = stop
