# SPDX-License-Identifier: Apache-2.0

"""The catalog close at hand."""

import collections
import os

import fixtures
import testtools

from ironic_ext import catalog
from ironic_ext.catalog import store
from ironic_ext.server import errors
from ironic_ext.server.mirror import catalog as catalog_mirror
from tests.unit.server.machines import test_configs


class MirrorTestCase(testtools.TestCase):
    """What another process stores."""

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.catalog = store.Catalog(
            f'sqlite:///{os.path.join(folder, "x.sqlite")}', history=100)
        self.addCleanup(self.catalog.close)
        self.made = self.catalog.create(test_configs.config('server'))
        self.mirror = catalog_mirror.CatalogMirror(self.catalog, 60)

    def text(self):
        found = self.mirror.config('server')
        return found and found.spec.data['ks.cfg']

    def replace(self, text):
        self.catalog.replace(catalog.BootConfig(
            catalog.Metadata('server'),
            catalog.BootConfigSpec('kickstart', {'ks.cfg': text})))

    def test_a_change_is_seen_with_the_next_look(self):
        self.assertEqual('text\n', self.text())
        self.replace('reboot\n')
        self.assertEqual('text\n', self.text())
        self.mirror.follow()
        self.assertEqual('reboot\n', self.text())

    def test_what_was_missing_and_was_made_is_seen(self):
        self.assertIsNone(self.mirror.iso('live'))
        self.catalog.create(catalog.ISCSICdrom(
            catalog.Metadata('live'), catalog.ISCSICdromSpec('live.iso')))
        self.mirror.follow()
        self.assertIsNotNone(self.mirror.iso('live'))

    def test_what_was_deleted_is_gone(self):
        self.text()
        self.catalog.delete(catalog.BootConfig, 'server')
        self.mirror.follow()
        self.assertIsNone(self.text())

    def test_who_listens_is_told_which_configs_are_other_ones(self):
        told = []
        self.mirror.tell(told.append)
        self.mirror.follow()
        self.replace('reboot\n')
        self.catalog.create(catalog.ISCSICdrom(
            catalog.Metadata('live'), catalog.ISCSICdromSpec('live.iso')))
        self.mirror.follow()
        for number in range(30):
            self.replace(f'{number}\n')
        self.catalog.compact(10)
        self.mirror.follow()
        # The log does not reach back: it may be any.
        self.assertEqual([set(), {'server'}, None], told)

    def test_at_hand_is_what_was_read_and_did_not_change(self):
        at_hand = self.mirror.at_hand
        self.assertRaises(KeyError, at_hand.config, 'server')
        self.assertRaises(KeyError, at_hand.iso, 'server')
        self.text()
        self.assertEqual('text\n',
                         at_hand.config('server').spec.data['ks.cfg'])
        self.assertIsNone(self.mirror.iso('live'))
        self.assertIsNone(at_hand.iso('live'))
        generation = at_hand.generation
        self.mirror.follow()
        self.assertEqual(generation, at_hand.generation)
        self.replace('reboot\n')
        self.mirror.follow()
        self.assertNotEqual(generation, at_hand.generation)
        self.assertEqual('reboot\n',
                         at_hand.config('server').spec.data['ks.cfg'])

    def test_a_generation_never_has_what_is_older_than_it(self):
        at_hand, seen = self.mirror.at_hand, []

        class Items(collections.OrderedDict):
            def pop(self, key):
                # Somebody may look here.
                seen.append(at_hand.generation)
                return super().pop(key)

            def clear(self):
                seen.append(at_hand.generation)
                super().clear()

        at_hand.items = Items()
        self.text()
        self.replace('reboot\n')
        self.mirror.follow()
        self.assertEqual([at_hand.generation - 1], seen)
        self.catalog.compact(0)
        self.replace('new\n')
        self.catalog.compact(0)
        self.mirror.follow()
        self.assertEqual([at_hand.generation - 1], seen[1:])

    def test_a_watch_is_told_what_and_not_the_secret(self):
        since = self.mirror.feed.last
        self.replace('secret\n')
        self.mirror.follow()
        (event,), reached = self.mirror.events(since)
        self.assertEqual(('MODIFIED', 'BootConfig', reached),
                         (event.type, event.kind, event.number))
        self.assertNotIn(b'secret', event.document)

    def test_a_watch_reaches_back_before_the_process(self):
        found, reached = self.mirror.events(0)
        self.assertEqual(['ADDED'], [event.type for event in found])
        self.assertEqual(self.mirror.feed.last, reached)

    def test_what_the_log_lost_is_gone(self):
        for number in range(30):
            self.replace(f'text {number}\n')
        self.catalog.compact(10)
        self.assertRaises(errors.GoneError, self.mirror.events, 0)
        # It is not only watches that missed too much.
        old = self.mirror.feed
        self.mirror.follow()
        self.assertTrue(old.closed)
        self.assertEqual('text 29\n', self.text())
