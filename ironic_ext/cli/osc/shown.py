# SPDX-License-Identifier: Apache-2.0

"""What commands that show resources have in common: list, and show one."""

import abc
import argparse
import collections.abc
import typing

from cliff import display
from osc_lib.command import command
from osc_lib import exceptions

from ironic_ext.cli.osc import fields

Names = tuple[str, ...]


class Show(command.ShowOne):
    """A command that ends with one resource, of which it shows all fields.

    :cvar all_fields: the fields in their order.
    """

    all_fields: typing.ClassVar[tuple[fields.Field, ...]]

    @abc.abstractmethod
    def resource(self, parsed_args: argparse.Namespace) -> fields.Resource:
        """Do what the command is for, and return what it shows.

        :raises: CommandError
        """

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[Names, fields.Row]:
        """Return the names and the values of the fields.

        :raises: CommandError
        """
        resource = self.resource(parsed_args)
        return (tuple(field.name for field in self.all_fields),
                tuple(field.of(resource) for field in self.all_fields))


class List(command.Lister):
    """A command that shows a line for each of several resources.

    A line has the most telling fields. All of them are there with --long,
    and for those who choose with ``-c``.

    :cvar all_fields: all fields in their order.
    :cvar listed: names of those that a line has without --long.
    :ivar failures: what could not be told, and why. The others are shown,
        and the command ends with 1.
    """

    all_fields: typing.ClassVar[tuple[fields.Field, ...]]
    listed: typing.ClassVar[Names]

    @abc.abstractmethod
    def resources(self, parsed_args: argparse.Namespace
                  ) -> collections.abc.Iterable[fields.Resource]:
        """Return what the lines are about.

        :raises: CommandError
        """

    def __init__(self, *arguments: typing.Any, **named: typing.Any) -> None:
        super().__init__(*arguments, **named)
        self.failures: list[str] = []

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show what there is, then fail for what is not.

        :raises: CommandError
        """
        code = int(super().run(parsed_args))
        if self.failures:
            raise exceptions.CommandError('\n'.join(self.failures))
        return code

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add --long."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--long', action='store_true',
                            help='Show all fields')
        return parser

    def take_action(self, parsed_args: argparse.Namespace
                    ) -> tuple[Names, collections.abc.Iterator[fields.Row]]:
        """Return the names of the fields, and their values line by line.

        :raises: CommandError
        """
        wanted = [field for field in self.all_fields
                  if parsed_args.long or parsed_args.columns
                  or field.name in self.listed]
        return (tuple(field.name for field in wanted),
                (tuple(field.of(resource) for field in wanted)
                 for resource in self.resources(parsed_args)))


class Told(display.DisplayCommandBase[typing.Any]):
    """A command that changes something, and tells in words what came of it.

    Programs get that as fields: whoever gives ``-f`` or ``-c``. A class has
    this before ShowOne or Lister.
    """

    @abc.abstractmethod
    def words(self) -> collections.abc.Iterable[str]:
        """Return lines for people, after the action."""

    def failures(self) -> collections.abc.Sequence[str]:
        """Return what did not succeed, once the rest was told."""
        return ()

    @staticmethod
    def in_words(parsed_args: argparse.Namespace) -> bool:
        """Tell whether nobody asked for fields."""
        return parsed_args.formatter is None and not parsed_args.columns

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Leave it open whether a format is given."""
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=None)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Act, and tell.

        :raises: CommandError
        """
        if self.in_words(parsed_args):
            self.take_action(parsed_args)
            for line in self.words():
                self.app.stdout.write(f'{line}\n')
        else:
            parsed_args.formatter = (parsed_args.formatter
                                     or self.formatter_default)
            super().run(parsed_args)
        if self.failures():
            raise exceptions.CommandError('\n'.join(self.failures()))
        return 0
