# SPDX-License-Identifier: Apache-2.0

"""Configs that are put into an ISO, or fetched by a URL."""

import dataclasses

import testtools

from ironic_ext import catalog
from ironic_ext import config_formats

SECRET = 'http://192.0.2.1:8093/t/secret/'
TAKES = config_formats.ImageFacts()
REFUSES = config_formats.ImageFacts(takes_initrd_files=False)


def by(way, url=SECRET):
    return config_formats.Delivery(way, (lambda: url) if url else None)


class DeliveryTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.ignition = config_formats.resolve(catalog.BootConfigSpec(
            'ignition', {'config.ign': '{"ignition": {"version": "3.4.0"}}'}))

    def refusal(self, delivery, config=None, image=REFUSES):
        return str(self.assertRaises(
            config_formats.ConfigError, delivery.place,
            config or self.ignition, image))

    def test_the_url_of_the_primary_file_is_in_the_kernel_arguments(self):
        placement = by('url').place(self.ignition, TAKES)
        self.assertIn(f'ignition.config.url={SECRET}config.ign',
                      placement.arguments.split())
        self.assertEqual({}, placement.initrd_files)

    def test_an_iso_that_takes_the_config_gets_it(self):
        for way in ('inject', 'auto'):
            placement = by(way).place(self.ignition, TAKES)
            self.assertIn('/config.ign', placement.initrd_files)
            self.assertNotIn('secret', placement.arguments)

    def test_an_iso_that_does_not_take_it_names_its_url_and_says_why(self):
        placement = by('auto').place(self.ignition, REFUSES)
        self.assertIn(SECRET, placement.arguments)
        self.assertIn('no initrd', placement.notes[0])

    def test_injection_alone_is_never_replaced_by_a_url(self):
        self.assertIn('no initrd', self.refusal(by('inject')))

    def test_without_a_boot_server_the_isos_reason_is_told(self):
        self.assertIn('no initrd', self.refusal(by('auto', url=None)))

    def test_a_file_that_the_system_does_not_see_is_refused(self):
        kickstart = config_formats.resolve(catalog.BootConfigSpec(
            'kickstart', {'ks.cfg': 'text\n'}))
        image = config_formats.ImageFacts(volume_id='LIVE')

        def lost(way, **given):
            return dataclasses.replace(by(way, **given), lost='do that')

        self.assertIn('hd:LABEL', by('inject').place(
            kickstart, image).arguments)
        for delivery in (lost('inject'), lost('auto', url=None)):
            self.assertIn('its kernel runs: do that', self.refusal(
                delivery, kickstart, image))
        placement = lost('auto').place(kickstart, image)
        self.assertEqual(({}, True), (
            placement.files, SECRET in placement.arguments))
        # What is in the initrd arrives, and of files that no argument names
        # nothing is known.
        plain = config_formats.resolve(catalog.BootConfigSpec(
            'plain', {'notes.txt': 'x'}))
        for config in (self.ignition, plain):
            self.assertEqual(
                by('inject').place(config, TAKES),
                lost('inject').place(config, TAKES))

    def test_a_url_needs_a_boot_server(self):
        self.assertIn('public_url', self.refusal(by('url', url=None)))

    def test_files_that_nothing_fetches_have_no_url(self):
        plain = config_formats.resolve(catalog.BootConfigSpec(
            'plain', {'notes.txt': 'x'}))
        self.assertIn('no kernel argument', self.refusal(by('url'), plain))

    def test_a_url_that_kernel_arguments_cannot_carry_is_refused(self):
        for url in ('http://x/a b/', 'http://x/"/', 'ftp://x/', 'http://x'):
            message = self.refusal(by('url', url))
            self.assertNotIn(url, message)

    def test_when_neither_way_works_both_reasons_are_told(self):
        message = self.refusal(by('auto', 'http://x/a b/'))
        self.assertIn('no initrd', message)
        self.assertIn('blanks', message)

    def test_an_unknown_way_is_refused(self):
        for way in ('URL', '', None, ['url']):
            self.assertRaises(config_formats.ConfigError,
                              config_formats.Delivery, way)

    def test_the_url_does_not_show_in_a_repr(self):
        self.assertNotIn('secret', repr(by('url').place(self.ignition, TAKES)))
