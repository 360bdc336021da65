# SPDX-License-Identifier: Apache-2.0

"""The distribution's promises to those who load it by name."""

import configparser
import importlib
import importlib.util
import pathlib

import testtools

_SETUP = pathlib.Path(__file__).resolve().parents[2] / 'setup.cfg'


class EntryPointsTestCase(testtools.TestCase):

    def test_every_entry_point_names_something_that_exists(self):
        config = configparser.ConfigParser()
        config.read(_SETUP)
        targets = [line.partition('=')[2].strip()
                   for group in config['entry_points'].values()
                   for line in group.strip().splitlines()]
        self.assertNotEqual([], targets)
        for target in targets:
            module, _, name = target.partition(':')
            if module.startswith('ironic_ext_tempest_plugin.') and (
                    importlib.util.find_spec('tempest') is None):
                # Only who runs tempest loads it.
                continue
            found = importlib.import_module(module)
            self.assertTrue(callable(getattr(found, name, None)), target)
