# SPDX-License-Identifier: Apache-2.0

"""Tests that the pages of commands have the options that these take."""

import contextlib
import importlib.metadata
import io
import re

import fixtures
import testtools

from ironic_ext.cli import boot_server
from ironic_ext.cli.doctor import command as doctor
from ironic_ext.cli import images
from ironic_ext.cli import iso
from ironic_ext.cli import media_server
from ironic_ext.cli import state
from ironic_ext.cli import targets
from ironic_ext.san.tgt import account
from tests.unit.docs import pages

_TERM = re.compile(r'^``(.+)``$', re.MULTILINE)
_GROUP = re.compile(r'^(\S.*):\n((?:(?: .*)?\n)+)', re.MULTILINE)
_ENTRY = re.compile(r'^  (\S.*?)(?:  .*)?$', re.MULTILINE)
_COMMAND = re.compile(r'^    (\w+)', re.MULTILINE)
_SERVERS = {'ironic-boot-server': boot_server,
            'ironic-media-server': media_server}
_OTHERS = {'ironic-ext-doctor': doctor.main,
           'ironic-ext-tgt-account': account.main}
_HELP = (frozenset({'-h', '--help'}), '')


def _signature(text):
    """Return the names and the value of ``-o FILE, --output FILE``.

    Newer releases of Python leave the first value out.
    """
    parts = [part.partition(' ') for part in text.split(', ')]
    return frozenset(part[0] for part in parts), parts[-1][2]


def _help(main, *command):
    """Return what a program prints of itself, by group of arguments."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command, '--help'])
    return dict(_GROUP.findall(printed.getvalue() + '\n'))


def _arguments(groups):
    """Return all signatures, but that of the help."""
    return [_signature(entry) for title, text in groups.items()
            for entry in _ENTRY.findall(text)
            if entry.startswith('-') or title == 'positional arguments'
            if _signature(entry) != _HELP]


def _sections(page):
    """Return the terms below each heading of a page."""
    parts = re.split(r'^(.+)\n[-=]{4,}\n', pages.read(f'reference/{page}'),
                     flags=re.MULTILINE)
    return {title: _TERM.findall(text)
            for title, text in zip(parts[1::2], parts[2::2])}


class ProgramsTestCase(testtools.TestCase):

    def test_each_is_on_a_page(self):
        told = '\n'.join(path.read_text()
                         for path in pages.SOURCE.rglob('*.rst'))
        programs = {point.name for point in importlib.metadata.entry_points(
            group='console_scripts')
            if point.value.startswith('ironic_ext.')}
        self.assertIn('ironic-ext-state', programs)
        self.assertEqual(set(), {name for name in programs
                                 if f'``{name}' not in told})

    def test_who_has_no_keystone_is_told_so_beside_the_url(self):
        for path in pages.SOURCE.rglob('*.rst'):
            lines = path.read_text().splitlines()
            for line, after in zip(lines, lines[1:]):
                if 'export IRONIC_BOOT_SERVER_URL' in line:
                    self.assertIn('OS_AUTH_TYPE=none', after, path.name)

    def test_each_has_a_manual_page(self):
        told = set(re.findall(r"\(\(?'([\w-]+)', '[^']+', \d\)",
                              (pages.SOURCE / 'conf.py').read_text()))
        self.assertEqual(told, {point.name for point
                                in importlib.metadata.entry_points(
                                    group='console_scripts')
                                if point.value.startswith('ironic_ext.')})

    def test_manual_pages_go_where_man_looks(self):
        install = pages.read('install/index')
        for section in re.findall(r"', (\d)\)[,\]]",
                                  (pages.SOURCE / 'conf.py').read_text()):
            self.assertIn(f'man{section} doc/build/man/*.{section}', install)


class CommandPagesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable('COLUMNS', '200'))

    def assert_told(self, name, main):
        found = {title: [_signature(term) for term in terms]
                 for title, terms in _sections(name).items()}
        common = found['Common options']
        groups = _help(main)
        commands = _COMMAND.findall(groups['positional arguments'])
        self.assertTrue(commands)
        self.assertEqual(
            [f'{name} {command}' for command in commands],
            [title for title in found if title.startswith(f'{name} ')])
        used = _arguments(groups)
        for command in commands:
            arguments = _arguments(_help(main, command))
            self.assertEqual(
                [argument for argument in arguments
                 if argument not in common],
                found[f'{name} {command}'], command)
            used += arguments
        self.assertEqual([], [argument for argument in common
                              if argument not in used])

    def test_ironic_iso_takes_what_its_page_says(self):
        self.assert_told('ironic-iso', iso.main)

    def test_ironic_ext_images_takes_what_its_page_says(self):
        self.assert_told('ironic-ext-images', images.main)

    def test_programs_with_commands_take_what_their_pages_say(self):
        for name, program in (('ironic-ext-state', state),
                              ('ironic-ext-targets', targets)):
            self.assert_told(name, program.main)

    def test_other_programs_take_what_their_pages_say(self):
        for name, program in _OTHERS.items():
            taken = _arguments(_help(program))
            self.assertTrue(taken)
            self.assertEqual(
                taken, [_signature(term)
                        for term in _sections(name)['Options']], name)

    def test_servers_take_what_their_pages_say(self):
        for name, program in _SERVERS.items():
            taken = _arguments(_help(program.load)) + [_HELP]
            told = [_signature(term)
                    for term in _sections(name)['Options']]
            self.assertEqual([], [
                (names, value) for names, value in told
                if not any(names <= known and value == its
                           for known, its in taken)])
            self.assertIn(_signature('--upgrade'), told)

    def test_commands_of_openstack_are_all_there(self):
        patterns = re.findall(r':command: (.+)',
                              pages.read('reference/openstack-commands'))
        expressions = [re.compile(re.escape(pattern).replace(r'\*', '.*'))
                       for pattern in patterns]
        commands = [
            point.name.replace('_', ' ')
            for point in importlib.metadata.entry_points(
                group='openstack.baremetal.v1')
            if point.value.startswith('ironic_ext.')]
        self.assertTrue(commands)
        for command in commands:
            self.assertEqual(1, sum(
                bool(expression.fullmatch(command))
                for expression in expressions), command)
