# SPDX-License-Identifier: Apache-2.0

"""Tests for what commands that show resources have in common."""

import argparse
import io
import json
import unittest.mock

from osc_lib import exceptions
import testtools

from ironic_ext.cli.osc import boot_config
from ironic_ext.cli.osc import boot_media
from ironic_ext.cli.osc import data_image
from ironic_ext.cli.osc import fields
from ironic_ext.cli.osc import host
from ironic_ext.cli.osc import iso
from ironic_ext.cli.osc import shown

LISTS = (boot_config.ListBootConfigs, boot_media.ListBootMedia,
         data_image.ListDataImages, host.ListHostBoots, iso.ListIsos)
FIELDS = (fields.Field('name', 'name'),
          fields.Field('size', 'size', fields.size),
          fields.Field('error', 'status.error'))
RESOURCES = [{'name': 'b', 'size': 2048}, {'name': 'a', 'status': {
    'error': 'lost'}}]


class ListThings(shown.List):
    """List things"""

    all_fields = FIELDS
    listed = ('name', 'size')

    def resources(self, parsed_args):
        return iter(RESOURCES)


class NoThings(ListThings):
    """List nothing"""

    def resources(self, parsed_args):
        return iter(())


class ShowThing(shown.Show):
    """Show a thing"""

    all_fields = FIELDS

    def resource(self, parsed_args):
        return RESOURCES[1]


def output(kind, *arguments):
    app = unittest.mock.Mock(stdout=io.StringIO())
    command = kind(app, argparse.Namespace())
    command.run(command.get_parser('x').parse_args(arguments))
    return app.stdout.getvalue()


class ShownTestCase(testtools.TestCase):

    def test_a_line_has_the_most_telling_fields(self):
        lines = [line.strip('| ').split() for line in
                 output(ListThings).splitlines() if line.startswith('|')]
        self.assertEqual([['name', '|', 'size'], ['b', '|', '2.0', 'KiB'],
                          ['a', '|', '-']], lines)

    def test_all_fields_are_there_for_who_asks(self):
        self.assertEqual(
            [{'name': 'b', 'size': 2048, 'error': None},
             {'name': 'a', 'size': None, 'error': 'lost'}],
            json.loads(output(ListThings, '--long', '-f', 'json')))

    def test_a_field_can_be_chosen_that_no_line_has(self):
        self.assertEqual('None\nlost\n', output(
            ListThings, '-c', 'error', '-f', 'value'))

    def test_lines_can_be_sorted_by_what_not_all_have(self):
        self.assertEqual('b\na\n', output(
            ListThings, '-c', 'name', '-f', 'value', '--sort-column',
            'size'))

    def test_an_empty_answer_is_an_empty_list(self):
        self.assertEqual([], json.loads(output(NoThings, '-f', 'json')))
        self.assertEqual('\n', output(NoThings))

    def test_one_is_shown_with_all_fields(self):
        self.assertEqual({'name': 'a', 'size': None, 'error': 'lost'},
                         json.loads(output(ShowThing, '-f', 'json')))

    def test_every_list_has_the_fields_that_its_lines_name(self):
        for kind in LISTS:
            with self.subTest(kind.__name__):
                names = [field.name for field in kind.all_fields]
                self.assertEqual(len(names), len(set(names)))
                self.assertEqual(set(), set(kind.listed) - set(names))
                self.assertNotEqual(len(kind.listed), len(names))

    def test_a_command_that_fails_shows_nothing(self):
        class Failing(ListThings):
            """Fail"""

            def resources(self, parsed_args):
                raise exceptions.CommandError('no server')

        self.assertRaises(exceptions.CommandError, output, Failing)
