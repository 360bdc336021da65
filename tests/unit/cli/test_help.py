# SPDX-License-Identifier: Apache-2.0

"""What --help says of each option of each command: units and defaults."""

import argparse
import collections.abc
import importlib.metadata
import re
import unittest.mock

from oslo_config import cfg
import testtools

from ironic_ext import conf

#: What a number counts, as people say it.
_UNITS = re.compile(
    r'\b(seconds?|minutes?|hours?|days?|milliseconds?|bytes?|[KMGT]iB'
    r'|percent|events?|sectors?|port)\b', re.IGNORECASE)
#: Things that are counted, which are their own unit.
_COUNTED = re.compile(
    r'^(how (many|often)|changes|connections|processes|requests|urls'
    r'|watches)\b|\bthe number\b', re.IGNORECASE)
#: Options of cliff and of oslo.config, which others write.
_THEIRS = frozenset({
    '-h', '-f', '-c', '--quote', '--noindent', '--max-width', '--fit-width',
    '--print-empty', '--prefix', '--variable', '--sort-column',
    '--sort-ascending', '--sort-descending', '--version'})
#: Programs whose options are those of oslo.config.
_OF_OSLO = frozenset({'ironic-boot-server', 'ironic-media-server',
                      'ironic-ext-status'})


class _Found(Exception):
    """The parser that a program made."""


def _programs() -> collections.abc.Iterator[
        tuple[str, argparse.ArgumentParser]]:
    """Return the parser of each program of the distribution."""
    def found(parser, *_args, **_options):
        raise _Found(parser)

    for point in importlib.metadata.entry_points(group='console_scripts'):
        if not point.value.startswith('ironic_ext.') or (
                point.name in _OF_OSLO):
            continue
        with (unittest.mock.patch.object(argparse.ArgumentParser,
                                         'parse_known_args', found),
              unittest.mock.patch('sys.argv', [point.name])):
            try:
                point.load()()
            except _Found as exc:
                yield point.name, exc.args[0]
            else:
                raise AssertionError(f'{point.name} has no parser')


def _commands() -> collections.abc.Iterator[
        tuple[str, argparse.ArgumentParser]]:
    """Return the parser of each command of OpenStackClient."""
    for point in importlib.metadata.entry_points(
            group='openstack.baremetal.v1'):
        if point.value.startswith('ironic_ext.'):
            name = point.name.replace('_', ' ')
            yield name, point.load()(
                unittest.mock.Mock(), None).get_parser(name)


def _actions(name: str, parser: argparse.ArgumentParser
             ) -> collections.abc.Iterator[tuple[str, argparse.Action]]:
    """Return what a parser takes, and its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, inner in action.choices.items():
                yield from _actions(f'{name} {command}', inner)
        elif not _THEIRS.intersection(action.option_strings):
            yield (f'{name} {"/".join(action.option_strings)}'
                   f'{"" if action.option_strings else action.dest}', action)


class HelpTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        found = dict(_programs())
        self.assertIn('ironic-iso', found)
        self.actions = [
            item for name, parser in (*found.items(), *_commands())
            for item in _actions(name, parser)]
        self.assertGreater(len(self.actions), 150)

    def assert_none(self, wrong: dict[str, str | None]) -> None:
        self.assertEqual({}, wrong)

    def test_every_option_has_a_help(self) -> None:
        self.assert_none({name: action.help for name, action in self.actions
                          if not action.help})

    def test_a_number_has_its_unit(self) -> None:
        self.assert_none({
            name: action.help for name, action in self.actions
            if action.type in (int, float)
            and not _UNITS.search(f'{action.help} {action.metavar}')})

    def test_a_default_is_said(self) -> None:
        """That of an option, and that of its value where it may be left."""
        wrong = {}
        for name, action in self.actions:
            for value in (action.default, action.const
                          if action.nargs == '?' else None):
                if value in (None, '', False, (), argparse.SUPPRESS) or (
                        value == []):
                    continue
                said = f'{value:g}' if isinstance(value, float) else (
                    str(value))
                text = str(action.help).replace('%(default)s', said)
                if said not in text or 'default' not in text:
                    wrong[name] = action.help
        self.assert_none(wrong)

    def test_a_summary_with_more_below_it_ends(self) -> None:
        """In --help, one paragraph follows the other on the same line."""
        self.assert_none({name: parser.description
                          for name, parser in _commands()
                          if '\n\n' in (parser.description or '')
                          and not parser.description.split('\n\n')[0]
                          .rstrip().endswith(('.', ':'))})


class ConfigurationTestCase(testtools.TestCase):
    """Likewise for the options of configuration files."""

    def test_a_number_has_its_unit(self) -> None:
        wrong = {}
        for group, options in conf.list_opts():
            # The words of that one are keystoneauth's.
            for option in () if group.name == 'ext_ironic' else options:
                if isinstance(option, (cfg.IntOpt, cfg.FloatOpt)) and (
                        not isinstance(option, cfg.PortOpt)
                        and not _UNITS.search(option.help)
                        and not _COUNTED.search(option.help)):
                    wrong[f'[{group}]{option.name}'] = option.help
        self.assertEqual({}, wrong)
