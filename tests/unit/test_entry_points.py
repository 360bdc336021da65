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

"""The distribution's promises to those who load it by name."""

import configparser
import importlib
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
            found = importlib.import_module(module)
            self.assertTrue(callable(getattr(found, name, None)), target)
