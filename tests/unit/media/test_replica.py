# SPDX-License-Identifier: Apache-2.0

"""Tests for what one replica of the media server knows."""

import os
import threading
import time
import unittest.mock

from ironic_ext.media import records
from ironic_ext.media import replica
from ironic_ext.media.stream import contract
from tests.unit.media import database

OVERLAY = b'a secret' * 300000


class ReplicaTestCase(database.DatabaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.folder / 'overlays'
        self.media = self.replica('overlays')

    def replica(self, name):
        known = self.open()
        return replica.ReplicaMedia(
            known, replica.Overlays(str(self.folder / name), known))

    def create(self, number=1, **values):
        medium = database.medium(number, overlay_size=len(OVERLAY),
                                 **values)
        return self.records.create(medium, [OVERLAY])

    def files(self):
        return sorted(path.name for path in self.directory.iterdir())

    def test_a_token_opens_a_medium_with_its_overlay_as_a_local_file(self):
        token = self.create(networks=('192.0.2.0/24',), created_at=1000.9)
        medium = self.media.find(token)
        self.assertEqual(
            (f'{1:032x}', database.NODE, 'node-7.iso', 1000, 1000,
             database.BASE, 900, ('192.0.2.0/24',)),
            (medium.id, medium.node, medium.name, medium.size,
             medium.last_modified, medium.base.digest, medium.base.size,
             medium.networks))
        with open(medium.overlay_path, 'rb') as file:
            self.assertEqual(OVERLAY, file.read())

    def test_replicas_show_one_and_the_same_image(self):
        token = self.create()
        first, second = (self.replica(name).find(token)
                         for name in ('here', 'there'))
        self.assertNotEqual(first.overlay_path, second.overlay_path)
        self.assertEqual((first.etag, first.last_modified, first.size),
                         (second.etag, second.last_modified, second.size))

    def test_an_image_without_an_overlay_has_no_file(self):
        token = self.records.create(database.medium(), None)
        self.assertIsNone(self.media.find(token).overlay_path)
        self.assertEqual([], self.files())

    def test_overlays_are_for_their_owner_alone(self):
        umask = os.umask(0)
        self.addCleanup(os.umask, umask)
        self.media.find(self.create())
        name, = self.files()
        self.assertEqual(0o700, self.directory.stat().st_mode & 0o777)
        self.assertEqual(
            0o600, (self.directory / name).stat().st_mode & 0o777)

    def test_an_unknown_token_opens_nothing(self):
        self.assertIsNone(self.media.find('A' * 22))

    def test_a_revoked_token_is_refused_at_once(self):
        token = self.create()
        self.media.find(token)
        self.records.revoke(f'{1:032x}')
        exc = self.assertRaises(contract.RevokedError,
                                self.media.find, token)
        self.assertIn(f'{1:032x}', str(exc))
        self.assertNotIn(token, str(exc))

    def test_an_expired_token_is_refused(self):
        token = self.create(expires_at=time.time() - 1)
        exc = self.assertRaises(contract.ExpiredError,
                                self.media.find, token)
        self.assertIn('token_lifetime', str(exc))

    def test_it_expires_even_if_nobody_writes(self):
        token = self.create(expires_at=time.time() + 60)
        self.media.find(token)
        with unittest.mock.patch('time.time',
                                 return_value=time.time() + 61):
            self.assertRaises(contract.ExpiredError,
                              self.media.find, token)

    def test_only_live_media_are_still_valid(self):
        for number, expires_at in ((1, None), (2, time.time() - 1),
                                   (3, time.time() + 60)):
            self.create(number, expires_at=expires_at)
        ids = [f'{number:032x}' for number in (1, 2, 3, 4)]
        self.assertEqual({ids[0], ids[2]}, self.media.still_valid(ids))

    def test_workers_can_fetch_one_overlay_at_the_same_time(self):
        token = self.create()
        replicas = [self.replica('overlays') for _n in range(4)]
        found = []
        threads = [threading.Thread(
            target=lambda one=one: found.append(one.find(token)))
            for one in replicas]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(4, len(found))
        self.assertEqual([f'{1:032x}.overlay'], self.files())

    def test_an_overlay_that_is_cut_off_is_not_served(self):
        token = self.create()
        with unittest.mock.patch.object(
                records.MediaRecords, 'overlay', return_value=[OVERLAY[:-1]]):
            self.assertRaises(contract.UnavailableError,
                              self.media.find, token)
        self.assertEqual([], self.files())
        self.assertIsNotNone(self.media.find(token))

    def test_a_full_disk_is_told_and_leaves_nothing(self):
        token = self.create()
        with unittest.mock.patch.object(
                os, 'rename', side_effect=OSError(28, 'No space left')):
            exc = self.assertRaises(contract.UnavailableError,
                                    self.media.find, token)
        self.assertIn('[ext_media]overlay_dir', str(exc))
        self.assertEqual([], self.files())

    def test_a_database_that_fails_is_told(self):
        with unittest.mock.patch.object(
                records.MediaRecords, 'find',
                side_effect=records.RecordsError('gone')):
            self.assertRaises(contract.UnavailableError,
                              self.media.find, 'A' * 22)

    def test_sweeping_leaves_the_overlays_of_live_media_alone(self):
        self.media.find(self.create(1))
        self.media.find(self.create(2))
        self.records.revoke(f'{1:032x}')
        for name, age in ((f'.{2:032x}.overlay.new.part', 0),
                          (f'.{2:032x}.overlay.old.part', 700),
                          (f'.{1:032x}.overlay.new.part', 0),
                          ('sweep.lock', 7200)):
            path = self.directory / name
            path.write_bytes(b'')
            os.utime(path, (time.time() - age,) * 2)
        replica.Overlays(str(self.directory), self.records).sweep()
        self.assertEqual([f'.{2:032x}.overlay.new.part',
                          f'{2:032x}.overlay', 'sweep.lock'], self.files())

    def test_reads_arrive_in_the_records(self):
        self.create()
        self.media.record_reads([database.report(1, (0, 10))])
        (_medium, reads), = self.records.of_node(database.NODE)
        self.assertEqual(10, reads.distinct)
