# SPDX-License-Identifier: Apache-2.0

"""What a node's boot_config means, and which one fits its ISO."""

import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from tests.unit.catalog import database

FACTS = {'node': {'name': 'server1'}}
INLINE = {'format': 'ignition', 'data': {'config.ign': database.IGNITION}}


class AssignmentTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.configs = {
            'coreos-builder': database.config(),
            'fedora-server': database.config(
                'fedora-server', format='kickstart',
                data={'ks.cfg': 'network --hostname {{ node.name }}\n'},
                template=True)}
        self.iso = database.iso(boot_configs=('coreos-builder', 'gone'))

    def _plan(self, value, iso):
        return config_formats.plan_boot_config(
            value, lookup=self.configs.get, iso=iso, facts=FACTS)

    def _refusal(self, value, iso=None):
        error = self.assertRaises(
            (config_formats.ConfigError, catalog.InvalidError), self._plan,
            value, iso)
        return str(error)

    def test_none_is_none(self):
        for value in (None, ''):
            self.assertIsNone(self._plan(value, self.iso))

    def test_a_name_is_looked_up(self):
        config = self._plan('coreos-builder', self.iso)
        self.assertEqual({'config.ign': database.IGNITION},
                         dict(config.files))

    def test_a_template_gets_the_nodes_facts(self):
        self.assertEqual('network --hostname server1\n', self._plan(
            'fedora-server', None).files['ks.cfg'])

    def test_the_rules_of_the_catalog_hold(self):
        self.assertEqual(
            'boot_config "fedora-server" does not fit ISO "coreos-live": it '
            'lists coreos-builder, gone',
            self._refusal('fedora-server', self.iso))
        self.assertIn('does not exist', self._refusal('gone', self.iso))
        self.assertIn('does not exist', self._refusal('other'))
        self.assertIn('takes no config', self._refusal(
            'coreos-builder', database.iso('baremetalservices')))

    def test_an_inline_config_needs_no_catalog(self):
        self.assertEqual('config.ign', self._plan(INLINE, None).primary)

    def test_an_inline_config_fits_an_iso_by_its_format(self):
        self._plan(INLINE, self.iso)
        kickstart = {'format': 'kickstart', 'data': {'a': 'reboot\n'}}
        self.assertIn('the configs that it lists are ignition',
                      self._refusal(kickstart, self.iso))
        self.assertIn('takes no config', self._refusal(
            INLINE, database.iso('baremetalservices')))

    def test_an_inline_config_is_checked_as_a_stored_one(self):
        self.assertIn('boot_config.formt: is no known field; "format" is',
                      self._refusal({'formt': 'ignition', 'data': {}}))
        self.assertIn('is not JSON', self._refusal(
            {'format': 'ignition', 'data': {'a': '{'}}))

    def test_anything_else_is_refused(self):
        for value in (7, ['a'], True, 'a/b', 'a\nb', '../a', '..'):
            self._refusal(value)
