# SPDX-License-Identifier: Apache-2.0

"""Hosts' records close at hand."""

import fixtures
import testtools

from ironic_ext import host_records
from ironic_ext.server.mirror import host_records as record_mirror
from tests.unit.node import test_host as test_hosts

NODE = test_hosts.UUID


class RecordMirrorTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.url = ('sqlite:///' + self.useFixture(fixtures.TempDir()).path
                    + '/x.sqlite')
        self.mirror, self.other = self.open(), self.open()

    def open(self):
        mirror = record_mirror.RecordMirror(
            host_records.HostRecords(self.url), 60)
        self.addCleanup(mirror.stop)
        return mirror

    def test_what_this_process_writes_is_known_at_once(self):
        ended = self.mirror.end(NODE, generation=0)
        self.assertEqual(ended, self.mirror.of(NODE))
        self.mirror.declare(NODE, '192.0.2.1')
        self.assertEqual('192.0.2.1', self.mirror.of(NODE).address)
        self.assertEqual(self.mirror.of(NODE), self.open().of(NODE))

    def test_what_another_one_writes_is_followed(self):
        self.mirror.end(NODE, generation=0)
        self.assertEqual(0, self.other.of(NODE).generation)
        self.other.follow()
        self.assertEqual(self.mirror.of(NODE), self.other.of(NODE))

    def test_a_host_counts_from_its_creation(self):
        host = test_hosts.host(created_at='1970-01-01T00:01:40.25+00:00')
        self.assertEqual((100, 0), self.mirror.generation(host))
        self.assertEqual((100, 0), self.mirror.generation(test_hosts.host(
            created_at='1970-01-01T00:01:40')))
        self.assertEqual((7, 0), self.mirror.generation(test_hosts.host(
            created_at='1970-01-01T00:01:40', boot_generation=7)))
