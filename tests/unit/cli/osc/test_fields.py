# SPDX-License-Identifier: Apache-2.0

"""Tests for the fields that commands show."""

import testtools

from ironic_ext.cli.osc import fields

RESOURCE = {
    'spec': {'size': 3 << 20, 'macs': ['b', 'a'], 'none': [], 'text': '',
             'off': False, 'zero': 0, 'null': None},
    'status': None}


def field(path, *arguments):
    return fields.Field('x', path, *arguments).of(RESOURCE)


class FieldTestCase(testtools.TestCase):

    def both(self, people, programs, value):
        self.assertEqual((people, programs), (
            value.human_readable(), value.machine_readable()))

    def test_people_see_a_text_and_programs_the_value(self):
        self.both('3.0 MiB', 3 << 20, field('spec.size', fields.size))
        self.both('b, a', ['b', 'a'], field('spec.macs', fields.names))
        self.both('False', False, field('spec.off'))
        self.both('0 B', 0, field('spec.zero', fields.size))

    def test_what_is_not_there_is_a_dash_and_null(self):
        for path in ('none', 'spec.none_such', 'spec.null', 'spec.text',
                     'status.phase', 'status.error.message'):
            self.both('-', None, field(path, fields.size))
        self.both('-', [], field('spec.none', fields.names))

    def test_null_has_a_word_of_its_own_where_its_group_is_known(self):
        self.both('never', None, field('spec.null', fields.moment, 'never'))
        self.both('-', None, field('status.at', fields.moment, 'never'))

    def test_a_list_is_sorted_with_nothing_last(self):
        values = [fields.Value(value) for value in (None, 2, None, 1)]
        self.assertEqual([1, 2, None, None], [
            value.machine_readable() for value in sorted(values)])

    def test_very_large_sizes_stay_readable(self):
        self.assertEqual('4700 GiB', fields.size(4700 << 30))
        self.assertEqual('1.5 KiB/s', fields.rate(1536))

    def test_labels_are_as_a_selector_writes_them(self):
        self.assertEqual('arch=arm, os=x',
                         fields.labels({'os': 'x', 'arch': 'arm'}))
