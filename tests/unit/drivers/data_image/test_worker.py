# SPDX-License-Identifier: Apache-2.0

"""Tests for data images, from what is asked for to what the BMC shows."""

import unittest.mock

from ironic.common import states
from ironic.conductor import task_manager
import sushy

from ironic_ext.data_image import record as records
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.data_image import source as data_image_source
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext import iso
from tests.unit.drivers.data_image import base
from tests.unit.drivers import fake_bmc

ATTACHED = records.Phase.ATTACHED
FAILED = records.Phase.FAILED
WAITING = records.Phase.WAITING
DETACHED = records.Phase.DETACHED


class AttachTestCase(base.DataImageTestCase):

    def test_an_image_is_published_and_inserted(self):
        status = self.attach()
        self.assertPhase(ATTACHED)
        path, = self.published()
        self.assertEqual(self.iso.read_bytes(), path.read_bytes())
        url, = self.bmc.inserted
        self.assertIn(path.name, url)
        self.assertEqual('Cd', status['slot'])
        self.assertEqual('cdrom', status['device'])
        self.assertIs(True, status['inserted'])
        self.assertEqual(f'file://{self.iso}',
                         status['attached_image']['url'])
        self.assertEqual(self.iso.stat().st_size,
                         status['attached_image']['size'])
        self.assertIn('sha256:', status['attached_image']['digest'])

    def test_files_become_an_iso(self):
        self.attach(label='cidata', files={'user-data': '#cloud-config'})
        self.assertPhase(ATTACHED)
        path, = self.published()
        with iso.IsoImage.open(path) as image:
            self.assertEqual('cidata', image.volume_id)
            self.assertEqual(b'#cloud-config', image.read_file('/user-data'))

    def test_the_boot_device_and_the_power_are_not_touched(self):
        self.attach()
        self.detach()
        self.boot_device.assert_not_called()
        self.power.assert_not_called()

    def test_a_second_look_changes_nothing(self):
        self.attach()
        calls = len(self.bmc.calls)
        before = self.node.updated_at
        self.run_once()
        self.assertEqual(calls, len(self.bmc.calls))
        self.assertEqual(before, self.node.updated_at)

    def test_a_look_takes_no_lock(self):
        self.attach()
        with unittest.mock.patch.object(
                task_manager.TaskManager, 'upgrade_lock') as upgrade:
            self.run_once()
        upgrade.assert_not_called()

    def test_a_download_takes_no_lock_either(self):
        self.ask()
        locked = []
        fetched = data_image_source.fetched

        def watched(task, spec):
            locked.append(not task.shared)
            return fetched(task, spec)

        self.replace(data_image_source, 'fetched', watched)
        self.run_once()
        self.assertPhase(ATTACHED)
        self.assertEqual([False], locked)

    def test_a_wish_that_changed_meanwhile_is_met_by_the_next_look(self):
        self.ask()
        fetched = data_image_source.fetched

        def overtaken(task, spec):
            data_images.data_image_record.save(
                self.node, self.record().ask(None, True))
            return fetched(task, spec)

        with unittest.mock.patch.object(data_image_source, 'fetched',
                                        overtaken):
            self.run_once()
        self.assertEqual([], self.bmc.calls)
        self.run_once()
        self.assertPhase(DETACHED)

    def test_what_is_ejected_behind_our_back_goes_in_again(self):
        self.attach()
        path, = self.published()
        self.bmc.slots[0].medium = None
        self.bmc.slots[0].refresh()
        self.run_once()
        self.assertPhase(ATTACHED)
        self.assertEqual(1, len(self.bmc.inserted))
        self.assertEqual([path], self.published())

    def test_what_another_conductor_published_is_published_again(self):
        self.attach()
        path, = self.published()
        path.unlink()
        self.bmc.slots[0].medium = None
        self.bmc.slots[0].refresh()
        self.run_once()
        self.assertPhase(ATTACHED)
        new, = self.published()
        self.assertIn(new.name, self.bmc.inserted[0])

    def test_another_image_takes_the_place_of_the_one_before(self):
        self.attach()
        old, = self.published()
        self.attach(url=self.write(self.images / 'new.iso', new=b'2'))
        self.assertPhase(ATTACHED)
        new, = self.published()
        self.assertNotEqual(old, new)
        self.assertEqual(1, len(self.bmc.inserted))
        self.assertIn(new.name, self.bmc.inserted[0])

    def test_the_same_once_more_is_not_inserted_again(self):
        self.attach()
        calls = len(self.bmc.calls)
        self.attach()
        self.assertPhase(ATTACHED)
        self.assertEqual(calls, len(self.bmc.calls))

    def test_an_image_that_waits_for_the_machine_goes_in_at_its_start(self):
        status = self.attach(apply='on_reboot')
        self.assertPhase(WAITING, status)
        self.assertIn('next started', status['reason'])
        self.assertEqual([], self.bmc.calls)
        # Ready by then.
        self.assertEqual(1, len(self.published()))
        self.assertPhase(ATTACHED, self.run_once(restarting=True))

    def test_a_machine_that_is_off_need_not_be_waited_for(self):
        self.node.power_state = states.POWER_OFF
        self.store()
        self.assertPhase(ATTACHED, self.attach(apply='on_reboot'))


class SlotTestCase(base.DataImageTestCase):

    def test_a_free_cd_drive_beside_the_boot_image_is_used(self):
        boot, free = fake_bmc.Slot('1'), fake_bmc.Slot('2')
        self.bmc.slots = [boot, free]
        self.boot_from(boot)
        self.assertEqual('2', self.attach()['slot'])
        self.assertEqual([], boot.calls)

    def test_usb_is_used_when_the_boot_image_has_the_cd_drive(self):
        self.bmc.slots.append(base.usb_slot())
        self.boot_from(self.bmc.slots[0])
        status = self.attach()
        self.assertEqual(('Usb', 'usb'), (status['slot'], status['device']))

    def test_with_one_drive_it_waits_until_the_boot_image_is_gone(self):
        slot = self.bmc.slots[0]
        self.boot_from(slot)
        status = self.attach()
        self.assertPhase(WAITING, status)
        self.assertIn("slot Cd is the boot image's", status['reason'])
        self.assertEqual([], slot.calls)
        self.assertEqual([], self.published())
        slot.put(None)
        # Its place is kept while it is on record.
        self.assertPhase(WAITING, self.run_once())
        self.node.del_driver_internal_info('ext_media')
        self.store()
        self.assertPhase(ATTACHED, self.run_once())

    def test_a_medium_of_somebody_else_stays_and_is_named_redacted(self):
        self.bmc.slots[0].put(base.FOREIGN)
        status = self.attach()
        self.assertPhase(WAITING, status)
        self.assertIn('http://192.0.2.9/rescue.iso', status['reason'])
        self.assertNotIn('hunter2', status['reason'])
        self.assertNotIn('TOP', status['reason'])
        self.assertEqual([], self.bmc.calls)

    def test_a_medium_that_appears_while_we_look_is_not_ejected(self):
        self.ask()
        slot = self.bmc.slots[0]
        fetched = data_image_source.fetched

        def meanwhile(task, spec):
            slot.put(base.FOREIGN)
            return fetched(task, spec)

        self.replace(data_image_source, 'fetched', meanwhile)
        status = self.run_once()
        self.assertIn('it holds', status['error']['message'])
        self.assertEqual([], slot.calls)

    def test_a_boot_image_takes_the_slot_of_a_data_image_last(self):
        first, second = fake_bmc.Slot('1'), fake_bmc.Slot('2')
        self.bmc.slots = [first, second]
        self.attach()
        with self.task() as task:
            path = insertion.insert(
                task, base.BOOT_URL, base.BOOT_MEDIUM)
        self.assertEqual(second.path, path)

    def test_a_boot_image_prefers_it_to_somebodys_medium(self):
        first, second = fake_bmc.Slot('1'), fake_bmc.Slot('2')
        self.bmc.slots = [first, second]
        first.put(base.FOREIGN)
        self.attach()
        with self.task() as task:
            path = insertion.insert(
                task, base.BOOT_URL, base.BOOT_MEDIUM)
        self.assertEqual(second.path, path)
        self.assertEqual(base.FOREIGN, first.medium)

    def test_detaching_leaves_every_other_medium(self):
        boot, ours, other = (fake_bmc.Slot(name) for name in '123')
        self.bmc.slots = [boot, ours, other]
        self.boot_from(boot)
        other.put(base.FOREIGN)
        self.assertEqual('2', self.attach()['slot'])
        self.assertPhase(DETACHED, self.detach())
        self.assertEqual([base.BOOT_URL,
                          base.FOREIGN], self.bmc.inserted)


class DetachTestCase(base.DataImageTestCase):

    def test_nothing_is_left(self):
        self.attach()
        self.detach()
        self.assertPhase(DETACHED)
        self.assertClean()
        self.assertIsNone(self.record())

    def assertClean(self):
        self.assertEqual(([], []), (self.bmc.inserted, self.published()))

    def test_without_a_data_image_it_is_no_error(self):
        self.assertPhase(DETACHED, self.detach())

    def test_the_copy_goes_even_if_the_bmc_cannot_be_reached(self):
        self.attach()

        def fail(node):
            raise sushy.exceptions.ConnectionError(url='https://bmc',
                                                   error='no route')

        with unittest.mock.patch.object(drives.redfish_utils,
                                        'get_system', fail):
            status = self.detach()
        self.assertPhase(FAILED, status)
        self.assertIn('no route', status['error']['message'])
        self.assertEqual([], self.published())
        # What it is recognised by is still known.
        self.run_once()
        self.assertClean()
        self.assertIsNone(self.record())

    def test_a_medium_that_does_not_come_out_is_told(self):
        self.attach()
        self.bmc.slots[0].stuck = True
        status = self.detach()
        self.assertPhase(FAILED, status)
        self.assertIn('still has', status['error']['message'])

    def test_the_image_of_an_instance_goes_with_it(self):
        self.attach()
        for state in (states.CLEANWAIT, states.AVAILABLE):
            self.be(state)
            self.run_once()
            self.assertClean()
            self.assertIsNone(self.record())

    def test_a_rebuild_keeps_it(self):
        self.say(boot_iso=f'file://{self.iso}')
        self.attach()
        self.be(states.DEPLOYING)
        self.call('clean_up_instance')
        self.run_once()
        self.assertEqual(1, len(self.bmc.inserted))

    def test_the_image_of_a_node_without_instance_stays(self):
        self.be(states.MANAGEABLE)
        self.attach()
        self.be(states.AVAILABLE)
        self.run_once()
        self.assertPhase(ATTACHED)
        with self.task() as task:
            data_images.end_instance(task)
        self.assertEqual(1, len(self.bmc.inserted))
