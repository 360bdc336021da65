# SPDX-License-Identifier: Apache-2.0

"""Config drives beside the boot medium, for ISOs that cannot tell of them."""

import shutil
import time
import unittest.mock

from ironic.common import states

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import config_medium
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.boot import lost
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext import iso
from ironic_ext.media import medium as media
from ironic_ext.node import boot_state
from tests.unit.drivers import base
from tests.unit.drivers.data_image import base as data_image_base
from tests.unit.drivers import fake_bmc

_DRIVE = {'meta_data': {'hostname': 'one'}, 'user_data': '#cloud-config\n'}


class ConfigMediumTestCase(base.RedfishIsoTestCase):

    def setUp(self):
        super().setUp()
        # No loader in it takes arguments.
        shutil.copyfile(self.isos['plain_rr_joliet'], self.base)
        self.say(boot_iso=self.href, configdrive=_DRIVE)
        self.cd, self.cd2, self.usb = self.bmc.slots = [
            fake_bmc.Slot('Cd'), fake_bmc.Slot('Cd2'),
            data_image_base.usb_slot()]

    def deploy(self, **info):
        self.be(states.DEPLOYING)
        self.say(**info)
        self.call('prepare_instance')
        self.be(states.ACTIVE)

    def look(self):
        with self.task(shared=True) as task:
            lost.keep(task, task.driver.boot._set_boot_device)
        self.node.refresh()

    def drive(self):
        return config_medium.of(self.node)

    def label(self, slot):
        """Return the label of what is in a slot."""
        path = self.published()[0].with_name(slot.medium.rpartition('/')[2])
        with iso.IsoImage.open(path) as image:
            return image.label

    def test_it_is_a_stick_with_the_label_that_cloud_init_looks_for(self):
        self.deploy()
        self.assertIsNotNone(self.cd.medium)
        self.assertIsNone(self.cd2.medium)
        self.assertTrue(self.usb.medium.endswith('.img'))
        self.assertEqual('config-2', self.label(self.usb))
        (medium,) = self.drive()
        self.assertEqual(self.usb.path, medium.slot)

    def test_it_is_a_cd_behind_the_boot_medium(self):
        self.bmc.slots.remove(self.usb)
        self.deploy()
        self.assertEqual('config-2', self.label(self.cd2))
        self.assertNotEqual('config-2', self.label(self.cd))

    def test_none_lies_in_front_of_the_boot_medium(self):
        self.bmc.slots.remove(self.usb)
        self.cd.deaf = True
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.deploy()
        self.assertIn('no second virtual drive', ''.join(logs.output))
        self.assertIsNone(self.cd.medium)
        self.assertEqual([], self.drive())

    def test_an_iso_that_tells_of_its_own_needs_none(self):
        for name, kind, drive in (('a', 'hybrid', _DRIVE),
                                  ('b', 'plain_rr_joliet', None)):
            path = self.images / f'{name}.iso'
            shutil.copyfile(self.isos[kind], path)
            self.deploy(boot_iso=f'file://{path}', configdrive=drive)
            self.assertEqual(1, len(self.bmc.inserted), name)

    def test_one_slot_is_enough_to_boot(self):
        self.bmc.slots[1:] = []
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.deploy()
        self.assertIn('no second virtual drive', ''.join(logs.output))
        self.assertEqual(1, len(self.bmc.inserted))
        self.assertEqual(1, len(self.records()))

    def test_a_drive_that_refuses_it_is_no_reason_not_to_boot(self):
        self.bmc.slots.remove(self.cd2)
        self.usb.failures = [fake_bmc.http_error(400)]
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.deploy()
        self.assertIn('could not be put into', ''.join(logs.output))
        self.assertEqual([self.cd.medium], self.bmc.inserted)
        self.assertEqual((1, 1), (len(self.published()),
                                  len(self.records())))

    def test_files_that_make_no_image_are_no_reason_either(self):
        self.replace(config_medium.content, 'build').side_effect = ValueError
        self.deploy()
        self.assertEqual([self.cd.medium], self.bmc.inserted)
        self.assertEqual(1, len(self.records()))

    def test_it_ends_with_the_boot(self):
        ends = {
            'undeployment': lambda: self.call('clean_up_instance'),
            'report': lambda: self.call('end_boot',
                                        boot_state.Cause.EJECT),
            'interface': self.leave}
        for name, end in ends.items():
            self.deploy()
            self.assertEqual(2, len(self.bmc.inserted), name)
            end()
            self.assertClean()
            self.node.boot_interface = 'redfish-iso'
            self.store()

    def leave(self):
        self.node.boot_interface = 'redfish-virtual-media'
        self.store()
        leaving.end_left(self.node.uuid)
        self.node.refresh()

    def test_it_goes_with_its_node(self):
        self.deploy()
        with (unittest.mock.patch.object(
                queue, 'conductors_own', lambda: unittest.mock.Mock(
                    await_work=lambda work: work())), self.task() as task):
            task.node.destroy()
        self.assertEqual(([], []), (self.bmc.inserted, self.published()))

    def test_a_rebuild_makes_it_anew(self):
        self.deploy()
        before = self.usb.medium
        self.deploy()
        self.assertNotEqual(before, self.usb.medium)
        # One of them has another name for removable disks as well.
        self.assertEqual({row['id'] for row in self.records()}, {
            path.name.partition('-')[0] for path in self.published()})
        self.assertEqual(2, len(self.records()))

    def test_it_is_put_back(self):
        self.deploy()
        before, boot = self.usb.medium, self.cd.medium
        self.usb.put(None)
        with self.assertLogs('ironic_ext', 'WARNING') as logs:
            self.look()
        self.assertIn('config drive', ''.join(logs.output))
        self.assertEqual((before, boot), (self.usb.medium, self.cd.medium))
        self.assertEqual('', boot_record.load(self.node).error)

    def test_both_are_put_back(self):
        self.deploy()
        before = self.cd.medium, self.usb.medium
        self.cd.put(None)
        self.usb.put(None)
        self.look()
        self.assertEqual(before, (self.cd.medium, self.usb.medium))

    def test_what_cannot_be_put_back_is_on_record(self):
        self.deploy()
        self.usb.put('http://x/other.img')
        self.cd2.put('http://x/other.iso')
        self.look()
        state = boot_record.load(self.node)
        self.assertIn('config drive', state.error)
        self.assertFalse(state.lost_at)
        self.assertGreater(state.next_look, time.time())

    def test_a_data_image_that_waits_keeps_its_slot(self):
        self.config(enabled_management_interfaces=[
            'redfish', 'redfish-ext', 'idrac-redfish'])
        self.node.management_interface = 'redfish-ext'
        self.store()
        with unittest.mock.patch.object(
                config_medium.data_image_record, 'load', lambda node: 1):
            self.deploy()
        self.assertEqual([], self.drive())

    def test_it_is_of_its_own_purpose(self):
        self.deploy()
        self.assertEqual(
            [media.Purpose.INSTANCE, media.Purpose.CONFIG_DRIVE],
            [medium.purpose for medium in node_media.load(self.node)])
