# SPDX-License-Identifier: Apache-2.0

"""Which portal a machine uses, and what ironic.conf has to say."""

from oslo_config import cfg
from oslo_config import fixture
import testtools

from ironic_ext import conf
from ironic_ext import san
from ironic_ext.san import configured


class ConfiguredTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.conf = self.useFixture(fixture.Config(cfg.ConfigOpts()))
        conf.register_opts(self.conf.conf)

    def settings(self, **options: object) -> san.Settings:
        self.conf.config(group='ext_san', **options)
        return configured.settings_from(self.conf.conf)

    def test_the_most_specific_network_says_which_portal(self) -> None:
        settings = self.settings(
            portal='192.0.2.1', portals=[
                '198.51.100.0/24=198.51.100.1',
                '198.51.100.128/25=198.51.100.129:13260',
                '2001:db8::/64=[2001:db8::1]:13261'])
        for address, portal in (
                (None, '192.0.2.1:3260'),
                ('203.0.113.9', '192.0.2.1:3260'),
                ('198.51.100.7', '198.51.100.1:3260'),
                ('198.51.100.200', '198.51.100.129:13260'),
                ('::ffff:198.51.100.7', '198.51.100.1:3260'),
                ('2001:db8::7', '[2001:db8::1]:13261')):
            self.assertEqual(portal, str(settings.portal_for(address)))

    def test_a_machine_without_a_portal_is_told_which_option(self) -> None:
        settings = self.settings(portals=['198.51.100.0/24=198.51.100.1'])
        for address in (None, '192.0.2.1'):
            error = self.assertRaises(san.PortalError, settings.portal_for,
                                      address)
            self.assertIn('set [ext_san]portal', str(error))
        self.assertRaises(san.PortalError, settings.portal_for, 'me')

    def test_what_makes_no_sense_is_told_by_option(self) -> None:
        for option, value in (('portals', ['192.0.2.0/24']),
                              ('portals', ['192.0.2.0/33=192.0.2.1']),
                              ('portals', ['192.0.2.0/24=a b']),
                              ('allowed_networks', ['everywhere']),
                              ('portal', 'a b')):
            self.conf.reset()
            self.assertRaises(san.SanError, self.settings,
                              **{option: value})

    def test_units_and_words_become_what_the_code_needs(self) -> None:
        settings = self.settings(min_free_space=3, root_helper='sudo -n',
                                 allowed_networks=['192.0.2.7/24'])
        self.assertEqual(3 << 20, settings.min_free)
        self.assertEqual(('sudo', '-n'), settings.root_helper)
        self.assertEqual(['192.0.2.0/24'], list(map(str,
                                                    settings.networks)))

    def test_back_ends_are_found_by_their_names(self) -> None:
        self.assertIsNotNone(configured.targets_from(self.conf.conf))
        static = configured.targets_from(self.conf.conf, 'static')
        self.assertEqual([], static.status())
        error = self.assertRaises(san.SanError, configured.targets_from,
                                  self.conf.conf, 'none-such')
        self.assertIn('static, tgt', str(error))
