# SPDX-License-Identifier: Apache-2.0

"""Tests for the records of streamed media."""

import os
import sqlite3
import threading
import time

import testtools

from ironic_ext.media import database as media_database
from ironic_ext.media import medium as media
from ironic_ext.media import records
from ironic_ext.media import tokens
from tests.unit.media import database


class RecordsTestCase(database.DatabaseTestCase):

    def content(self):
        """Return all that the database's files hold."""
        return b''.join(path.read_bytes()
                        for path in (self.folder / 'db').iterdir())

    def test_a_token_finds_its_medium_in_every_process(self):
        medium = database.medium(networks=('192.0.2.0/24',),
                                 base_href='http://x/live.iso',
                                 base_etag='"1"', expires_at=2000.5)
        token = self.records.create(medium, None)
        self.assertEqual(medium, self.open().find(token))
        self.assertEqual(medium, self.open().get(medium.id))
        self.assertIsNone(self.records.find(token[:-1] + '!'))

    def test_a_medium_for_what_another_release_does_is_served_all_the_same(
            self):
        token = self.records.create(database.medium(), None)
        with sqlite3.connect(self.folder / 'db/media.sqlite') as raw:
            raw.execute("UPDATE ext_medium SET purpose = 'boot'")
        raw.close()
        self.assertIs(media.Purpose.OTHER,
                      self.open().find(token).medium.purpose)

    def test_the_database_does_not_have_the_token(self):
        token = self.records.create(database.medium(), None)
        self.assertIsNotNone(self.records.reissue(database.medium().id, None))
        self.assertNotIn(token.encode(), self.content())

    def test_an_overlay_of_any_size_comes_back(self):
        for number, size in enumerate((1, media_database.CHUNK,
                                       media_database.CHUNK * 2 + 7)):
            overlay = os.urandom(size)
            medium = database.medium(number, overlay_size=size)
            self.records.create(medium, [overlay])
            self.assertEqual(
                overlay, b''.join(self.open().overlay(medium.id)))

    def test_revoking_ends_a_medium_and_deletes_its_overlay(self):
        overlay = b'a secret in the config drive' * 10
        medium = database.medium(overlay_size=len(overlay))
        token = self.records.create(medium, [overlay])
        other = self.open()
        self.assertEqual({medium.id}, other.live([medium.id]))
        self.assertTrue(self.records.revoke(medium.id))
        self.assertEqual(frozenset(), other.live([medium.id]))
        self.assertEqual(frozenset(), other.kept([medium.id]))
        self.assertIsNotNone(other.find(token).revoked_at)
        self.assertEqual([], list(other.overlay(medium.id)))
        self.assertEqual([], other.of_node(database.NODE))
        self.assertFalse(self.records.revoke(medium.id))

    def test_what_is_deleted_does_not_stay_in_the_file(self):
        overlay = b'a secret in the config drive' * 1000
        medium = database.medium(overlay_size=len(overlay))
        self.records.create(medium, [overlay])
        self.records.revoke(medium.id)
        self.records.close()
        with sqlite3.connect(self.folder / 'db/media.sqlite') as raw:
            raw.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        raw.close()
        self.assertNotIn(b'a secret in the config drive', self.content())

    def test_a_new_token_takes_the_place_of_the_old_one(self):
        medium = database.medium(expires_at=5.0)
        first = self.records.create(medium, None)
        second = self.records.reissue(medium.id, 9.0)
        self.assertIsNone(self.records.find(first))
        self.assertEqual(9.0, self.records.find(second).expires_at)

    def test_what_was_revoked_gets_no_new_token(self):
        medium = database.medium()
        token = self.records.create(medium, None)
        self.records.revoke(medium.id)
        self.assertIsNone(self.records.reissue(medium.id, None))
        self.assertIsNotNone(self.records.find(token))
        self.assertIsNone(self.records.reissue('f' * 32, None))

    def test_an_expired_medium_is_not_served_but_can_come_back(self):
        now = time.time()
        medium = database.medium(expires_at=now - 1)
        self.records.create(medium, None)
        self.assertEqual(frozenset(), self.records.live([medium.id]))
        self.assertEqual({medium.id}, self.records.kept([medium.id]))
        self.records.extend([medium.id], now + 60)
        self.assertEqual({medium.id}, self.records.live([medium.id]))

    def test_extending_shortens_no_life_and_ends_no_eternal_one(self):
        for number, expires_at in ((1, 100.0), (2, None), (3, 10.0)):
            self.records.create(
                database.medium(number, expires_at=expires_at), None)
        self.records.extend([f'{n:032x}' for n in (1, 2, 3)], 50.0)
        self.assertEqual(
            [100.0, None, 50.0],
            [medium.expires_at for medium, _reads
             in self.records.of_node(database.NODE)])

    def test_a_url_in_a_drive_tells_whose_it_is(self):
        token = self.records.create(database.medium(), None)
        self.assertEqual(
            {database.medium().id},
            self.records.owner([tokens.digest(token), 'f' * 64]))

    def test_reads_of_all_replicas_add_up(self):
        self.records.create(database.medium(1), None)
        self.records.create(database.medium(2), None)
        for replica, at in ((self.open(), 100.0), (self.open(), 101.0)):
            replica.record_reads([
                database.report(2, (0, 10), at=at),
                database.report(1, (int(at), int(at) + 5), at=at),
                database.report(9, (0, 1), at=at)])
        (_first, one), (_second, two) = self.records.of_node(database.NODE)
        self.assertEqual(((100, 106),), one.ranges)
        self.assertEqual(20, two.sent)
        self.assertEqual(10, two.distinct)

    def test_writers_wait_for_one_another(self):
        self.records.create(database.medium(), None)
        failures = []

        def report():
            mine = self.open()
            try:
                for _n in range(20):
                    mine.record_reads([database.report(1, (0, 10))])
            except records.RecordsError as exc:
                failures.append(exc)

        threads = [threading.Thread(target=report) for _n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)
        (_medium, reads), = self.records.of_node(database.NODE)
        self.assertEqual(800, reads.sent)

    def test_sources_of_a_base_come_newest_first_and_once(self):
        rows = ((1, 1.0, 'http://x/a.iso', '"1"'), (2, 3.0, None, ''),
                (3, 2.0, 'http://x/b.iso', ''), (4, 4.0, 'http://x/b.iso',
                                                 ''))
        for number, at, href, etag in rows:
            self.records.create(database.medium(
                number, created_at=at, base_href=href, base_etag=etag), None)
        self.assertEqual([('http://x/b.iso', '', False),
                          ('http://x/a.iso', '"1"', False)],
                         self.records.sources(database.BASE))
        self.records.create(database.medium(
            5, created_at=9.0, base_href='http://x/a.iso', base_fenced=True),
            None)
        self.assertEqual(('http://x/a.iso', '', True),
                         self.records.sources(database.BASE)[0])
        self.assertEqual([], self.records.sources('sha256:00'))

    def test_purging_forgets_what_is_long_over_and_nothing_else(self):
        now = time.time()
        tokens_ = [self.records.create(database.medium(
            number, expires_at=expires_at), [b'x'])
            for number, expires_at in enumerate((None, now - 500, now - 5,
                                                 None))]
        self.records.revoke(f'{0:032x}')
        self.assertEqual([f'{1:032x}'], self.records.purge(now - 100))
        self.assertEqual([True, False, True, True], [
            self.records.find(token) is not None for token in tokens_])
        self.assertEqual({f'{0:032x}', f'{2:032x}'},
                         set(self.records.purge(time.time() + 1)))
        self.assertEqual([b'x'], list(self.records.overlay(f'{3:032x}')))

    def test_a_thousand_media_are_asked_for_at_once(self):
        for number in range(3):
            self.records.create(database.medium(number), None)
        ids = [f'{number:032x}' for number in range(2000)]
        self.assertEqual(3, len(self.records.live(ids)))

    def test_the_file_is_for_its_owner_alone(self):
        umask = os.umask(0)
        self.addCleanup(os.umask, umask)
        self.connection = f'sqlite:///{self.folder}/other/media.sqlite'
        self.open().create(database.medium(), None)
        for path in (self.folder / 'other').iterdir():
            self.assertEqual(0o600, path.stat().st_mode & 0o777, path)

    def test_many_processes_can_open_a_new_database_at_once(self):
        self.connection = f'sqlite:///{self.folder}/new/media.sqlite'
        opened = []
        threads = [threading.Thread(
            target=lambda: opened.append(self.open())) for _n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(8, len(opened))


class FailureTestCase(testtools.TestCase):

    def message(self, connection):
        exc = self.assertRaises(records.RecordsError, records.MediaRecords,
                                connection)
        self.assertIn('[ext_media]connection', str(exc))
        self.assertNotIn('\n', str(exc))
        return str(exc)

    def test_what_is_no_url_is_told(self):
        self.message('nonsense')

    def test_a_database_in_memory_is_refused(self):
        self.assertIn('file', self.message('sqlite://'))

    def test_a_file_that_cannot_be_made_is_told(self):
        self.message('sqlite:////proc/none/media.sqlite')

    def test_a_driver_that_is_missing_is_told_without_the_password(self):
        self.assertNotIn('sesame',
                         self.message('oracle://u:sesame@192.0.2.1/x'))
