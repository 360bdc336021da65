# SPDX-License-Identifier: Apache-2.0

"""Tests for Ironic's contract on top of ours, with a service made up."""

import datetime
import errno
import hashlib
import io
import os
import tempfile
import threading
import unittest.mock

import testtools

from ironic_ext.images import checksum
from ironic_ext.images import errors
from ironic_ext.images.for_ironic import contract as ironic_contract
from ironic_ext.images import service
from ironic_ext.images import settings

HREF = 'https://me:secret@server/live.iso?signature=secret'
CONTENT = os.urandom(3000)


class Made(ironic_contract.IronicImageService):
    """Brings ``pieces``: (offset, bytes), in this order."""

    version = service.ImageVersion(size=len(CONTENT), etag='"1"')
    pieces = ((0, CONTENT),)
    error = None

    def stat(self, href):
        if self.error:
            raise self.error
        return self.version

    def fetch(self, href, target, known=None):
        self.asked_for = list(target.begin(self.version))
        for offset, data in self.pieces:
            target.write(offset, data)
        return self.version

    def read_range(self, href, offset, length, version=None):
        raise NotImplementedError


class ContractTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.service = Made(settings.Settings())

    def download(self, **kwargs):
        with tempfile.TemporaryFile('w+b') as image_file:
            self.service.download(HREF, image_file, **kwargs)
            image_file.seek(0)
            return image_file.read()

    def test_a_download_fills_the_file(self):
        self.assertEqual(CONTENT, self.download())
        self.assertEqual([(0, len(CONTENT))], self.service.asked_for)
        self.assertIsNone(self.service.transfer_verified_checksum)

    def test_it_is_verified_in_whatever_order_it_arrives(self):
        orders = {
            'in order': ((0, CONTENT[:1000]), (1000, CONTENT[1000:])),
            'backwards': ((1000, CONTENT[1000:]), (0, CONTENT[:1000])),
            'twice': ((0, CONTENT[:2000]), (1000, CONTENT[1000:])),
        }
        for name, pieces in orders.items():
            self.service.pieces = pieces
            for algorithm in ('sha256', 'sha384', 'sha512'):
                digest = hashlib.new(algorithm, CONTENT).hexdigest()
                with self.subTest(name, algorithm=algorithm):
                    self.download(checksum=digest, checksum_algo=algorithm)
                    self.assertEqual(
                        f'{algorithm}:{digest}',
                        self.service.transfer_verified_checksum)
                    self.assertRaises(
                        errors.ChecksumError, self.download,
                        checksum='0' * len(digest), checksum_algo=algorithm)

    def test_a_checksum_may_bring_its_algorithm_or_none(self):
        digest = hashlib.sha512(CONTENT).hexdigest()
        for text in (digest, f'sha512:{digest}', f'SHA512:{digest.upper()}'):
            self.download(checksum=text)
            self.assertEqual(f'sha512:{digest}',
                             self.service.transfer_verified_checksum)

    def test_md5_is_refused_unless_the_site_allows_it(self):
        digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
        for given in ({'checksum': digest},
                      {'checksum': digest, 'checksum_algo': 'md5'}):
            self.assertRaises(errors.ChecksumError, self.download, **given)
            self.service = Made(settings.Settings(allow_md5=True))
            self.download(**given)
            self.service = Made(settings.Settings())

    def test_other_algorithms_are_left_to_ironic(self):
        self.download(checksum='ab', checksum_algo='sha3_256')
        self.assertIsNone(self.service.transfer_verified_checksum)

    def test_what_the_source_promises_is_verified_too(self):
        wrong = checksum.Checksum('sha256', '0' * 64)
        self.service.version = service.ImageVersion(
            size=len(CONTENT), checksum=wrong)
        self.assertRaises(errors.ChecksumError, self.download)

    def test_an_image_that_changes_under_way_is_taken_anew(self):
        new = service.ImageVersion(size=4, etag='"2"')
        wanted = hashlib.sha256(b'new!').hexdigest()

        class Changing(Made):
            def fetch(self, href, target, known=None):
                target.begin(self.version)
                target.write(0, CONTENT[:2000])
                assert target.begin(self.version) == [(2000, 3000)]
                assert target.begin(new) == [(0, 4)]
                target.write(0, b'new!')
                return new

        self.service = Changing(settings.Settings())
        self.assertEqual(b'new!', self.download(checksum=wanted))

    def test_an_unknown_size_is_fine(self):
        self.service.version = service.ImageVersion()
        digest = hashlib.sha256(CONTENT).hexdigest()
        self.assertEqual(CONTENT, self.download(checksum=digest))
        self.assertEqual([(0, -1)], self.service.asked_for)

    def test_a_hole_in_what_arrived_is_an_error(self):
        self.service.pieces = ((0, CONTENT[:10]), (20, CONTENT[20:]))
        error = self.assertRaises(errors.ImageError, self.download)
        self.assertIn('10 to 20', str(error))
        self.assertNotIn('secret', str(error))

    def test_an_image_without_content_is_fine(self):
        self.service.version = service.ImageVersion(size=0)
        self.service.pieces = ()
        self.assertEqual(b'', self.download(
            checksum=hashlib.sha256().hexdigest()))

    def test_a_disk_without_room_is_found_out_first(self):
        self.service.version = service.ImageVersion(size=1 << 60)
        error = self.assertRaises(errors.NoSpaceError, self.download)
        self.assertIn('free on the disk', str(error))

    def test_a_disk_that_fills_up_is_named(self):
        full = OSError(errno.ENOSPC, 'No space left on device')
        with unittest.mock.patch.object(os, 'pwrite', side_effect=full):
            self.assertRaises(errors.NoSpaceError, self.download)
        with unittest.mock.patch.object(
                os, 'pwrite', side_effect=OSError(errno.EIO, 'I/O error')):
            error = self.assertRaises(errors.ImageError, self.download)
        self.assertIn('I/O error', str(error))

    def test_nothing_is_left_running_or_open(self):
        digest = hashlib.sha256(CONTENT).hexdigest()
        before = set(os.listdir('/proc/self/fd')), threading.active_count()
        self.download(checksum=digest)
        self.service.pieces = ()
        self.assertRaises(errors.ImageError, self.download, checksum=digest)
        self.assertEqual(before, (set(os.listdir('/proc/self/fd')),
                                  threading.active_count()))

    def test_a_buffer_will_do_as_a_file(self):
        found = io.BytesIO()
        self.service.pieces = ((1000, CONTENT[1000:]), (0, CONTENT[:1000]))
        self.service.download(
            HREF, found, hashlib.sha256(CONTENT).hexdigest(), 'sha256')
        self.assertEqual(CONTENT, found.getvalue())

    def test_show_says_what_ironic_asks_for(self):
        when = datetime.datetime(2026, 11, 21)
        self.service.version = service.ImageVersion(
            size=5, updated_at=when, no_cache=True,
            properties={'kernel_id': 'k'})
        self.assertEqual({'size': 5, 'updated_at': when, 'no_cache': True,
                          'properties': {'kernel_id': 'k'}},
                         self.service.show(HREF))

    def test_show_gives_the_checksum_in_glances_terms(self):
        for algorithm, expected in (
                ('sha512', {'os_hash_algo': 'sha512', 'os_hash_value': 'a'}),
                ('md5', {'checksum': 'a'})):
            self.service.version = service.ImageVersion(
                checksum=checksum.Checksum(algorithm, 'a'))
            shown = self.service.show(HREF)
            self.assertEqual(shown, shown | expected)

    def test_a_secret_href_is_not_named(self):
        self.service.error = errors.ImageNotFoundError(
            'the server has no https://server/live.iso')
        error = self.assertRaises(errors.ImageNotFoundError,
                                  self.service.validate_href, HREF, True)
        self.assertEqual('the server has no the image', str(error))
        self.assertTrue(error.__suppress_context__)
        error = self.assertRaises(errors.ImageNotFoundError,
                                  self.service.validate_href, HREF)
        self.assertIn('live.iso', str(error))

    def test_a_node_brings_a_user_or_a_token(self):
        self.service.set_image_auth(HREF, {'username': 'u', 'password': 'p'})
        access = self.service.settings.access
        self.assertEqual(('u', 'p', None),
                         (access.username, access.password, access.token))
        self.service.set_image_auth(HREF, {'username': '', 'password': 't'})
        access = self.service.settings.access
        self.assertEqual((None, None, 't'),
                         (access.username, access.password, access.token))
        self.service.set_image_auth(HREF, None)
        self.assertEqual('t', self.service.settings.access.token)

    def test_credentials_are_asked_for_by_those_who_use_them(self):
        self.assertFalse(self.service.is_auth_set_needed)

        class Web(Made):
            takes_credentials = True

        self.assertTrue(Web(settings.Settings()).is_auth_set_needed)
