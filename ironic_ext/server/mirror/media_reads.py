# SPDX-License-Identifier: Apache-2.0

"""Notes what BMCs read of the media of hosts: first, and how much in the end.

Media servers put that on record in [ext_media]connection; this only reads.
"""

import collections
import collections.abc
import logging
import time
import typing

from ironic_ext.media import medium as media
from ironic_ext.media import reads
from ironic_ext.media import records
from ironic_ext.server.mirror import follower
from ironic_ext.server.mirror import history as histories
from ironic_ext.server.mirror import host_index

LOG = logging.getLogger(__name__)

#: Seconds between two looks.
_INTERVAL = 5.0
#: Seconds without a byte after which a share is noted.
_SILENT = 30.0
#: Seconds that are looked at again: clocks differ, and silence takes some.
_OVERLAP = 120.0
#: Seconds before a start that are looked at: those of a restart.
_BEFORE = 600.0
#: Percent that a share has to grow by to be noted again: a live system may
#: read of its ISO for weeks.
_STEP = 5.0
#: Media that are remembered.
_REMEMBERED = 10000

#: What media are called.
NAMES = {
    media.Purpose.INSTANCE: 'the ISO',
    media.Purpose.SANBOOT: 'the ISO',
    media.Purpose.AGENT: 'the ISO of the deploy agent',
    media.Purpose.DATA: 'the data image',
    media.Purpose.VIRTUAL_MEDIA: 'the ISO that was attached by the API',
}


class Note(typing.NamedTuple):
    """An event of reading.

    :ivar at: seconds since the epoch.
    :ivar text: a sentence.
    """

    at: float
    text: str


def notes(stream: media.Stream, read: reads.Reads, known: float | None,
          now: float) -> tuple[list[Note], float]:
    """Return what is to be noted of a medium that was read. Pure.

    :param known: the share that was noted last, in percent; None where
        not even the first read was.
    :returns: the notes, and the share that is noted now.
    """
    assert read.first_at is not None and read.last_at is not None
    name = NAMES.get(stream.medium.purpose, 'a medium')
    found = []
    if known is None:
        found.append(Note(read.first_at, f'{name}: first read'))
        known = 0.0
    # Never rounded up: all of it is said of all of it alone.
    share = 1000 * read.distinct // max(stream.size, 1) / 10
    is_over = (read.distinct >= stream.size or stream.revoked_at is not None
               or now - read.last_at > _SILENT)
    if is_over and share > known and (share == 100 or not known
                                      or share - known >= _STEP):
        by = f', last by {read.client}' if read.client else ''
        found.append(Note(read.last_at, f'{name}: {share:g} % read{by}'))
        known = share
    return found, known


class ReadsFollower(follower.Follower):
    """Notes them in a thread of its own."""

    def __init__(self, connection: str, index: host_index.HostIndex,
                 history: histories.HistoryWriter) -> None:
        """Prepare; nothing is opened yet.

        :param connection: SQLAlchemy URL of the database of media, which
            may come later, or never where there is no media server.
        """
        super().__init__('media-reads')
        self._connection = connection
        self._index = index
        self._history = history
        self._records: records.MediaRecords | None = None
        # Share by medium, in the order of the last look at it.
        self._known: collections.OrderedDict[str, float] = (
            collections.OrderedDict())
        self._looked = time.time() - _BEFORE
        self._failing = False

    def run(self) -> None:
        """Look until it is time to go."""
        while not self.ending.wait(_INTERVAL):
            if not self._index.loaded.is_set():
                continue
            try:
                self.look()
            except records.RecordsError as exc:
                if not self._failing:
                    LOG.warning('What BMCs read is not in the history of '
                                'hosts at the moment: %s', exc)
                self._failing = True
            else:
                self._failing = False
        if self._records is not None:
            self._records.close()

    def look(self) -> None:
        """Look once, and note what is new.

        :raises: RecordsError
        """
        if self._records is None:
            if not records.is_made(self._connection):
                return
            self._records = records.MediaRecords(self._connection)
        now = time.time()
        since = min(self._looked, now - _OVERLAP)
        for stream, read in self._records.read_since(since):
            self._note(stream, read, since, now)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._looked = now

    def _note(self, stream: media.Stream, read: reads.Reads, since: float,
              now: float) -> None:
        host = self._index.by_uuid(stream.node)
        known = self._known.get(stream.id)
        # What was before may have been while others had the host.
        if host is None or known is None and (read.last_at or 0) < since:
            return
        if known is None and (read.first_at or 0) < since:
            known = 0.0
        found, self._known[stream.id] = notes(stream, read, known, now)
        self._known.move_to_end(stream.id)
        for note in found:
            self._history.note_read(host, note.text, note.at, stream.id)
