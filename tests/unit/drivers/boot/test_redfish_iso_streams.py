# SPDX-License-Identifier: Apache-2.0

"""Tests for the boot interface with a media server: no files, but records."""

import time
import types
import unittest.mock

from ironic.common import exception
from ironic.common import states
import sqlalchemy
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext import iso
from ironic_ext.media import records
from ironic_ext.media import tokens
from tests.unit.drivers import base

SERVER = 'http://192.0.2.1:8092'


class _Streams(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        self.config(connection=f'sqlite:///{self.folder}/media.sqlite',
                    delivery='stream', server_url=SERVER, group='ext_media')
        # Streams need no web server.
        self.config(http_url=None, group='deploy')
        self.database = media_delivery.known()
        self.addCleanup(self.database.close)
        self.say(boot_iso=self.href, kernel_append_params='a=1')

    def token(self):
        (url,) = self.bmc.inserted
        start, token, name = url.rsplit('/', 2)
        self.assertEqual((SERVER, 'node-7.iso'), (start, name))
        return token

    def medium(self):
        """Return the record of what the machine has in its drive."""
        return self.database.find(self.token())

    def held(self):
        return [owner for _digest, owner
                in media_delivery._store().holds('media:')]

    def assertClean(self):
        super().assertClean()
        self.assertEqual([], self.database.of_node(self.node.uuid))
        self.assertEqual([], self.held())


class StreamTestCase(_Streams):

    def test_the_machine_gets_a_stream_of_its_image(self):
        self.call('validate')
        self.call('prepare_instance')
        self.assertEqual([], self.published())
        medium = self.medium()
        self.assertEqual(
            (self.node.uuid, 'instance', self.href, self.href, None),
            (medium.node, medium.medium.purpose, medium.base.image,
             medium.base.href, medium.revoked_at))
        self.assertEqual([f'media:{medium.id}'], self.held())
        overlay = b''.join(self.database.overlay(medium.id))
        with iso.SegmentMap.parse(overlay, base=self.base) as customised:
            self.assertEqual(medium.size, customised.size)
            self.assertEqual(medium.digest, customised.digest)
            path = self.folder / 'customised.iso'
            customised.write(path)
        with iso.IsoImage.open(path) as image:
            lines = self.arguments(image)
        self.assertTrue(lines and all('a=1' in line for line in lines))

    def test_the_node_knows_the_medium_but_not_its_token(self):
        self.call('prepare_instance')
        row, = self.records()
        self.assertEqual(
            (self.medium().id, 'stream', tokens.digest(self.token()),
             self.bmc.slots[0].path),
            (row['id'], row['delivery'], row['mark'], row['slot']))
        self.assertNotIn(self.token(), str(self.node.as_dict(secure=False)))

    def test_cleaning_up_ends_the_stream_at_once(self):
        self.call('prepare_instance')
        token = self.token()
        self.call('clean_up_instance')
        self.assertClean()
        self.assertIsNotNone(self.database.find(token).revoked_at)

    def test_a_rebuild_ends_the_old_stream(self):
        self.call('prepare_instance')
        old = self.token()
        self.call('prepare_instance')
        self.assertNotEqual(old, self.token())
        self.assertIsNotNone(self.database.find(old).revoked_at)
        self.assertEqual(1, len(self.held()))

    def test_streams_end_even_when_the_bmc_does_not_answer(self):
        self.call('prepare_instance')
        token = self.token()
        with unittest.mock.patch.object(
                drives.redfish_utils, 'get_system',
                side_effect=sushy.exceptions.ConnectionError(
                    url='x', error='no route')):
            self.assertIn('no route', self.failure(
                drives.MediaError, 'clean_up_instance'))
        self.assertIsNotNone(self.database.find(token).revoked_at)
        self.assertEqual(1, len(self.records()))
        self.call('clean_up_instance')
        self.assertClean()

    def test_clean_up_is_not_over_before_the_stream_is(self):
        self.call('prepare_instance')
        with unittest.mock.patch.object(
                records.MediaRecords, 'revoke',
                side_effect=records.RecordsError('database is gone')):
            self.assertIn('database is gone', self.failure(
                drives.MediaError, 'clean_up_instance'))
        self.assertEqual([], self.bmc.inserted)
        self.assertEqual(1, len(self.records()))
        self.call('clean_up_instance')
        self.assertClean()

    def test_a_failed_insertion_ends_the_stream(self):
        self.bmc.slots[0].deaf = True
        message = self.failure(exception.InstanceDeployFailure,
                               'prepare_instance')
        self.assertIn('shows no medium', message)
        self.assertClean()

    def test_a_database_that_fails_is_told_and_leaves_nothing(self):
        with unittest.mock.patch.object(
                records.MediaRecords, 'create',
                side_effect=records.RecordsError('database is gone')):
            self.assertIn('database is gone', self.failure(
                exception.InstanceDeployFailure, 'prepare_instance'))
        self.assertClean()

    def test_clean_up_finds_what_a_killed_conductor_left(self):
        class Killed(BaseException):
            pass

        def kill(*args):
            raise Killed

        with unittest.mock.patch.object(insertion, 'insert', kill):
            self.assertRaises(Killed, self.call, 'prepare_instance')
        self.assertEqual(1, len(self.held()))
        self.call('clean_up_instance')
        self.assertClean()

    def test_a_running_machine_is_left_alone_and_its_stream_prolonged(self):
        self.call('prepare_instance')
        token = self.token()
        with sqlalchemy.create_engine(
                f'sqlite:///{self.folder}/media.sqlite').begin() as raw:
            raw.exec_driver_sql('UPDATE ext_medium SET expires_at = 5')
        self.bmc.slots[0].calls.clear()
        self.be(states.ACTIVE)
        self.call('prepare_instance')
        self.assertEqual([], self.bmc.calls)
        self.assertGreater(self.database.find(token).expires_at,
                           time.time() + 86400)

    def test_a_lost_stream_is_inserted_again_under_a_new_url(self):
        self.call('prepare_instance')
        old, medium = self.token(), self.medium()
        self.be(states.ACTIVE)
        self.bmc.slots[0].put(None)
        self.call('prepare_instance')
        self.assertNotEqual(old, self.token())
        self.assertIsNone(self.database.find(old))
        self.assertEqual(medium.id, self.medium().id)
        self.call('clean_up_instance')
        self.assertClean()

    def test_a_full_drive_is_no_reason_for_a_new_url(self):
        self.call('prepare_instance')
        token = self.token()
        self.be(states.ACTIVE)
        self.bmc.slots[0].put('http://x/rescue.iso')
        self.call('prepare_instance')
        self.assertIsNotNone(self.database.find(token))

    def test_a_database_that_fails_does_not_fail_a_takeover(self):
        self.call('prepare_instance')
        self.be(states.ACTIVE)
        with unittest.mock.patch.object(
                records.MediaRecords, 'extend',
                side_effect=records.RecordsError('gone')):
            self.call('prepare_instance')
        self.assertEqual(1, len(self.bmc.inserted))

    def test_an_iso_that_nothing_is_put_into_needs_no_overlay(self):
        self.node.instance_info = {'boot_iso': self.href}
        self.store()
        self.call('prepare_instance')
        self.assertEqual(0, self.medium().overlay_size)

    def test_credentials_in_an_href_do_not_reach_the_database(self):
        for href, kept in ((self.href, self.href),
                           ('http://x/a.iso?signature=TOP', None),
                           ('http://me:TOP@x/a.iso', None)):
            image = media_delivery.images.BaseImage(
                '/x', media_delivery.images.redacted(href), 5,
                'sha256:' + 'a' * 64)
            found = media_delivery.base_of(image, href, True)
            self.assertEqual(kept, found.href)
            self.assertNotIn('TOP', str(found))

    def test_a_media_server_learns_that_an_owner_chose_the_base(self):
        image = media_delivery.images.BaseImage(
            '/x', self.href, 5, 'sha256:' + 'a' * 64)
        for strategy, by_owner, fenced in (
                ('keystone', True, True), ('keystone', False, False),
                ('noauth', True, False), ('http_basic', True, False)):
            self.config(auth_strategy=strategy)
            self.assertEqual(fenced, media_delivery.base_of(
                image, self.href, by_owner).fenced)

    def test_a_file_is_withdrawn_after_the_site_went_over_to_streams(self):
        self.config(http_url=base.HTTP_URL, group='deploy')
        self.config(delivery='file', group='ext_media')
        self.call('prepare_instance')
        self.assertEqual(1, len(self.published()))
        self.config(delivery='stream', group='ext_media')
        self.call('clean_up_instance')
        self.assertClean()


class LookAfterTestCase(_Streams):
    """What the conductor does now and then."""

    def look_after(self):
        manager = types.SimpleNamespace(iter_nodes=lambda fields: [
            (self.node.uuid, 'redfish-ext', '',
             self.node.driver_internal_info),
            ('other', 'redfish-ext', '', None)])
        with self.task(shared=True) as task:
            task.driver.boot._look_after_media(manager, self.context)

    def test_streams_of_nodes_are_prolonged(self):
        self.call('prepare_instance')
        before = self.medium().expires_at
        self.config(token_lifetime=10 ** 7, group='ext_media')
        self.look_after()
        self.assertGreater(self.medium().expires_at, before + 10 ** 6)

    def test_bases_of_streams_that_ended_elsewhere_are_released(self):
        self.call('prepare_instance')
        self.database.revoke(self.medium().id)
        self.look_after()
        self.assertEqual([], self.held())

    def test_sites_without_a_media_server_need_no_database(self):
        self.config(connection='nonsense', delivery='file',
                    group='ext_media')
        self.look_after()
        self.config(delivery='auto', server_url=None, group='ext_media')
        self.look_after()

    def test_a_failure_is_logged(self):
        self.call('prepare_instance')
        with unittest.mock.patch.object(
                records.MediaRecords, 'extend',
                side_effect=records.RecordsError('gone')):
            self.look_after()
        self.assertIsNotNone(self.medium())
