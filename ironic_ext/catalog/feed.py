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

"""Changes of the catalogue for many watchers in one process.

One thread asks the database, however many watch; what other processes write
is seen as well. Who came from further back is answered from the database.
"""

import collections
import logging
import threading
import time
import typing

from ironic_ext.catalog import errors
from ironic_ext.catalog import store as stores

LOG = logging.getLogger(__name__)


class Feed:
    """The newest changes, in memory."""

    def __init__(self, catalog: stores.Catalog, *, interval: float = 0.2,
                 kept: int = 1000) -> None:
        """Take the catalogue; nothing runs before :meth:`start`.

        :param interval: seconds between two looks into the database, and so
            the longest that a change goes unseen.
        :param kept: changes in memory.
        """
        self._catalog = catalog
        self._interval = interval
        self._changes: collections.deque[stores.Change] = collections.deque(
            maxlen=kept)
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True,
                                        name='catalogue feed')
        #: What is in memory begins after the one and ends with the other.
        self._first = self._last = 0

    def start(self) -> None:
        """Begin to look.

        :raises: DatabaseError
        """
        self._first = self._last = self._catalog.revision()
        self._thread.start()

    def stop(self) -> None:
        """End it; who waits is answered at once."""
        self._stop.set()
        with self._news:
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def revision(self) -> int:
        """Number of the last change that was seen."""
        return self._last

    def after(self, since: int, timeout: float) -> stores.Changes:
        """Return what changed after a revision, as soon as something did.

        :param timeout: seconds; with nothing new the answer has no changes,
            and its revision is fit for a bookmark.
        :raises: TooOldError, DatabaseError
        """
        with self._news:
            self._news.wait_for(
                lambda: self._last > since or self._stop.is_set(), timeout)
            if self._first <= since <= self._last:
                return stores.Changes(
                    tuple(change for change in self._changes
                          if change.revision > since), self._last, True)
        return self._catalog.changes(since)

    def _run(self) -> None:
        failed = False
        while not self._stop.wait(self._interval):
            try:
                self._look()
                failed = False
            except errors.DatabaseError as exc:
                if not failed:
                    LOG.error('Watchers of the catalogue learn nothing: %s',
                              exc)
                failed = True

    def _look(self) -> None:
        try:
            part = self._catalog.changes(self._last)
        except errors.TooOldError:
            # Another database, or one that was set back: begin anew.
            with self._news:
                self._changes.clear()
                self._first = self._last = self._catalog.revision()
                self._news.notify_all()
            return
        if not part.changes:
            return
        with self._news:
            for change in part.changes:
                if len(self._changes) == self._changes.maxlen:
                    self._first = self._changes[0].revision
                self._changes.append(change)
            self._last = part.revision
            self._news.notify_all()


def watch(feed: Feed, since: int, *, heartbeat: float,
          until: float | None = None
          ) -> typing.Iterator[stores.Change | int]:
    """Yield changes after a revision, and revisions as bookmarks.

    :param heartbeat: seconds without a change until a bookmark is due.
    :param until: time.monotonic() at which it ends; None for never.
    :raises: TooOldError, DatabaseError
    """
    while until is None or time.monotonic() < until:
        patience = heartbeat if until is None else max(
            0, min(heartbeat, until - time.monotonic()))
        part = feed.after(since, patience)
        yield from part.changes
        if not part.changes:
            yield part.revision
        since = part.revision
