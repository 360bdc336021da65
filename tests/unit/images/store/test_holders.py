# SPDX-License-Identifier: Apache-2.0

"""A digest alone gets nobody a private image out of the store."""

from ironic_ext.images import errors
from ironic_ext.images import settings as image_settings
from ironic_ext.images.store import image_store
from tests.unit.images.store import base

CONTENT = base.CONTENT
SHA256 = base.SHA256
HREF = base.HREF


class HoldersTestCase(base.StoreTestCase):

    def store_of(self, user=None, default=None, **access):
        return image_store.ImageStore(
            str(self.root), image_settings.Settings(
                access=image_settings.Access(
                    username=user, password='p' if user else None, **access),
                default_access=lambda href: default),
            service_for=lambda href: self.source, lock_timeout=30)

    def setUp(self):
        super().setUp()
        self.source.put(HREF, CONTENT, etag='"1"')
        self.fetch(store=self.store_of('a'), checksum=SHA256)
        self.source.calls.clear()

    def test_another_owner_does_not_get_it_by_its_digest(self):
        self.source.pages[HREF].error = errors.ImageAccessError('no')
        for store in (self.store_of(), self.store_of('b'),
                      self.store_of(token='t')):
            self.failure(errors.ImageAccessError, store=store,
                         checksum=SHA256)
        self.assertEqual(0, self.source.calls['download'])

    def test_nor_by_a_server_of_their_own(self):
        own = self.source.put('http://own.example.org/a.iso', b'x',
                              etag='"1"', size=len(CONTENT))
        for store in (self.store_of('b'), self.store_of('a')):
            self.failure(errors.ImageError, own, SHA256, store=store)
            # Nor by a look at what is at hand.
            with store.at_hand(own, SHA256) as image:
                self.assertIsNone(image)

    def test_who_has_it_is_not_asked_again(self):
        self.assertEqual(CONTENT, self.fetch(
            store=self.store_of('a'), checksum=SHA256))
        self.assertEqual({}, dict(self.source.calls))

    def test_who_can_have_it_gets_it_without_a_second_download(self):
        for _again in range(2):
            self.assertEqual(CONTENT, self.fetch(
                store=self.store_of('b'), checksum=SHA256))
        self.assertEqual({'stat': 1}, dict(self.source.calls))

    def test_a_source_that_changed_proves_nothing(self):
        self.source.put(HREF, CONTENT, etag='"2"')
        self.fetch(store=self.store_of('b'), checksum=SHA256)
        self.assertEqual(1, self.source.calls['download'])

    def test_a_signature_in_the_url_is_a_credential(self):
        signed = self.source.put('http://signed.example.org/a?sig=1',
                                 CONTENT[::-1], etag='"3"')
        found = self.store_of()
        self.fetch(signed, store=found)
        (digest,) = (version.digest for version in found.versions()
                     if 'signed' in str(version.sources))
        guessed = 'http://signed.example.org/a?sig=2'
        self.failure(errors.ImageNotFoundError, guessed, digest, store=found)
        self.assertEqual(CONTENT[::-1], self.fetch(signed, digest,
                                                   store=found))

    def test_what_everybody_can_have_is_everybodys_by_its_digest(self):
        public = self.source.put('http://public.example.org/a', b'public')
        self.fetch(public, store=self.store_of())
        (digest,) = (version.digest for version in self.store.versions()
                     if version.size == 6)
        self.source.calls.clear()
        self.assertEqual(b'public', self.fetch(
            'http://mirror.example.org/b', digest, store=self.store_of('b')))
        self.assertEqual({}, dict(self.source.calls))

    def test_the_operators_credentials_are_for_the_server_that_had_them(self):
        operator = self.store_of(default=('op', 'p'))
        self.fetch(store=operator, checksum=SHA256)
        own = self.source.put('http://own.example.org/a.iso', b'x')
        self.failure(errors.ImageError, own, SHA256, store=operator)

    def test_an_image_of_an_older_release_proves_itself_once(self):
        for path in (self.root / 'objects').glob('*.json'):
            text = path.read_text()
            start = text.index(', "holders": [')
            path.write_text(text[:start] + '}')
        self.fetch(store=self.store_of('b'), checksum=SHA256)
        self.fetch(store=self.store_of('b'), checksum=SHA256)
        self.assertEqual({'stat': 1}, dict(self.source.calls))
