# SPDX-License-Identifier: Apache-2.0

"""Tests that no page has an operator replace a list that nodes live by."""

import itertools
import re

import testtools

from tests.unit.docs import pages

_LIST = re.compile(r'^\s*(?:OS_DEFAULT__)?(enabled_\w+) ?[:=] ?"?([\w,-]+)"?$',
                   re.MULTILINE | re.IGNORECASE)
_OWN = re.compile('.+-ext|redfish-iso|iso-sanboot')


class EnabledListsTestCase(testtools.TestCase):

    def test_names_of_the_suite_come_behind_ironics_own(self):
        found = 0
        for path in itertools.chain(
                [pages.ROOT / 'README.rst'], pages.SOURCE.rglob('*.rst'),
                pages.SOURCE.rglob('examples/*')):
            if not path.is_file():
                continue
            for option, text in _LIST.findall(path.read_text()):
                own = [bool(_OWN.fullmatch(name))
                       for name in text.split(',')]
                found += any(own)
                # First those that nodes may have, then the suite's.
                self.assertFalse(own[0], f'{path.name}: {option} {text}')
                self.assertEqual(sorted(own), own,
                                 f'{path.name}: {option} {text}')
        self.assertGreater(found, 20)
