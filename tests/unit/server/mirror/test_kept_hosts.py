# SPDX-License-Identifier: Apache-2.0

"""What is known of hosts, on disk."""

import datetime
import os
import pathlib
import sqlite3

import fixtures
import testtools

from ironic_ext.node import boot_state
from ironic_ext.server.mirror import kept_hosts

NOW = datetime.datetime.now(datetime.UTC)


def host(uuid='node-1', **fields):
    """Return a node as it is kept."""
    return kept_hosts.KeptHost(
        {'uuid': uuid, 'name': f'name of {uuid}',
         'boot': boot_state.BootState(
             mode=boot_state.ONCE, cause=boot_state.Cause.REPORT, begun=7),
         'instance_info': {'boot_iso': 'live'}, **fields},
        ('52:54:00:00:00:01',), '2026-01-01', ('192.0.2.7',))


class KeptHostsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.logged = self.useFixture(fixtures.FakeLogger())
        self.path = pathlib.Path(self.useFixture(
            fixtures.TempDir()).path) / 'state' / 'hosts.sqlite'

    def kept(self, source='ironic', max_age=3600, path=None):
        found = kept_hosts.KeptHosts(str(path or self.path), source, max_age)
        self.addCleanup(found.close)
        return found

    def write(self, changed, seen=NOW):
        """Keep hosts as a server does, and end."""
        kept = self.kept()
        kept.load()
        kept.save(changed, seen)
        kept.close()

    def read(self, **options):
        kept = self.kept(**options)
        found = kept.load()
        kept.close()
        return found

    def test_at_first_nothing_is_known(self):
        self.assertEqual(([], None), self.read())

    def test_hosts_come_back_as_they_were(self):
        self.write({'node-1': host(), 'node-2': host('node-2')})
        found, seen = self.read()
        self.assertEqual([host(), host('node-2')], found)
        self.assertEqual(NOW, seen)
        self.assertEqual(boot_state.Cause.REPORT,
                         found[0].node['boot'].cause)

    def test_hosts_that_went_are_gone_with_their_secrets(self):
        self.write({'node-1': host(instance_info={'boot_config': 'S3CRET'}),
                    'node-2': host('node-2')})
        self.assertIn(b'S3CRET', self.path.read_bytes())
        self.write({'node-1': None})
        self.assertEqual([host('node-2')], self.read()[0])
        self.assertNotIn(b'S3CRET', self.path.read_bytes())

    def test_nobody_else_may_read_it(self):
        self.write({'node-1': host()})
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)
        self.assertEqual(0o700, self.path.parent.stat().st_mode & 0o777)

    def test_what_is_old_or_of_tomorrow_is_not_believed(self):
        for age in (4000, -4000):
            self.write({'node-1': host()},
                       NOW - datetime.timedelta(seconds=age))
            self.assertEqual(([], None), self.read())
        self.assertIn('hosts_max_age', self.logged.output)

    def test_another_ironic_has_other_hosts(self):
        self.write({'node-1': host()})
        self.assertEqual(([], None), self.read(source='another'))
        self.assertEqual(([], None), self.read())

    def test_a_damaged_file_is_begun_anew(self):
        def garbage():
            self.path.write_bytes(b'x' * 4096)

        def odd_row():
            with sqlite3.connect(self.path) as database:
                database.execute("UPDATE host SET row = '{}'")
            database.close()

        def newer():
            with sqlite3.connect(self.path) as database:
                database.execute('PRAGMA user_version = 99')
            database.close()

        for damage in (garbage, odd_row, newer):
            self.write({'node-1': host()})
            damage()
            self.assertEqual(([], None), self.read())
            self.write({'node-1': host()})
            self.assertEqual([host()], self.read()[0])
        self.assertEqual(3, self.logged.output.count('begun anew'))

    def test_a_place_that_cannot_be_written_is_one_warning(self):
        self.path.parent.write_text('no directory')
        kept = self.kept()
        self.assertEqual(([], None), kept.load())
        kept.save({'node-1': host()}, NOW)
        self.assertEqual(1, self.logged.output.count('hosts_file'))

    def test_nothing_is_written_all_the_time(self):
        kept = self.kept()
        kept.load()
        kept.save({}, NOW)
        before = os.stat(self.path).st_mtime_ns
        kept.save({}, NOW + datetime.timedelta(seconds=30))
        self.assertEqual(before, os.stat(self.path).st_mtime_ns)
        kept.save({}, NOW + datetime.timedelta(seconds=61))
        kept.close()
        self.assertEqual(NOW + datetime.timedelta(seconds=61),
                         self.read()[1])
