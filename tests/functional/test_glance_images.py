# SPDX-License-Identifier: Apache-2.0

"""Images in a real Glance, downloaded through openstacksdk."""

import contextlib
import hashlib
import io
import os
import pathlib
import socket
import tempfile
import threading

import fixtures
import openstack
import testtools

from ironic_ext import images
from ironic_ext.images import errors
from ironic_ext.images.for_ironic import file_target
from ironic_ext.images import glance
from ironic_ext.images import settings
from tests import glance_server

CONTENT = os.urandom(5 << 20)


class CuttingRelay:
    """Passes TCP connections on, and cuts some off.

    :ivar cuts: bytes; an answer that is longer than the first entry is cut
        off there, and the entry is done with.
    :ivar passed: bytes of answers that were passed on.
    """

    def __init__(self, port):
        self._port = port
        self.cuts = []
        self.passed = 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self._listener.getsockname()[1]}'
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(('127.0.0.1', self._port))
            for work in ((self._pump, client, server),
                         (self._pump_answer, server, client)):
                thread = threading.Thread(target=work[0], args=work[1:])
                self._threads.append(thread)
                thread.start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        self._end(source, sink)

    def _pump_answer(self, source, sink):
        count = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                count += len(data)
                cut = bool(self.cuts) and count > self.cuts[0]
                if cut:
                    data = data[:len(data) - (count - self.cuts.pop(0))]
                self.passed += len(data)
                sink.sendall(data)
                if cut:
                    break
        self._end(source, sink)

    def _end(self, source, sink):
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        # Each direction closes what it reads from.
        source.close()


class RealGlance:
    """A mixin of test cases: Glance with one image, for the whole class."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.glance = glance_server.Glance(pathlib.Path(folder.name))
        cls.addClassCleanup(cls.glance.stop)
        cls.glance.start()
        cls.proxy = cls.connect(cls.glance.url)
        cls.image = cls.proxy.create_image(
            'live', data=CONTENT, disk_format='raw', container_format='bare',
            visibility='public', kernel_id='a-kernel',
            boot_iso_id='an-iso', os_distro='debian')

    @staticmethod
    def connect(url):
        return openstack.connect(
            auth_type='none', image_endpoint_override=url,
            image_api_version='2').image


class GlanceTestCase(RealGlance, testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.service = self.through(self.proxy)

    def through(self, proxy, **given):
        return glance.GlanceImageService(settings.Settings(
            glance=lambda: proxy, retry_interval=0.01, **given))

    def relayed(self):
        relay = CuttingRelay(self.glance.port)
        self.addCleanup(relay.close)
        proxy = self.connect(relay.url)
        self.addCleanup(proxy.session.session.close)
        return relay, self.through(proxy)

    def download(self, service=None, **given):
        found = io.BytesIO()
        (service or self.service).download(self.image.id, found, **given)
        return found.getvalue()

    def test_an_image_is_described(self):
        for href in (self.image.id, f'glance://{self.image.id}',
                     f'glance://{self.image.id.upper()}'):
            version = self.service.stat(href)
            self.assertEqual(len(CONTENT), version.size)
            self.assertEqual(
                f'sha512:{hashlib.sha512(CONTENT).hexdigest()}',
                str(version.checksum))
            self.assertEqual(
                ('a-kernel', 'an-iso', 'debian'),
                tuple(version.properties[name] for name in (
                    'kernel_id', 'boot_iso_id', 'os_distro')))
            self.assertNotIn('visibility', version.properties)
            self.assertIsNone(version.updated_at.tzinfo)
            self.assertEqual(version, self.service.stat(href))

    def test_ironic_finds_what_it_asks_for(self):
        shown = self.service.show(self.image.id)
        self.assertEqual(('sha512', len(CONTENT), 'a-kernel'),
                         (shown['os_hash_algo'], shown['size'],
                          shown['properties']['kernel_id']))

    def test_an_image_is_downloaded_and_verified(self):
        digest = hashlib.sha256(CONTENT).hexdigest()
        content = self.download(checksum=digest)
        self.assertEqual(digest, hashlib.sha256(content).hexdigest())
        self.assertEqual(f'sha256:{digest}',
                         self.service.transfer_verified_checksum)
        self.assertRaises(errors.ChecksumError, self.download,
                          checksum='0' * 64)

    def test_what_is_known_is_not_downloaded_again(self):
        found = io.BytesIO()
        self.assertIsNone(self.service.fetch(
            self.image.id, file_target.FileTarget(found, 'live'),
            self.service.stat(self.image.id)))
        self.assertEqual(b'', found.getvalue())

    def test_a_part_is_read(self):
        read = self.service.read_range
        version = self.service.stat(self.image.id)
        self.assertEqual(CONTENT[70000:70010],
                         read(self.image.id, 70000, 10, version))
        self.assertEqual(CONTENT[-3:],
                         read(self.image.id, len(CONTENT) - 3, 10))
        self.assertEqual(b'', read(self.image.id, len(CONTENT), 10))

    def test_a_part_of_another_version_is_an_error(self):
        other = self.proxy.create_image(
            'other', data=b'other', disk_format='raw',
            container_format='bare', visibility='public')
        self.assertRaises(
            errors.ImageChangedError, self.service.read_range,
            self.image.id, 0, 1, self.service.stat(other.id))

    def test_a_broken_download_resumes(self):
        relay, service = self.relayed()
        relay.cuts = [2 << 20, 2 << 20]
        content = self.download(service)
        self.assertEqual(hashlib.sha256(CONTENT).digest(),
                         hashlib.sha256(content).digest())
        self.assertEqual([], relay.cuts)
        # At most a piece of a read that was cut comes again.
        self.assertLess(relay.passed, len(CONTENT) + (640 << 10))

    def test_a_glance_that_only_breaks_off_is_given_up(self):
        relay, service = self.relayed()
        relay.cuts = [0] * 100
        error = self.assertRaises(errors.ImageError, service.stat,
                                  self.image.id)
        self.assertIn('reachable', str(error))

    def test_the_store_keeps_an_image_and_knows_it_again(self):
        relay, service = self.relayed()
        folder = self.useFixture(fixtures.TempDir()).path
        kept = images.ImageStore(folder, service_for=lambda href: service)
        with kept.lease(self.image.id) as image:
            self.assertEqual(
                f'sha256:{hashlib.sha256(CONTENT).hexdigest()}',
                image.digest)
        passed = relay.passed
        with kept.lease(self.image.id) as image:
            self.assertEqual(len(CONTENT), image.size)
        self.assertLess(relay.passed - passed, 64 << 10)

    def test_a_missing_image_is_not_found(self):
        service = self.through(self.proxy, reader='this command')
        error = self.assertRaises(
            errors.ImageNotFoundError, service.stat,
            '7a1b2c3d-0000-4000-8000-123456789abc')
        self.assertIn('7a1b2c3d', str(error))
        self.assertIn('this command may not see it', str(error))

    def test_an_image_without_data_is_not_active(self):
        queued = self.proxy.create_image(
            'queued', allow_duplicates=True, disk_format='raw',
            container_format='bare')
        error = self.assertRaises(errors.ImageError, self.service.stat,
                                  queued.id)
        self.assertIn('"queued"', str(error))

    def test_a_deactivated_image_is_refused(self):
        image = self.proxy.create_image(
            'off', data=b'off', disk_format='raw', container_format='bare')
        self.proxy.deactivate_image(image)
        error = self.assertRaises(errors.ImageError, self.service.stat,
                                  image.id)
        self.assertIn('"deactivated"', str(error))

    def test_an_image_that_may_not_be_downloaded_is_an_access_error(self):
        self.addCleanup(self.glance.permit, *glance_server.ACTIONS)
        self.glance.permit('get_image', deny='download_image')
        self.service.stat(self.image.id)
        self.assertRaises(errors.ImageAccessError, self.service.download,
                          self.image.id, io.BytesIO())

    def test_the_conductor_decides_whose_images_it_takes(self):
        service = self.through(
            self.proxy, glance_permits=lambda image: image.owner == 'me')
        self.assertRaises(errors.ImageNotFoundError, service.stat,
                          self.image.id)

    def test_data_that_is_gone_from_the_store_is_an_error(self):
        image = self.proxy.create_image(
            'lost', data=b'lost', disk_format='raw', container_format='bare')
        (self.glance.directory / 'files' / image.id).unlink()
        self.assertRaises(
            errors.ImageNotFoundError, self.service.download, image.id,
            io.BytesIO())

    def test_an_unreachable_glance_is_named(self):
        with socket.create_server(('127.0.0.1', 0)) as closed:
            port = closed.getsockname()[1]
        service = glance.GlanceImageService(settings.Settings(
            glance=lambda: self.connect(f'http://127.0.0.1:{port}'),
            retries=1, retry_interval=0.01))
        error = self.assertRaises(errors.ImageError, service.stat,
                                  self.image.id)
        self.assertIn('Glance', str(error))

    def test_a_tampered_store_is_found_out(self):
        image = self.proxy.create_image(
            'forged', data=b'right', disk_format='raw',
            container_format='bare')
        (self.glance.directory / 'files' / image.id).write_bytes(b'wrong')
        self.assertRaises(errors.ChecksumError, self.service.download,
                          image.id, io.BytesIO())
