# SPDX-License-Identifier: Apache-2.0

"""The versions that were tested are those that the distribution allows."""

import configparser
import pathlib

from packaging import requirements
from packaging import utils
import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _lines(text):
    for line in text.splitlines():
        wanted = line.partition('#')[0].strip()
        if wanted:
            yield requirements.Requirement(wanted)


class ConstraintsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.pins = {}
        for pin in _lines((_ROOT / 'constraints.txt').read_text()):
            (found,) = pin.specifier
            self.assertEqual('==', found.operator, pin)
            self.pins[utils.canonicalize_name(pin.name)] = found.version

    def test_every_dependency_is_pinned_to_a_version_that_is_allowed(self):
        setup = configparser.ConfigParser()
        setup.read(_ROOT / 'setup.cfg')
        wanted = [*setup['extras'].values(),
                  (_ROOT / 'requirements.txt').read_text()]
        checked = 0
        for text in wanted:
            for dependency in _lines(text):
                name = utils.canonicalize_name(dependency.name)
                self.assertIn(name, self.pins)
                self.assertTrue(dependency.specifier.contains(
                    self.pins[name], prereleases=True), dependency)
                checked += 1
        self.assertGreater(checked, 30)

    def test_setting_up_uses_them(self):
        self.assertIn('-c constraints.txt',
                      (_ROOT / 'tools' / 'setup.sh').read_text())
