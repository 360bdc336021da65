# SPDX-License-Identifier: Apache-2.0

"""Tests for the bases of streamed images, here or still elsewhere."""

import contextlib
import hashlib
import os
import pathlib
import tempfile
import threading
import unittest.mock

import testtools

from ironic_ext.images import base_image
from ironic_ext.images import errors
from ironic_ext.media import bases
from ironic_ext.media import medium as media
from ironic_ext.media.stream import contract
from tests import media_streams
from tests.unit.media import database

CONTENT = os.urandom(300000)
DIGEST = 'sha256:' + hashlib.sha256(CONTENT).hexdigest()
HREF = 'http://images.example.com/live.iso?signature=SECRET'


def medium(**values):
    return media_streams.stream({
        'id': '1' * 32, 'node': database.NODE, 'name': 'node-7.iso',
        'digest': DIGEST, 'size': len(CONTENT), 'created_at': 1,
        'base_digest': DIGEST, 'base_size': len(CONTENT), **values})


class Store:
    """An image store that downloads when it is told to.

    :ivar failure: what a download raises.
    :ivar leases: how many images are open.
    """

    def __init__(self, folder):
        self.path = folder / 'object'
        self.downloading = threading.Event()
        self.go_on = threading.Event()
        self.failure = None
        self.leases = 0
        self.downloads = []

    @contextlib.contextmanager
    def open(self, digest):
        if not self.path.exists():
            yield None
            return
        self.leases += 1
        try:
            yield base_image.BaseImage(str(self.path), 'http://x',
                                       self.path.stat().st_size, digest)
        finally:
            self.leases -= 1

    @contextlib.contextmanager
    def lease(self, href, checksum=None):
        self.downloads.append((href, checksum))
        self.downloading.set()
        self.go_on.wait(30)
        if self.failure:
            raise self.failure
        self.path.write_bytes(CONTENT)
        with self.open(checksum) as image:
            yield image


class Service:
    """An image service that has ranges."""

    def __init__(self):
        self.asked = []
        self.failure = None

    def read_range(self, href, offset, length, version=None):
        self.asked.append((href, offset, length, version))
        if self.failure:
            raise self.failure
        return CONTENT[offset:offset + length]


class BasesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = Store(pathlib.Path(folder.name))
        self.service = Service()
        self.sources = [(HREF, '"1"')]
        way = bases.Way(self.store, lambda href: self.service)
        self.owners = unittest.mock.Mock()
        self.bases = bases.StoreBases(
            lambda digest: [media.Source(*one) for one in self.sources],
            way, self.owners)
        self.addCleanup(self.join)
        self.addCleanup(self.store.go_on.set)

    def open(self, **values):
        return self.bases.open(medium(**values))

    def join(self):
        for thread in threading.enumerate():
            if thread.name == 'base-download':
                thread.join(30)

    def test_a_base_in_the_store_is_a_leased_file(self):
        self.store.path.write_bytes(CONTENT)
        base = self.open()
        self.assertEqual(CONTENT[5:15], os.pread(base.fd, 10, 5))
        self.assertEqual(1, self.store.leases)
        base.close()
        self.assertEqual(0, self.store.leases)
        self.assertEqual([], self.store.downloads)

    def test_an_image_without_a_base_needs_none(self):
        base = self.open(base_size=0)
        self.assertIsNone(base.fd)
        self.assertEqual(b'', base.read(0, 0))
        self.assertRaises(contract.BaseMissingError, base.read, 0, 1)
        base.check()
        base.close()
        self.assertEqual((0, []), (self.store.leases, self.store.downloads))

    def test_a_base_of_another_size_is_refused_and_let_go(self):
        self.store.path.write_bytes(CONTENT[:-1])
        self.assertRaises(contract.BaseChangedError, self.open)
        self.assertEqual(0, self.store.leases)

    def test_a_file_that_cannot_be_opened_is_let_go(self):
        self.store.path.mkdir()
        self.assertRaises(
            contract.StreamError, self.open,
            base_size=self.store.path.stat().st_size)
        self.assertEqual(0, self.store.leases)

    def test_a_base_that_is_nowhere_is_told(self):
        self.sources = []
        exc = self.assertRaises(contract.BaseMissingError, self.open)
        self.assertIn(DIGEST, str(exc))

    def test_while_it_is_downloaded_ranges_come_from_the_source(self):
        base = self.open()
        self.assertIsNone(base.fd)
        self.assertEqual(CONTENT[100:150], base.read(100, 50))
        (href, offset, length, version), = self.service.asked
        self.assertEqual((HREF, 100, 50), (href, offset, length))
        self.assertEqual(('"1"', len(CONTENT)),
                         (version.strong_etag, version.size))

    def test_afterwards_they_come_from_the_file(self):
        base = self.open()
        self.store.go_on.set()
        self.join()
        self.assertEqual(CONTENT[7:9], os.pread(base.fd, 2, 7))
        self.assertEqual(CONTENT[7:9], base.read(7, 2))
        self.assertEqual([], self.service.asked)
        self.assertEqual([(HREF, DIGEST)], self.store.downloads)
        base.check()
        base.close()
        self.assertEqual(0, self.store.leases)

    def test_without_an_entity_tag_readers_wait_for_the_download(self):
        self.sources = [(HREF, '')]
        base = self.open()
        threading.Timer(0.1, self.store.go_on.set).start()
        self.assertEqual(CONTENT[1:4], base.read(1, 3))
        self.assertEqual([], self.service.asked)
        base.close()

    def test_a_source_that_changed_is_not_read(self):
        self.service.failure = errors.ImageChangedError('changed')
        base = self.open()
        self.store.failure = errors.ChecksumError('has another checksum')
        self.store.go_on.set()
        exc = self.assertRaises(contract.BaseMissingError,
                                base.read, 0, 10)
        self.assertIn('has another checksum', str(exc))
        self.assertNotIn('SECRET', str(exc))

    def test_a_reader_does_not_wait_for_ever(self):
        self.sources = [(HREF, '')]
        base = self.open()
        with unittest.mock.patch.object(bases, '_PATIENCE', 0.05):
            exc = self.assertRaises(contract.BaseMissingError,
                                    base.read, 0, 10)
        self.assertIn('still being downloaded', str(exc))

    def test_a_short_answer_is_not_passed_on(self):
        self.service.read_range = lambda *args: b'short'
        base = self.open()
        self.store.go_on.set()
        self.assertEqual(CONTENT[:10], base.read(0, 10))
        base.close()

    def test_the_next_source_is_tried(self):
        self.sources = [('http://a', ''), ('http://b', '')]
        self.store.failure = errors.ImageNotFoundError('gone')
        base = self.open()
        self.store.go_on.set()
        self.join()
        self.assertEqual(['http://a', 'http://b'],
                         [href for href, _sum in self.store.downloads])
        self.assertIsNone(base.fd)

    def test_what_an_owner_chose_is_had_the_owners_way_alone(self):
        self.sources = [(HREF, '"1"', True)]
        self.owners.service_for(HREF).read_range.return_value = b'fenced'
        self.owners.store.lease.side_effect = errors.ImageNotFoundError('x')
        self.assertEqual(b'fenced', self.open().read(0, 6))
        self.join()
        self.owners.store.lease.assert_called_once_with(HREF, DIGEST)
        self.assertEqual(([], []),
                         (self.service.asked, self.store.downloads))

    def test_a_failed_download_is_tried_again_later(self):
        self.sources = [(HREF, '')]
        self.store.failure = errors.ImageNotFoundError('gone')
        base = self.open()
        self.store.go_on.set()
        self.join()
        self.assertRaises(contract.BaseMissingError, base.read, 0, 10)
        self.assertEqual(1, len(self.store.downloads))
        self.store.failure = None
        with unittest.mock.patch.object(bases, '_RETRY', 0):
            self.assertEqual(CONTENT[:10], base.read(0, 10))
        base.close()

    def test_a_base_closed_meanwhile_keeps_no_lease(self):
        base = self.open()
        self.store.downloading.wait(30)
        base.close()
        self.store.go_on.set()
        self.join()
        self.assertEqual(0, self.store.leases)
        self.assertTrue(self.store.path.exists())
