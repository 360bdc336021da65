# SPDX-License-Identifier: Apache-2.0

"""A database of media for a test, and rows to put into it."""

import pathlib
import tempfile

import testtools

from ironic_ext.media import records
from ironic_ext.media.stream import contract
from tests import media_streams

NODE = '1be26c0b-03f2-4d2e-ae87-c02d7f33c123'
BASE = 'sha256:' + 'b' * 64


def medium(number=1, **values):
    """Return the stream of a medium with that number as its id."""
    return media_streams.stream({
        'id': f'{number:032x}', 'node': NODE,
        'name': 'node-7.iso', 'image': 'http://x/live.iso',
        'digest': 'sha256:' + 'd' * 64, 'size': 1000, 'overlay_size': 0,
        'base_digest': BASE, 'base_size': 900, 'created_at': 1000.0,
        **values})


def report(number=1, *ranges, at=100.0, **values):
    """Return a report of reads that took the second before ``at``."""
    return contract.ReadReport(**{
        'medium_id': f'{number:032x}', 'first_at': at - 1, 'last_at': at,
        'sent': sum(end - first for first, end in ranges),
        'ranges': ranges, 'requests': len(ranges), 'client': '192.0.2.7',
        **values})


class DatabaseTestCase(testtools.TestCase):
    """A test with records in an SQLite file."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.connection = f'sqlite:///{self.folder}/db/media.sqlite'
        self.records = self.open()

    def open(self):
        """Open the database as another process does."""
        opened = records.MediaRecords(self.connection)
        self.addCleanup(opened.close)
        return opened
