# SPDX-License-Identifier: Apache-2.0

"""Noting what BMCs read of media, in a database as media servers fill it."""

import time
import unittest.mock

from ironic_ext.media import medium as media
from ironic_ext.media import reads
from ironic_ext.media import records
from ironic_ext.node import host as hosts
from ironic_ext.server.mirror import history
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import media_reads
from tests.unit.media import database

HOST = hosts.Host(database.NODE, 'web')
READ = reads.Reads(first_at=100.0, last_at=110.0, ranges=((0, 345),),
                   client='192.0.2.7')


class NotesTestCase(database.DatabaseTestCase):
    """What is said of one medium."""

    def texts(self, read, known, now=111.0, **values):
        found, share = media_reads.notes(database.medium(**values), read,
                                         known, now)
        return [(note.at, note.text) for note in found], share

    def test_the_first_read_is_noted_at_once_and_a_share_in_the_end(self):
        self.assertEqual(([(100.0, 'the ISO: first read')], 0.0),
                         self.texts(READ, None))
        self.assertEqual(([], 0.0), self.texts(READ, 0.0, now=140.0))
        share = [(110.0, 'the ISO: 34.5 % read, last by 192.0.2.7')]
        self.assertEqual((share, 34.5), self.texts(READ, 0.0, now=140.1))
        self.assertEqual(([], 34.5), self.texts(READ, 34.5, now=150.0))
        # Nobody can go on, so nobody is waited for.
        self.assertEqual((share, 34.5),
                         self.texts(READ, 0.0, revoked_at=110.5))

    def test_a_share_is_of_the_whole_and_is_whole_at_its_end_alone(self):
        for end, text in ((999_999, '99.9 %'), (1_000_000, '100 %')):
            found, _share = self.texts(
                reads.Reads(100.0, 110.0, ranges=((0, end),)), 0.0, 200.0,
                size=1_000_000, purpose=media.Purpose.DATA)
            self.assertEqual([(110.0, f'the data image: {text} read')],
                             found)

    def test_a_whole_image_is_noted_without_a_wait(self):
        found, share = self.texts(reads.Reads(
            100.0, 110.0, ranges=((0, 1000),)), 98.0, 110.1)
        self.assertEqual(([(110.0, 'the ISO: 100 % read')], 100.0),
                         (found, share))

    def test_who_reads_a_little_for_weeks_fills_no_history(self):
        known, noted = 0.0, 0
        for read in range(1, 1000):
            found, known = self.texts(reads.Reads(
                100.0, 100.0 + read, ranges=((0, read),)), known, 5000.0)
            noted += len(found)
        self.assertEqual(20, noted)


class FollowerTestCase(database.DatabaseTestCase):
    """What is noted of a database that others write."""

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.index.put(HOST)
        self.history = unittest.mock.Mock(spec=history.HistoryWriter)
        self.follower = self.restarted()

    def restarted(self, connection=None):
        return media_reads.ReadsFollower(connection or self.connection,
                                         self.index, self.history)

    def noted(self):
        found = [(call.args[0].uuid, call.args[1], call.args[3])
                 for call in self.history.note_read.call_args_list]
        self.history.note_read.reset_mock()
        return found

    def read(self, number, *ranges, at):
        self.records.record_reads([database.report(number, *ranges, at=at)])

    def test_a_boot_is_noted_from_its_first_read_to_its_end(self):
        medium = database.medium(1, created_at=time.time())
        self.records.create(medium, None)
        self.records.create(database.medium(2), None)
        self.follower.look()
        self.assertEqual([], self.noted())
        self.read(1, (0, 100), at=time.time())
        self.follower.look()
        self.follower.look()
        self.assertEqual([(HOST.uuid, 'the ISO: first read', medium.id)],
                         self.noted())
        self.read(1, (50, 250), at=time.time())
        self.records.revoke(medium.id)
        self.follower.look()
        self.follower.look()
        self.assertEqual([(
            HOST.uuid, 'the ISO: 25 % read, last by 192.0.2.7', medium.id)],
            self.noted())

    def test_what_was_read_long_before_a_start_is_not_of_this_time(self):
        for number, seconds in ((1, 3600), (2, 300)):
            self.records.create(database.medium(number), None)
            self.read(number, (0, 100), at=time.time() - seconds)
            self.records.revoke(database.medium(number).id)
        self.follower.look()
        self.assertEqual({database.medium(2).id},
                         {medium for _node, _text, medium in self.noted()})

    def test_media_of_unknown_nodes_are_nobodys(self):
        self.records.create(database.medium(node='other'), None)
        self.read(1, (0, 100), at=time.time())
        self.follower.look()
        self.assertEqual([], self.noted())

    def test_where_there_is_no_media_server_no_database_is_made(self):
        path = self.folder / 'none' / 'media.sqlite'
        follower = self.restarted(f'sqlite:///{path}')
        follower.look()
        self.assertFalse(path.parent.exists())
        # It may come later.
        records.MediaRecords(f'sqlite:///{path}').close()
        follower.look()

    def test_a_database_that_fails_ends_nothing(self):
        path = self.folder / 'broken'
        path.write_text('no database')
        follower = self.restarted(f'sqlite:///{path}')
        self.assertRaises(records.RecordsError, follower.look)
        follower = self.restarted('postgresql+nodriver://x/y')
        self.assertRaises(records.RecordsError, follower.look)
