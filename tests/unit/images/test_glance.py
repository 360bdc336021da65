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

"""Tests for images in Glance, with Glance made up."""

import datetime
import pathlib
import tempfile
import unittest.mock

from ironic.common import exception
from ironic.common import image_service
import testtools

from ironic_ext import images
from ironic_ext.images import glance

UUID = '7a1b2c3d-0000-4000-8000-123456789abc'


class Glance:
    """Ironic's own service, as far as it is used."""

    def __init__(self):
        self.content = b'glance image'
        self.checksum = 'md5-1'
        self.downloads = 0
        self.straight = False
        self.error = None

    def show(self, href):
        if self.error:
            raise self.error
        return {'id': UUID, 'size': len(self.content),
                'checksum': self.checksum,
                'updated_at': datetime.datetime(2026, 11, 21)}

    def download(self, href, data):
        self.downloads += 1
        if self.straight:
            with open(data.fileno(), 'wb', closefd=False) as file:
                file.write(self.content)
        else:
            for byte in self.content:
                data.write(bytes([byte]))


class GlanceTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.glance = Glance()
        self.context = object()
        patch = unittest.mock.patch.object(
            image_service, 'get_image_service', self.get)
        patch.start()
        self.addCleanup(patch.stop)
        service = glance.GlanceService(self.context)
        self.cache = images.ImageCache(
            folder.name, {'': service, 'glance': service})

    def get(self, href, context=None):
        self.assertIs(self.context, context)
        if not href.endswith(UUID):
            raise exception.ImageRefValidationFailed(
                image_href=href, reason='no UUID')
        return self.glance

    def fetch(self, href=UUID):
        with self.cache.lease(href) as base:
            return pathlib.Path(base.path).read_bytes()

    def test_an_image_is_downloaded_by_uuid_or_url(self):
        self.assertEqual(b'glance image', self.fetch())
        self.assertEqual(b'glance image', self.fetch(f'glance://{UUID}'))

    def test_an_unchanged_image_is_downloaded_once(self):
        self.fetch()
        self.fetch()
        self.assertEqual(1, self.glance.downloads)
        self.glance.checksum = 'md5-2'
        self.fetch()
        self.assertEqual(2, self.glance.downloads)

    def test_an_image_that_glance_has_as_a_local_file_is_verified_too(self):
        self.glance.straight = True
        self.assertEqual(b'glance image', self.fetch())

    def test_peek_checks_that_the_image_is_there(self):
        self.assertIsNone(self.cache.peek(UUID, 10))
        self.glance.error = exception.ImageNotFound(image_id=UUID)
        self.assertRaises(images.ImageError, self.cache.peek, UUID, 10)

    def test_a_name_is_no_reference(self):
        error = self.assertRaises(images.HrefError, self.cache.peek,
                                  'my-image', 10)
        self.assertIn('"my-image"', str(error))
