# SPDX-License-Identifier: Apache-2.0

"""Tests that the tests are there that the page on hostile input names."""

import ast
import pathlib
import re

import testtools

import ironic_ext

_ROOT = pathlib.Path(ironic_ext.__file__).parents[1]
_NAMED = re.compile(r'\* ``(tests(?:\.\w+)+)``:\s+``(\w+)\.(test_\w+)``')


class HostileInputTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.page = (_ROOT / 'doc/source/contributor/hostile-input.rst'
                     ).read_text()

    def known(self, module):
        """Return "class.test" of all tests of a module."""
        path = _ROOT.joinpath(*module.split('.')).with_suffix('.py')
        if not path.exists():
            return set()
        return {f'{group.name}.{test.name}'
                for group in ast.parse(path.read_text()).body
                if isinstance(group, ast.ClassDef) for test in group.body
                if isinstance(test, ast.FunctionDef)}

    def test_every_test_that_it_names_is_one(self):
        named = _NAMED.findall(self.page)
        self.assertEqual(len(named), self.page.count('* ``tests.'))
        self.assertEqual([], [
            f'{module}.{group}.{test}' for module, group, test in named
            if f'{group}.{test}' not in self.known(module)])

    def test_no_place_is_without_a_test(self):
        places = re.split(r'\n\n', self.page)
        for who in ('A node\'s owner', 'A machine, or its neighbour',
                    'A BMC, or its neighbour', 'An ISO', 'An image server',
                    'A registry'):
            self.assertIn(f'{who}\n{"=" * len(who)}', places)
        for place in places[4:]:
            if '===' not in place:
                self.assertIn('* ``tests.', place)
