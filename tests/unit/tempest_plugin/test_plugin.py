# SPDX-License-Identifier: Apache-2.0

"""The plugin as tempest loads it."""

import pathlib

from oslo_config import cfg
import testtools

from ironic_ext_tempest_plugin import config
from ironic_ext_tempest_plugin import plugin


class PluginTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.plugin = plugin.IronicExtTempestPlugin()

    def test_its_tests_are_found_and_have_ids(self):
        tests, top = self.plugin.load_tests()
        modules = sorted(pathlib.Path(tests).rglob('test_*.py'))
        self.assertEqual(5, len(modules))
        self.assertTrue(all(path.is_relative_to(top) for path in modules))
        found = [line for path in modules
                 for line in path.read_text().splitlines()]
        ids = [line for line in found if 'decorators.idempotent_id' in line]
        names = [line for line in found
                 if line.strip().startswith('def test_')]
        self.assertEqual(len(names), len(set(ids)))

    def test_its_options_are_registered(self):
        conf = cfg.ConfigOpts()
        self.plugin.register_opts(conf)
        conf([])
        self.assertIsNone(conf.ironic_ext.node)
        self.assertEqual(config.BOOT_MEDIA, conf.ironic_ext.proof)
        ((group, options),) = self.plugin.get_opt_lists()
        self.assertEqual('ironic_ext', group)
        self.assertTrue(all(option.help for option in options))
