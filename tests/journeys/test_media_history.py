# SPDX-License-Identifier: Apache-2.0

"""What a media server sends, in the history that the boot server tells."""

import os
import pathlib
import tempfile

import testtools

from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records
from lab import media_server
from lab import process
from tests import boot_server
from tests import ironic_stand_in
from tests.journeys import test_media_replicas


class ReadHistoryTestCase(testtools.TestCase):
    """A boot server and a media server, which share a host."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = pathlib.Path(folder.name)
        self.ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        self.node = self.ironic.known.add('server1', '52:54:00:00:00:01')
        self.boot_server = self.useFixture(boot_server.BootServer(
            self.ironic.url,
            extra='[ext_media]\nconnection = '
                  f'sqlite:///{self.directory}/media.sqlite')).process
        # It comes later: its database is made by its first start.
        self.server = media_server.MediaServer(
            'media-server', self.directory, self.directory)
        self.addCleanup(self.server.stop)
        self.server.start()
        self.records = records.MediaRecords(
            f'sqlite:///{self.directory}/media.sqlite')
        self.addCleanup(self.records.close)

    def deliver(self, content):
        """Make an image of literals for the node, as a conductor does."""
        deliveries = delivery.Deliveries(
            self.node, 'server1',
            delivery.Settings(media.Kind.STREAM, self.server.url),
            publish.MediaStore('', ''), lambda: self.records,
            lambda: None)
        nothing = self.directory / 'nothing'
        nothing.touch()
        with iso.SegmentMap(nothing, segments.sparse(
                segments.Literal(content))) as image:
            return deliveries.deliver(
                deliveries.new(media.Purpose.INSTANCE), image,
                media.Origin('sha256:' + '0' * 64, 0, 'a test'))

    def history(self):
        return [(event['kind'], event['text'])
                for event in self.boot_server.call(
                    'GET', '/api/v1/namespaces/default/baremetalhosts/'
                           'server1/history').json['items']]

    def test_a_boot_is_told_from_its_first_read_to_its_share(self):
        content = os.urandom(1 << 20)
        delivered = self.deliver(content)
        status, body = test_media_replicas.get(delivered.url, 0,
                                               (1 << 18) - 1)
        self.assertEqual((206, content[:1 << 18]), (status, body))
        process.await_condition(
            lambda: self.history() == [('read', 'the ISO: first read')],
            'the first read', timeout=60, interval=0.5)
        self.records.revoke(delivered.medium.id)
        process.await_condition(
            lambda: self.history()[:1] == [
                ('read', 'the ISO: 25 % read, last by 127.0.0.1')],
            'the share', timeout=60, interval=0.5)
        # The URL of a medium is all that it takes to read it.
        self.assertNotIn(delivered.url.split('/')[3], str(self.history()))
