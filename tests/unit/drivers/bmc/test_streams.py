# SPDX-License-Identifier: Apache-2.0

"""Tests for streams in virtual drives: known by their token, never shown."""

import logging

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers import ironic_patches
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import tokens
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc

ID = '0123456789abcdef0123456789abcdef'
TOKEN = 'AbCdEfGhIjKlMnOpQrSt_-'
OTHER = 'ZbCdEfGhIjKlMnOpQrSt_-'


def url(token):
    return tokens.url('http://192.0.2.1:8092', token, 'node-7.iso')


class StreamTestCase(base.DriverTestCase):

    record = base.medium(ID, kind='stream', slot=fake_bmc.Slot().path,
                         mark=tokens.digest(TOKEN))

    def insert(self):
        with self.task() as task:
            return insertion.insert(task, url(TOKEN), self.record)

    def test_a_stream_is_inserted(self):
        self.assertEqual(self.bmc.slots[0].path, self.insert())
        self.assertEqual([url(TOKEN)], self.bmc.inserted)

    def test_another_stream_is_not_taken_for_ours(self):
        slot = self.bmc.slots[0]
        slot.deaf = True
        slot.insert_media = lambda _url, **options: slot.put(url(OTHER))
        message = str(self.assertRaises(drives.MediaError,
                                        self.insert))
        self.assertIn('shows "http://192.0.2.1:8092/***/node-7.iso"',
                      message)
        self.assertNotIn(OTHER, message)

    def test_a_refusal_does_not_have_the_token(self):
        self.bmc.slots[0].failures = [
            fake_bmc.http_error(400, f'cannot read {url(TOKEN)}')]
        message = str(self.assertRaises(drives.MediaError,
                                        self.insert))
        self.assertIn('cannot read', message)
        self.assertNotIn(TOKEN, message)

    def test_only_the_nodes_own_stream_is_ejected(self):
        other = fake_bmc.Slot('2')
        other.put(url(OTHER))
        self.bmc.slots.append(other)
        self.bmc.slots[0].put(url(TOKEN))
        with self.task() as task:
            self.assertTrue(drives.shown(task, [self.record]))
            ejection.eject(task, [self.record])
            self.assertFalse(drives.shown(task, [self.record]))
        self.assertEqual([url(OTHER)], self.bmc.inserted)

    def test_urls_of_streams_do_not_reach_the_log(self):
        ironic_patches.install()
        logger = logging.getLogger('sushy.connector')
        record = logger.makeRecord(
            'sushy.connector', logging.DEBUG, 'connector.py', 1,
            'HTTP request: %s', ({'Image': url(TOKEN)},), None)
        self.assertTrue(logger.filter(record))
        self.assertIn('/***/node-7.iso', record.getMessage())

    def test_a_record_comes_back_from_the_node_as_it_was(self):
        node_media.save(self.node, self.record)
        self.node.refresh()
        self.assertEqual((self.record,), node_media.load(self.node))

    def test_a_record_of_an_older_version_is_that_of_a_file(self):
        self.node.driver_internal_info = {'ext_media': [
            {'id': ID, 'purpose': 'instance', 'slot': '/x'}]}
        record, = node_media.load(self.node)
        self.assertEqual(('file', ''), (record.kind, record.mark))
