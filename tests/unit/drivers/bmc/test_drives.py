# SPDX-License-Identifier: Apache-2.0

"""Tests for the drives of a machine: which there are, and which are of use."""

import sushy

from ironic_ext.drivers.bmc import drives
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc


class DiscsTestCase(base.DriverTestCase):

    def discs(self):
        with self.task() as task:
            return [slot.path for slot in drives.discs(task)]

    def refusal(self):
        return str(self.assertRaises(drives.MediaError, self.discs))

    def slots(self, *slots):
        self.bmc.slots = list(slots)
        return slots

    def test_a_slot_that_cannot_be_read_is_left_out(self):
        broken, good = self.slots(fake_bmc.Slot('Usb'), fake_bmc.Slot('Cd'))
        broken.broken = True
        with self.assertLogs('ironic_ext', 'WARNING'):
            self.assertEqual([good.path], self.discs())
        good.broken = True
        self.assertIn('cannot be read', self.refusal())

    def test_a_slot_for_its_vendor_alone_is_refused_beforehand(self):
        self.bmc.slots[0].json = {'Actions': {'Oem': {
            '#HuaweiVirtualMedia.VmmControl': {}}}}
        with self.task() as task:
            error = self.assertRaises(drives.MediaError, drives.discs, task)
        self.assertIn("Redfish's InsertMedia", str(error))

    def test_a_machine_without_a_disc_drive_is_told(self):
        self.slots(fake_bmc.Slot('F', [sushy.VIRTUAL_MEDIA_FLOPPY]))
        self.assertIn('no virtual CD or DVD drive', self.refusal())

    def test_a_dvd_drive_will_do_when_there_is_no_cd_drive(self):
        _floppy, dvd = self.slots(
            fake_bmc.Slot('F', [sushy.VIRTUAL_MEDIA_FLOPPY]),
            fake_bmc.Slot('D', [sushy.VIRTUAL_MEDIA_DVD]))
        self.assertEqual([dvd.path], self.discs())

    def test_slots_of_a_manager_are_used_when_the_system_has_none(self):
        class OldBmc(fake_bmc.Bmc):
            @property
            def virtual_media(self):
                raise sushy.exceptions.MissingAttributeError(
                    attribute='VirtualMedia', resource='/System')

        slot = fake_bmc.Slot()
        manager = fake_bmc.Bmc(slot)
        self.bmc = OldBmc.__new__(OldBmc)
        self.bmc.slots = []
        self.bmc.managers = [manager]
        self.assertEqual([slot.path], self.discs())
