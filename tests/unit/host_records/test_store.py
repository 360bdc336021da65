# SPDX-License-Identifier: Apache-2.0

"""Hosts' records: what several processes write of them."""

import unittest.mock

import fixtures
import testtools

from ironic_ext.catalog import resources
from ironic_ext.catalog import store as catalog_store
from ironic_ext import host_records

NODE, OTHER = '6f1b2a30-0000-4000-8000-000000000001', 'b'


class HostRecordsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.url = ('sqlite:///' + self.useFixture(fixtures.TempDir()).path
                    + '/x.sqlite')
        self.records = self.open()

    def open(self):
        records = host_records.HostRecords(self.url)
        self.addCleanup(records.close)
        return records

    def test_nothing_is_known_of_a_host_at_first(self):
        self.assertEqual(host_records.Record(NODE), self.records.of(NODE))
        self.assertEqual(([], 0), self.records.changes(0))

    def test_an_end_is_later_than_all_that_was(self):
        with unittest.mock.patch('time.time', lambda: 1000.5):
            first = self.records.end(NODE, generation=0)
            self.assertEqual((1000, 0), (first.generation, first.ended))
            second = self.records.end(NODE, generation=1000)
            self.assertEqual((1001, 1000), (second.generation, second.ended))
            third = self.records.end(NODE, generation=1001, above=5000)
            self.assertEqual(5001, third.generation)
        self.assertEqual(third, self.open().of(NODE))

    def test_what_two_processes_see_ends_once(self):
        first = self.records.end(NODE, generation=0)
        self.assertEqual(first, self.open().end(NODE, generation=0))

    def test_an_address_and_an_end_leave_one_another_alone(self):
        self.records.declare(NODE, '192.0.2.1')
        ended = self.records.end(NODE, generation=0)
        self.assertEqual('192.0.2.1', ended.address)
        self.assertEqual(ended.generation,
                         self.records.declare(NODE, '').generation)
        self.assertEqual('', self.records.of(NODE).address)

    def test_a_script_is_kept_and_shown_to_nobody_who_logs_it(self):
        self.records.keep_script(NODE, '')
        self.assertEqual(([], 0), self.records.changes(0))
        self.records.keep_script(NODE, 'S3cret')
        found = self.open().of(NODE)
        self.assertEqual('S3cret', found.script)
        self.assertNotIn('S3cret', repr(found))
        self.records.end(NODE, generation=0)
        self.assertEqual('S3cret', self.records.of(NODE).script)
        self.records.keep_script(NODE, '')
        self.assertEqual('', self.records.of(NODE).script)

    def test_who_follows_is_told_what_was_written_since(self):
        self.records.declare(NODE, '192.0.2.1')
        found, serial = self.records.changes(0)
        self.assertEqual([NODE], [record.node for record in found])
        # The same once more is no change.
        self.records.declare(NODE, '192.0.2.1')
        self.assertEqual(([], serial), self.records.changes(serial))
        self.open().declare(OTHER, '192.0.2.2')
        found, serial = self.records.changes(serial)
        self.assertEqual([OTHER], [record.node for record in found])

    def test_a_database_that_fails_says_so(self):
        self.assertRaises(host_records.RecordsError,
                          host_records.HostRecords, 'sqlite:///')


class UpgradeTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.url = ('sqlite:///' + self.useFixture(fixtures.TempDir()).path
                    + '/x.sqlite')

    def catalog(self, *names):
        opened = catalog_store.Catalog(self.url)
        self.addCleanup(opened.close)
        for name in names:
            opened.create(resources.parse({
                'kind': 'ISCSICdrom', 'metadata': {'name': name},
                'spec': {'url': 'http://192.0.2.1/a.iso'}}))

    def was_upgraded(self):
        records = host_records.HostRecords(self.url)
        self.addCleanup(records.close)
        return records.was_upgraded()

    def test_a_catalog_that_was_used_before_is_an_upgrade(self):
        self.catalog('live')
        self.assertTrue(self.was_upgraded())

    def test_a_new_catalog_is_none(self):
        self.catalog()
        self.assertFalse(self.was_upgraded())
        self.catalog('live')
        self.assertFalse(self.was_upgraded())
