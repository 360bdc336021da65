# SPDX-License-Identifier: Apache-2.0

"""Tests for what ironic.conf and a node say of delivery, and its report."""

import dataclasses
import time
import types
import unittest.mock

from ironic.common import exception

from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import media as node_media
from ironic_ext.drivers import vendor
from ironic_ext.drivers.walls import owners
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import records
from ironic_ext.media import tokens
from tests.unit.drivers import base
from tests.unit.media import database

SERVER = 'http://192.0.2.1:8092'
TOKEN = 'AbCdEfGhIjKlMnOpQrSt_-'


class MediaDeliveryTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.config(connection=f'sqlite:///{self.folder}/media.sqlite',
                    delivery='stream', server_url=SERVER, group='ext_media')
        self.records = media_delivery.known()
        self.addCleanup(self.records.close)

    def settings(self, **driver_info):
        self.node.driver_info = {**self.node.driver_info, **driver_info}
        self.store()
        return media_delivery.for_node(self.a_task())._settings

    def a_task(self):
        return types.SimpleNamespace(node=self.node)

    def create(self, number=1, purpose='instance', **values):
        """Make a stream of the node."""
        medium = database.medium(number, node=self.node.uuid,
                                 purpose=purpose, **values)
        token = self.records.create(medium, None)
        node_media.save(self.node, base.medium(
            medium.id, purpose, 'stream', slot='/slot',
            mark=tokens.digest(token)))
        return token

    def boot_media(self):
        with self.task(shared=True) as task:
            return vendor.RedfishExtVendorPassthru().boot_media(
                task)['media']


class SettingsTestCase(MediaDeliveryTestCase):

    def test_the_options_are_those_of_ironic_conf(self):
        self.config(allowed_networks=['192.0.2.0/24'], max_url_length=80,
                    health_url='http://127.0.0.1:1', group='ext_media')
        self.assertEqual(
            delivery.Settings('stream', SERVER, 'http://127.0.0.1:1',
                              base.HTTP_URL, 80, ('192.0.2.0/24',), True,
                              owners.fence()),
            self.settings())

    def test_a_node_can_have_servers_of_its_own(self):
        settings = self.settings(external_media_url='http://192.0.2.2:1',
                                 external_http_url='http://192.0.2.3')
        self.assertEqual(
            ('http://192.0.2.2:1', SERVER, 'http://192.0.2.3'),
            (settings.server_url, settings.health_url, settings.http_url))

    def test_protocols_that_are_not_spoken_are_refused(self):
        for protocol in ('https', 'NFS'):
            self.node.driver_info = {**self.node.driver_info,
                                     'vmedia_transport_protocol': protocol}
            if protocol == 'https':
                media_delivery.require(self.a_task())
        self.assertRaises(exception.InvalidParameterValue,
                          media_delivery.require, self.a_task())

    def test_a_missing_server_is_refused(self):
        self.config(server_url=None, group='ext_media')
        error = self.assertRaises(exception.InvalidParameterValue,
                                  media_delivery.require, self.a_task())
        self.assertIn('[ext_media]server_url', str(error))

    def test_certificates_can_be_those_of_a_private_authority(self):
        for option, wanted in (('/etc/ca.pem', '/etc/ca.pem'),
                               ('False', False)):
            self.config(webserver_verify_ca=option)
            self.assertEqual(wanted, self.settings().verify)

    def test_the_database_is_opened_once(self):
        self.assertIs(self.records, media_delivery.known())

    def test_a_database_that_cannot_be_opened_is_tried_again(self):
        self.config(connection='nonsense', group='ext_media')
        for _attempt in range(2):
            self.assertRaises(records.RecordsError, media_delivery.known)


class LifetimeTestCase(MediaDeliveryTestCase):

    def test_an_agents_stream_outlives_ironics_patience_by_an_hour(self):
        self.config(deploy_callback_timeout=9000,
                    clean_callback_timeout=1800, group='conductor')
        self.assertEqual(9000 + 3600,
                         media_delivery.lifetime(media.Purpose.AGENT))

    def test_without_an_end_to_that_patience_it_lives_as_an_instances(self):
        self.config(token_lifetime=7200, group='ext_media')
        self.config(deploy_callback_timeout=0, group='conductor')
        self.assertEqual(7200, media_delivery.lifetime(media.Purpose.AGENT))
        self.assertEqual(7200, media_delivery.lifetime(media.Purpose.INSTANCE))

    def test_streams_of_instances_are_prolonged_and_no_others(self):
        self.config(token_lifetime=7200, group='ext_media')
        for number, purpose in ((1, 'instance'), (2, 'agent'), (3, 'data')):
            self.create(number, purpose, expires_at=50.0)
        node_media.save(self.node, base.medium('f' * 32))
        media_delivery.prolong([self.node])
        self.assertEqual(
            [True, False, True],
            [medium.expires_at > time.time() + 7000 for medium, _reads
             in self.records.of_node(self.node.uuid)])

    def test_nodes_without_streams_need_no_database(self):
        self.config(connection='nonsense', group='ext_media')
        media_delivery.prolong([self.node, types.SimpleNamespace(
            driver_internal_info={})])


class ReportTestCase(MediaDeliveryTestCase):

    def test_an_operator_sees_what_was_read(self):
        token = self.create(created_at=0.0, expires_at=86400.0)
        now = time.time()
        self.records.record_reads([
            dataclasses.replace(
                database.report(1, (0, 600), at=now),
                first_at=now - 2, last_at=now)])
        shown, = self.boot_media()
        read = shown.pop('read')
        self.assertEqual(
            {'id': f'{1:032x}', 'purpose': 'instance',
             'delivery': 'stream', 'slot': '/slot',
             'image': 'http://x/live.iso', 'size': 1000,
             'url': f'{SERVER}/***/node-7.iso',
             'created_at': '1970-01-01T00:00:00Z',
             'expires_at': '1970-01-02T00:00:00Z'}, shown)
        self.assertEqual(
            (600, 60.0, 600, 1, 300, '192.0.2.7'),
            tuple(read[key] for key in ('bytes', 'percent', 'sent',
                                        'requests', 'rate', 'client')))
        self.assertLess(read['seconds_ago'], 30)
        self.assertNotIn(token, str((shown, read)))

    def test_a_stream_that_nobody_read_has_no_times(self):
        self.create()
        shown, = self.boot_media()
        self.assertEqual(0.0, shown['read']['percent'])
        self.assertIsNone(shown['read']['first_at'])
        self.assertIsNone(shown['read']['seconds_ago'])

    def test_a_published_file_is_shown_without_its_secret(self):
        files = media_delivery.for_node(self.a_task())._files
        name = media_delivery.publish.MediaName.new()
        files.publish(types.SimpleNamespace(
            write=lambda path, mode: open(path, 'wb').close()), name)
        node_media.save(self.node, base.medium(name.id))
        shown, = self.boot_media()
        self.assertEqual(
            ('file', 0, None,
             f'{base.HTTP_URL}/ext-media/{name.id}-***.iso'),
            (shown['delivery'], shown['size'], shown['read'],
             shown['url']))

    def test_what_is_gone_from_disk_and_database_is_shown_as_that(self):
        for number, kind in ((1, 'file'), (2, 'stream')):
            node_media.save(self.node, base.medium(
                f'{number:032x}', kind=kind))
        self.assertEqual([None, None],
                         [shown['url'] for shown in self.boot_media()])

    def test_a_node_without_media_shows_none(self):
        self.assertEqual([], self.boot_media())

    def test_a_database_that_fails_is_told(self):
        self.create()
        with unittest.mock.patch.object(
                records.MediaRecords, 'of_node',
                side_effect=records.RecordsError('no database')):
            error = self.assertRaises(exception.IronicException,
                                      self.boot_media)
        self.assertIn('no database', str(error))

    def test_the_method_is_offered_over_the_api(self):
        routes = vendor.RedfishExtVendorPassthru().vendor_routes
        self.assertEqual(['GET', 'DELETE'],
                         routes['boot_media']['http_methods'])
        self.assertFalse(routes['boot_media']['async'])
        self.assertFalse(routes['boot_media']['require_exclusive_lock'])
        # And those of stock Redfish.
        self.assertIn('create_subscription', routes)
        with self.task() as task:
            vendor.RedfishExtVendorPassthru().validate(task, 'boot_media')
