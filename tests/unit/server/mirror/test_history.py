# SPDX-License-Identifier: Apache-2.0

"""Noting what happens to hosts."""

import dataclasses
import unittest.mock

import testtools

from ironic_ext import host_records
from ironic_ext.node import host as hosts
from ironic_ext.server.mirror import history

HOST = hosts.Host('u', 'web', power='power off')


class HistoryWriterTestCase(testtools.TestCase):
    """What reaches the database."""

    def setUp(self):
        super().setUp()
        self.kept = unittest.mock.Mock(spec=host_records.History)
        self.writer = history.HistoryWriter(self.kept)

    def written(self):
        self.writer.stop()
        return [event for call in self.kept.add.call_args_list
                for event in call.args[0]]

    def test_what_servers_see_alike_has_one_mark(self):
        for version in ('1', '1', '2'):
            self.writer.note_change(HOST, dataclasses.replace(
                HOST, power='power on'), version)
        self.assertEqual(['power on'] * 2,
                         [event.text for event in self.written()])

    def fetch(self, when, address='192.0.2.1'):
        with unittest.mock.patch('time.time', lambda: when):
            self.writer.note_fetched(HOST, 'config', 'ks.cfg', address)

    def test_who_fetches_again_within_an_hour_did_so_once(self):
        for when in (4000.0, 4001.0, 7599.0, 7600.0):
            self.fetch(when)
        self.fetch(7601.0, '192.0.2.2')
        self.assertEqual(
            [(4000.0, 'ks.cfg fetched by 192.0.2.1'),
             (7600.0, 'ks.cfg fetched by 192.0.2.1'),
             (7601.0, 'ks.cfg fetched by 192.0.2.2')],
            [(event.at, event.text) for event in self.written()])

    def test_who_fetches_after_something_else_happened_did_so_again(self):
        self.fetch(4000.0)
        self.writer.note_change(HOST, HOST, '1')
        self.fetch(4001.0)
        self.writer.note_change(HOST, dataclasses.replace(
            HOST, power='power on'), '2')
        self.fetch(4002.0)
        self.assertEqual(['config', 'power', 'config'],
                         [event.kind for event in self.written()])

    def test_an_event_is_told_to_who_has_the_host_then(self):
        mine = dataclasses.replace(HOST, owner='o', lessee='first')
        other = dataclasses.replace(mine, lessee='second', power='power on')
        self.writer.note_fetched(mine, 'config', 'ks.cfg', '192.0.2.1')
        self.writer.note_change(mine, other, '1')
        self.assertEqual(['o/first', 'o/second'],
                         [event.whose for event in self.written()])
        self.writer.of(other, 5)
        self.kept.of.assert_called_once_with('u', 'o/second', 5)

    def test_strangers_do_not_make_it_remember_without_end(self):
        for number in range(1000):
            self.fetch(4000.0, f'2001:db8::{number:x}')
        self.assertEqual(1000, len(self.written()))
        self.fetch(4001.0, '2001:db8::3e7')
        self.assertEqual(1000, len(self.written()))

    def test_a_host_that_goes_takes_its_history_with_it(self):
        self.writer.note_fetched(HOST, 'config', 'ks.cfg', '192.0.2.1')
        self.writer.forget('u')
        self.written()
        self.assertEqual(['add', 'forget'],
                         [call[0] for call in self.kept.method_calls])

    def test_a_database_that_is_away_ends_nothing(self):
        self.kept.add.side_effect = host_records.RecordsError('away')
        self.writer.note_fetched(HOST, 'config', 'ks.cfg', '192.0.2.1')
        self.writer.stop()
