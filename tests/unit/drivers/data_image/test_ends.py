# SPDX-License-Identifier: Apache-2.0

"""Tests for data images whose instance, node or delivery goes."""

import contextlib
import socket
import types
import unittest.mock

from ironic.common import exception
from ironic.common import states
from ironic.conductor import cleaning
from ironic.conductor import manager
from ironic import objects

from ironic_ext.data_image import record as records
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.data_image import source as data_image_source
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records as media_records
from ironic_ext import walls
from tests.unit.drivers.data_image import base

ATTACHED = records.Phase.ATTACHED
FAILED = records.Phase.FAILED
WAITING = records.Phase.WAITING


class TearDownTestCase(base.DataImageTestCase):
    """With a boot interface that knows nothing of data images."""

    def setUp(self):
        super().setUp()
        self.node.boot_interface = 'redfish-virtual-media'
        self.be(states.ACTIVE)

    def assertClean(self):
        self.assertEqual(([], []), (self.bmc.inserted, self.published()))

    def tear_down(self):
        self.be(states.DELETING)
        with (self.task() as task,
              unittest.mock.patch.object(task.driver.deploy, 'clean_up'),
              unittest.mock.patch.object(task.driver.deploy, 'tear_down'),
              unittest.mock.patch.object(cleaning, 'do_node_clean')):
            conductor = unittest.mock.Mock()
            conductor._get_steps_for_automated_cleaning.return_value = (
                [], True)
            manager.ConductorManager._do_node_tear_down(
                conductor, task, states.ACTIVE)
        self.node.refresh()

    def test_the_image_goes_with_the_instance(self):
        self.attach()
        self.tear_down()
        self.assertClean()
        self.assertIsNone(self.record())
        self.assertIsNone(self.node.instance_uuid)

    def test_a_bmc_that_keeps_it_does_not_keep_the_instance(self):
        self.attach(files={'secret': 'hunter2'})
        self.bmc.slots[0].stuck = True
        self.tear_down()
        self.assertIsNone(self.node.instance_uuid)
        self.assertPhase(FAILED)
        self.assertEqual([], self.published())

    def test_the_next_instance_never_gets_it(self):
        self.attach(files={'secret': 'hunter2'})
        self.bmc.slots[0].stuck = True
        self.tear_down()
        # As fast as can be.
        self.be(states.DEPLOYING)
        self.be(states.ACTIVE)
        self.bmc.slots[0].stuck = False
        self.run_once()
        self.assertClean()
        self.assertIsNone(self.record())

    def test_nor_where_the_end_was_seen_late(self):
        self.attach(files={'secret': 'hunter2'})
        self.be(states.AVAILABLE)
        self.bmc.slots[0].stuck = True
        self.run_once()
        self.assertPhase(FAILED)
        self.be(states.ACTIVE)
        self.bmc.slots[0].stuck = False
        self.run_once()
        self.assertClean()

    def test_what_was_not_foreseen_does_not_keep_the_instance(self):
        self.attach()
        with unittest.mock.patch.object(data_images, 'run',
                                        side_effect=ZeroDivisionError):
            self.tear_down()
        self.assertIsNone(self.node.instance_uuid)


class DeletionTestCase(base.DataImageTestCase):

    def setUp(self):
        super().setUp()
        self.seen = []
        self.replace(queue, 'conductors_own', lambda: (
            types.SimpleNamespace(await_work=self.await_work)))

    def await_work(self, work):
        self.readable = self.published()
        # The node is known as yet.
        objects.Node.get(self.context, self.node.uuid)
        work()
        self.seen.append(list(self.bmc.inserted))

    def delete(self):
        with self.task() as task:
            task.node.destroy()

    def test_the_image_of_a_deleted_node_goes(self):
        self.attach()
        self.delete()
        self.assertRaises(exception.NodeNotFound, objects.Node.get,
                          self.context, self.node.uuid)
        self.assertEqual(([[]], []), (self.seen, self.readable))

    def test_a_bmc_that_is_dead_keeps_nothing_but_its_drive(self):
        self.attach()
        self.bmc.slots[0].stuck = True
        self.delete()
        self.assertRaises(exception.NodeNotFound, objects.Node.get,
                          self.context, self.node.uuid)
        (inserted,) = self.seen
        self.assertEqual((1, []), (len(inserted), self.readable))

    def test_a_node_that_cannot_be_deleted_gets_its_image_back(self):
        self.attach()
        with unittest.mock.patch.object(
                objects.Node.dbapi, 'destroy_node',
                side_effect=exception.NodeAssociated(node='n',
                                                     instance='i')):
            self.assertRaises(exception.NodeAssociated, self.delete)
        self.assertEqual([[]], self.seen)
        self.run_once()
        self.assertPhase(ATTACHED)
        path, = self.published()
        self.assertIn(path.name, self.bmc.inserted[0])

    def test_a_node_without_data_image_is_just_deleted(self):
        self.delete()
        self.assertEqual([], self.seen)

    def test_a_failure_to_withdraw_does_not_keep_the_node(self):
        self.attach()
        with unittest.mock.patch.object(publish.MediaStore, 'unpublish',
                                        side_effect=PermissionError):
            self.delete()
        self.assertRaises(exception.NodeNotFound, objects.Node.get,
                          self.context, self.node.uuid)


class LostDeliveryTestCase(base.DataImageTestCase):
    """The BMC shows the image, but it cannot be read any more."""

    def test_a_file_that_is_gone_is_delivered_anew(self):
        self.attach()
        before, = self.published()
        before.unlink()
        self.assertPhase(ATTACHED, self.run_once())
        path, = self.published()
        self.assertNotEqual(before, path)
        self.assertIn(path.name, self.bmc.inserted[0])
        self.assertEqual(1, len(self.bmc.inserted))

    def test_what_goes_in_at_a_reboot_waits_for_it(self):
        self.attach()
        path, = self.published()
        self.ask(apply='on_reboot')
        path.unlink()
        self.assertPhase(WAITING, self.run_once())
        self.assertPhase(ATTACHED, self.run_once(restarting=True))

    def test_the_file_of_a_conductor_that_is_alive_stays(self):
        self.attach()
        path, = self.published()
        path.rename(self.folder / 'elsewhere')
        with unittest.mock.patch.object(walls, 'status',
                                        return_value=200) as status:
            self.run_once()
        # It is this installation's own URL.
        status.assert_called_once_with('HEAD', self.bmc.inserted[0], None,
                                       timeout=5, verify=unittest.mock.ANY)
        self.assertPhase(ATTACHED)
        self.assertIn(path.name, self.bmc.inserted[0])

    def test_a_bmc_cannot_have_other_urls_asked_for(self):
        medium = media.Medium('a' * 32, media.Purpose.DATA,
                              media.Kind.FILE)
        with unittest.mock.patch.object(walls, 'status') as status:
            for url in ('http://169.254.169.254/latest',
                        f'http://x/{"b" * 32}-SECRET.iso',
                        f'file:///{"a" * 32}-SECRET.iso',
                        f'http://x/{"a" * 32}-SECRET.iso/../y'):
                self.assertTrue(data_image_source.is_readable(medium, url))
        status.assert_not_called()

    def test_a_bmc_leads_no_request_behind_the_fence(self):
        self.config(auth_strategy='keystone')
        asked = []
        service = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(service.close)
        service.settimeout(0.1)
        port = service.getsockname()[1]
        for host in ('127.0.0.1', 'localhost', '169.254.169.254'):
            self.assertFalse(data_image_source.is_readable(
                media.Medium('a' * 32, media.Purpose.DATA, media.Kind.FILE),
                f'http://{host}:{port}/{"a" * 32}-SECRET.iso'))
        with contextlib.suppress(TimeoutError):
            asked.append(service.accept())
        self.assertEqual([], asked)

    def test_a_stream_that_was_revoked_is_delivered_anew(self):
        self.config(delivery='stream', server_url='http://192.0.2.1:8092',
                    connection=f'sqlite:///{self.folder}/media.sqlite',
                    group='ext_media')
        media_delivery.known().upgrade()
        self.attach(files={'a': 'b'})
        first = self.record().medium
        self.run_once()
        self.assertEqual(first, self.record().medium)
        media_delivery.known().revoke(first.id)
        self.assertPhase(ATTACHED, self.run_once())
        self.assertNotEqual(first.id, self.record().medium.id)
        # Nobody needs anything but the database to serve it.
        row = media_delivery.known().get(self.record().medium.id)
        self.assertEqual(0, row.base.size)
        self.assertGreater(row.overlay_size, 0)

    def test_a_database_that_fails_is_no_reason_to_take_it_out(self):
        self.replace(media_delivery, 'known', unittest.mock.Mock(
            side_effect=media_records.RecordsError('it is down')))
        self.assertTrue(data_image_source.is_readable(
            media.Medium('a' * 32, media.Purpose.DATA, media.Kind.STREAM),
            'http://x/y'))
