# SPDX-License-Identifier: Apache-2.0

"""Tests for what is done about media that are over."""

import time
import unittest.mock

from ironic_ext.media import housekeeping
from ironic_ext.media import replica
from tests.unit.media import database


class Store:
    """An image store, as far as holds go."""

    def __init__(self, *held):
        self.held = list(held)

    def holds(self, prefix=''):
        return [hold for hold in self.held if hold[1].startswith(prefix)]

    def release(self, digest, owner):
        self.held.remove((digest, owner))


def hold(number):
    return database.BASE, f'media:{number:032x}'


class HousekeepingTestCase(database.DatabaseTestCase):

    def test_bases_of_media_that_are_over_are_released(self):
        for number in (1, 2):
            self.records.create(database.medium(number), None)
        self.records.revoke(f'{2:032x}')
        node = (database.BASE, 'node:' + database.NODE)
        store = Store(hold(1), hold(2), hold(3), node)
        housekeeping.release_bases(store, self.records)
        self.assertEqual([hold(1), node], store.held)

    def test_an_expired_medium_keeps_its_base_as_it_may_come_back(self):
        self.records.create(
            database.medium(1, expires_at=time.time() - 60), None)
        store = Store(hold(1))
        housekeeping.sweep(store, self.records)
        self.assertEqual([hold(1)], store.held)

    def test_what_is_long_over_leaves_no_trace(self):
        self.records.create(
            database.medium(1, expires_at=1.0, overlay_size=1), [b'x'])
        self.records.create(database.medium(2, overlay_size=1), [b'x'])
        directory = self.folder / 'overlays'
        overlays = replica.Overlays(str(directory), self.records)
        for number in (1, 2):
            overlays.path(self.records.get(f'{number:032x}'))
        store = Store(hold(1), hold(2))
        housekeeping.sweep(store, self.records, overlays)
        self.assertIsNone(self.records.get(f'{1:032x}'))
        self.assertEqual([hold(2)], store.held)
        self.assertEqual([f'{2:032x}.overlay'],
                         [path.name for path in directory.iterdir()])

    def test_one_process_at_a_time_sweeps(self):
        path = str(self.folder / 'lock')
        with housekeeping._lock(path) as mine, \
                housekeeping._lock(path) as other:
            self.assertTrue(mine)
            self.assertFalse(other)
        with housekeeping._lock(path) as mine:
            self.assertTrue(mine)

    def test_a_failure_is_told_and_sweeping_goes_on(self):
        class Enough(Exception):
            pass

        sweeps = unittest.mock.Mock(side_effect=[OSError('busy'), None,
                                                 None, Enough])
        with unittest.mock.patch('time.sleep'), self.assertLogs(
                housekeeping.LOG.name, 'WARNING') as logs:
            self.assertRaises(Enough, housekeeping._sweep_for_ever, sweeps,
                              str(self.folder / 'lock'))
        self.assertIn('busy', logs.output[0])
        self.assertEqual(4, sweeps.call_count)
