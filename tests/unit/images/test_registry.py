# SPDX-License-Identifier: Apache-2.0

"""Tests for finding the service of a URL scheme."""

import unittest.mock

from stevedore import exception
import testtools

from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images import registry
from ironic_ext.images import settings

UUID = '7a1b2c3d-0000-4000-8000-123456789abc'
GLANCE = settings.Settings(glance=unittest.mock.Mock())


class RegistryTestCase(testtools.TestCase):

    def refusal(self, href, given=GLANCE):
        return str(self.assertRaises(errors.HrefError, registry.service_for,
                                     href, given))

    def test_the_scheme_decides(self):
        for href in ('file:///x', 'FILE:///x'):
            given = settings.Settings()
            found = registry.service_for(href, given)
            self.assertIsInstance(found, file.FileImageService)
            self.assertIs(given, found.settings)

    def test_an_unknown_scheme_is_refused_by_naming_the_known_ones(self):
        text = self.refusal('gopher://me:secret@server/x?secret')
        self.assertIn('gopher://server/x', text)
        self.assertIn('file://', text)
        self.assertNotIn('secret', text)

    def test_a_name_is_no_reference(self):
        for href in ('my-image', '', '/path/of/image', 'x' * 10000,
                     UUID.replace('-', ''), f'{{{UUID}}}'):
            self.assertIn('UUID', self.refusal(href))
        self.assertIn('malformed', self.refusal('http://[x/'))

    def test_without_glance_its_images_are_refused_in_so_many_words(self):
        for href in (UUID, f'glance://{UUID}'):
            text = self.refusal(href, settings.Settings())
            self.assertIn('there is no Glance', text)
            self.assertNotIn('glance://,', text)

    def test_a_service_of_another_version_is_not_used(self):
        class Newer(file.FileImageService):
            interface = 2

        with unittest.mock.patch.object(
                registry, '_plugin', return_value=Newer):
            self.assertIn('version 2 of the interface, and this is 1',
                          self.refusal('file:///x'))

    def test_two_packages_for_one_scheme_are_an_error(self):
        with unittest.mock.patch.object(
                registry, '_plugin',
                side_effect=exception.MultipleMatches('two')):
            self.assertIn('more than one package',
                          self.refusal('http://server/x'))
