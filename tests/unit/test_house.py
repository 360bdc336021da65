# SPDX-License-Identifier: Apache-2.0

"""Rooms stay small enough to be taken in at a glance."""

import collections
import pathlib

import testtools

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ('ironic_ext', 'ironic_ext_tempest_plugin',
            'ironic_python_agent_ext')
MAX_LINES = 450
MAX_MODULES = 20


class HouseTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.modules = [path for package in PACKAGES
                        for path in (ROOT / package).rglob('*.py')]
        self.assertGreater(len(self.modules), 100)

    def test_no_module_is_too_long(self) -> None:
        counted = {str(path.relative_to(ROOT)): path.read_bytes().count(b'\n')
                   for path in self.modules}
        self.assertEqual({}, {name: lines for name, lines in counted.items()
                              if lines > MAX_LINES})

    def test_no_folder_has_too_many_modules(self) -> None:
        counted = collections.Counter(
            str(path.parent.relative_to(ROOT)) for path in self.modules
            if path.name != '__init__.py')
        self.assertEqual({}, {name: modules for name, modules
                              in counted.items() if modules > MAX_MODULES})
