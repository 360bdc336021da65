# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Many watchers see each change once, in order, whoever made it."""

import threading
import time

import fixtures

from ironic_ext import catalog
from ironic_ext.catalog import feed
from ironic_ext.catalog import store
from tests.unit.catalog import database

_PATIENCE = 30


class FeedTestCase(database.CatalogTestCase):

    def _feed(self, **values):
        made = feed.Feed(self.catalog, interval=0.01, **values)
        made.start()
        self.addCleanup(made.stop)
        return made

    def _create(self, *names):
        """Write as another process does."""
        own = self.open()
        for name in names:
            own.create(database.config(name))

    def test_a_change_by_others_wakes_whoever_waits(self):
        watched = self._feed()
        found = []
        waiting = threading.Thread(
            target=lambda: found.append(watched.after(0, _PATIENCE)))
        waiting.start()
        self._create('a')
        waiting.join()
        self.assertEqual([('a', 1)], [
            (change.name, change.revision) for change in found[0].changes])
        self.assertEqual(1, found[0].revision)

    def test_without_a_change_there_is_a_bookmark(self):
        self._create('a')
        found = self._feed().after(1, 0.01)
        self.assertEqual(((), 1), (found.changes, found.revision))

    def test_watchers_see_each_change_once_and_in_order(self):
        watched = self._feed()
        seen = [[] for _ in range(20)]

        def see(mine):
            for change in feed.watch(watched, 0, heartbeat=_PATIENCE):
                if isinstance(change, store.Change):
                    mine.append(change.name)
                    if change.name == 'end':
                        return

        threads = [threading.Thread(target=see, args=(mine,))
                   for mine in seen]
        for thread in threads:
            thread.start()
        names = [f'c{number}' for number in range(10)] + ['end']
        self._create(*names)
        for thread in threads:
            thread.join(_PATIENCE)
        self.assertEqual([names] * 20, seen)

    def test_who_comes_from_further_back_is_answered_from_the_log(self):
        self._create('a', 'b')
        watched = self._feed(kept=2)
        self._create('c', 'd', 'e')
        while watched.revision < 5:
            time.sleep(0.01)
        for since in range(5):
            self.assertEqual(
                list('abcde')[since:],
                [change.name
                 for change in watched.after(since, 1).changes])

    def test_who_comes_from_too_far_back_is_told(self):
        self._create('a', 'b', 'c')
        self.catalog.compact(keep=1)
        watched = self._feed()
        self.assertRaises(catalog.TooOldError, watched.after, 1, 1)
        self.assertRaises(catalog.TooOldError, watched.after, 99, 0.01)

    def test_bookmarks_come_at_every_heartbeat_until_the_end(self):
        self._create('a')
        events = list(feed.watch(self._feed(), 0, heartbeat=0.02,
                                 until=time.monotonic() + 0.2))
        self.assertEqual('a', events[0].name)
        self.assertGreater(len(events), 2)
        self.assertEqual({1}, set(events[1:]))

    def test_stopping_wakes_whoever_waits(self):
        watched = self._feed()
        waiting = threading.Thread(target=watched.after, args=(0, 3600))
        waiting.start()
        watched.stop()
        waiting.join(_PATIENCE)
        self.assertFalse(waiting.is_alive())

    def test_a_database_that_fails_for_a_while_is_survived(self):
        log = self.useFixture(fixtures.FakeLogger())
        watched = self._feed()
        real, failed = self.catalog.changes, threading.Event()

        def fail(since):
            failed.set()
            raise catalog.DatabaseError('gone')

        self.catalog.changes = fail
        failed.wait(_PATIENCE)
        self._create('a')
        self.catalog.changes = real
        self.assertEqual(1, len(watched.after(0, _PATIENCE).changes))
        self.assertEqual(1, log.output.count(
            'Watchers of the catalogue learn nothing: gone'))

    def test_a_catalogue_that_was_set_back_is_watched_anew(self):
        self._create('a', 'b')
        watched = self._feed()
        real = self.catalog.changes

        def too_old(since):
            self.catalog.changes = real
            raise catalog.TooOldError('set back')

        self.catalog.changes = too_old
        while self.catalog.changes is too_old:
            time.sleep(0.01)
        made = self.open().create(database.config('c'))
        found = watched.after(int(made.metadata.resource_version) - 1,
                              _PATIENCE)
        self.assertEqual(['c'], [change.name for change in found.changes])
