# SPDX-License-Identifier: Apache-2.0

"""Tests that what the page on extensions shows can be installed as it is."""

import ast
import re
import textwrap
import tomllib

import testtools

from tests.unit.docs import pages

_PACKAGE = re.compile(r'^\.\. code-block:: toml\n\n((?:   .*\n|\n)+)',
                      re.MULTILINE)
_EXAMPLES = pages.SOURCE / 'contributor/examples'


class ExtensionsPageTestCase(testtools.TestCase):

    def test_each_package_brings_an_example_that_is_there(self):
        found = [tomllib.loads(textwrap.dedent(text)) for text
                 in _PACKAGE.findall(pages.read('contributor/extensions'))]
        brought = set()
        for package in found:
            modules = package['tool']['setuptools']['py-modules']
            for points in package['project']['entry-points'].values():
                for target in points.values():
                    module, _, name = target.partition(':')
                    self.assertIn(module, modules)
                    tree = ast.parse(
                        (_EXAMPLES / f'{module}.py').read_text())
                    self.assertIn(name, [node.name for node in tree.body
                                         if isinstance(node, ast.ClassDef)])
                    brought.add(module)
        self.assertEqual({path.stem for path in _EXAMPLES.glob('*.py')},
                         brought)

    def test_examples_are_shown_with_their_imports(self):
        shown = re.findall(
            r'literalinclude:: (\S+)\n.*\n   :lines: (\d+)-\n',
            pages.read('contributor/extensions'))
        self.assertEqual(2, len(shown))
        for name, start in shown:
            text = (pages.SOURCE / 'contributor' / name).read_text()
            first = next(node for node in ast.parse(text).body
                         if isinstance(node, (ast.Import, ast.ImportFrom)))
            self.assertEqual(first.lineno, int(start), name)

    def test_the_groups_are_those_that_are_looked_into(self):
        page = pages.read('contributor/extensions')
        setup = (pages.ROOT / 'setup.cfg').read_text()
        groups = set(re.findall(r'entry-points\."([\w.]+)"', page))
        self.assertEqual(2, len(groups))
        for group in groups:
            self.assertIn(f'\n{group} =\n', setup)
