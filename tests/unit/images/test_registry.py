# SPDX-License-Identifier: Apache-2.0

"""Tests for finding the service of a URL scheme."""

import sys
import unittest.mock

import fixtures
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
            self.assertEqual(
                f'"{href}" is an image in Glance: only the conductor has '
                'images from there', text)
        for href in ('none://x', 'my-image'):
            text = self.refusal(href, settings.Settings())
            self.assertNotIn('lance', text)
            self.assertIn('use file:// or http:// or https://', text)

    def test_glance_without_openstacksdk_is_told_who_asks_for_it_alone(self):
        log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        # As where it is not installed.
        hidden = {name: None for name in list(sys.modules)
                  if name.partition('.')[0] == 'openstack'}
        with unittest.mock.patch.dict(sys.modules, {
                **hidden, 'openstack': None}):
            sys.modules.pop('ironic_ext.images.glance', None)
            registry._plugin.cache_clear()
            self.addCleanup(registry._plugin.cache_clear)
            self.refusal('none://x', settings.Settings())
            self.assertEqual('', log.output)
            text = self.refusal(UUID)
        self.assertIn('install openstacksdk, which the extra "conductor"',
                      text)
        self.assertIn('glance://', text)
        self.assertEqual('', log.output)

    def test_a_service_that_is_broken_is_logged_by_its_scheme(self):
        log = self.useFixture(fixtures.FakeLogger('ironic_ext'))
        registry._plugin.cache_clear()
        self.addCleanup(registry._plugin.cache_clear)
        name = 'ironic_ext.images.file'
        with unittest.mock.patch.dict(sys.modules, {name: None}):
            self.assertIn('the service for file:// cannot be loaded',
                          self.refusal('file:///x'))
            self.assertNotIn('file://', registry.schemes())
        self.assertIn('images of file:// cannot be loaded', log.output)
        self.assertNotIn('EntryPoint', log.output)

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
