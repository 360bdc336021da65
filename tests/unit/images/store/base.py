# SPDX-License-Identifier: Apache-2.0

"""An image store on a source that a test fills."""

import hashlib
import os
import pathlib

import fixtures
import testtools

from ironic_ext.images.store import image_store
from tests import unit
from tests.unit.images import fake_service

CONTENT = os.urandom(1 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()
HREF = 'http://images.example.org/a.iso'


class StoreTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(unit.WithoutSync())
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
