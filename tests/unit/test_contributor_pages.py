# SPDX-License-Identifier: Apache-2.0

"""What the documentation says of the source tree is so."""

import configparser
import pathlib
import re

import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PAGES = _ROOT / 'doc' / 'source' / 'contributor'


class MapTestCase(testtools.TestCase):
    """The map of the house, in development.rst."""

    def test_map_and_tree_agree(self):
        shown = _map((_PAGES / 'development.rst').read_text())
        self.assertEqual([], [folder for folder in shown
                              if not (_ROOT / folder).is_dir()],
                         'development.rst shows folders that are not there')
        self.assertEqual([], sorted(_rooms() - set(shown)),
                         'development.rst does not show these folders')

    def test_a_map_is_read_by_its_indents(self):
        self.assertEqual(
            ['a', 'a/b', 'a/b/c', 'a/d', 'e'],
            _map('::\n\n    a/\n      b/   of a\n        c/ of b\n'
                 '      d/\n    e/ beside a\n'))


class SampleTestCase(testtools.TestCase):
    """The samples of configuration and policy that can be downloaded."""

    def test_they_are_what_the_commands_of_their_pages_print(self):
        for page, command, settings in (
                ('configuration', 'oslo-config-generator', 'config'),
                ('policies', 'oslopolicy-sample-generator', 'policy')):
            text = (_PAGES.parent / f'reference/{page}.rst').read_text()
            self.assertIn(f'$ {command} --namespace ironic_ext\n', text)
            found = configparser.ConfigParser()
            found.read(_PAGES.parent / f'{settings}-generator.conf')
            self.assertEqual({'namespace': 'ironic_ext'},
                             dict(found['DEFAULT']))


class WhereTestCase(testtools.TestCase):
    """"Where do I find ..."."""

    def test_what_a_newcomer_is_sent_to_is_there(self):
        text = (_PAGES / 'where.rst').read_text()
        places = re.findall(r'``([\w./]*/[\w./]*)``', text)
        self.assertGreaterEqual(len(places), 12)
        self.assertEqual([], [place for place in places
                              if not (_ROOT / place).exists()])
        self.assertEqual(12, text.count('* - '))


def _map(page: str) -> list[str]:
    """Return the folders of the first literal block: names end with /."""
    lines = page.split('::\n', 1)[1].splitlines()
    above: list[tuple[int, str]] = []
    folders = []
    for line in lines:
        found = re.match(r'( +)(\S+)/(?: |$)', line)
        if found:
            indent = len(found[1])
            above = [(column, name) for column, name in above
                     if column < indent] + [(indent, found[2])]
            folders.append('/'.join(name for _, name in above))
        elif line and not line.startswith(' '):
            break
    return folders


def _rooms() -> set[str]:
    """Return the packages' folders, but those that mirror or are Alembic's."""
    found = set()
    for top in _ROOT.glob('[!.]*/__init__.py'):
        for room in top.parent.rglob('__init__.py'):
            folder = room.parent.relative_to(_ROOT)
            if ('migrations' not in folder.parts
                    and folder.parts[:2] != ('tests', 'unit')):
                found.add(str(folder))
    return found
