# SPDX-License-Identifier: Apache-2.0

"""Tests for the decisions on a data image."""

import testtools

from ironic_ext.data_image import reconcile
from ironic_ext.data_image import record
from ironic_ext.data_image import spec
from ironic_ext.media import medium as media

CD = frozenset([spec.Device.CDROM])
USB = frozenset([spec.Device.USB])
NONE = frozenset()


def slot(name, devices=CD, owner=reconcile.Owner.NOBODY):
    return reconcile.Slot(f'/v/{name}', devices, owner, f'"{name}.iso"')


def wish(**data):
    return spec.parse({'url': 'http://h/data.iso', **data},
                      spec.Limits(1000, 1000))


def medium(place='/v/Cd'):
    return media.Medium('a' * 32, media.Purpose.DATA, media.Kind.FILE,
                        slot=place)


def plan(wanted, *slots, instance=False, held=None, made_for=1, **machine):
    return reconcile.plan(
        record.Record(1, wanted, instance, held, made_for=made_for),
        reconcile.Machine(tuple(slots), **machine))


class AttachTestCase(testtools.TestCase):

    def test_a_free_cd_drive_is_taken(self):
        self.assertEqual(reconcile.Plan(insert=('/v/Cd',)),
                         plan(wish(), slot('Cd')))

    def test_a_cd_drive_is_preferred_to_a_usb_drive(self):
        self.assertEqual(
            ('/v/Cd', '/v/Usb'),
            plan(wish(), slot('Usb', USB), slot('Cd')).insert)

    def test_usb_is_used_when_the_boot_image_has_the_cd_drive(self):
        self.assertEqual(
            ('/v/Usb',),
            plan(wish(), slot('Cd', owner=reconcile.Owner.BOOT),
                 slot('Usb', USB)).insert)

    def test_a_drive_in_front_of_the_boot_images_comes_last(self):
        self.assertEqual(
            ('/v/Cd3', '/v/Usb', '/v/Cd'),
            plan(wish(), slot('Cd'), slot('Usb', USB),
                 slot('Cd2', owner=reconcile.Owner.BOOT),
                 slot('Cd3')).insert)

    def test_the_device_asked_for_is_the_only_one(self):
        slots = slot('Cd'), slot('Usb', USB)
        self.assertEqual(('/v/Usb',), plan(wish(device='usb'),
                                           *slots).insert)
        self.assertEqual(('/v/Cd',), plan(wish(device='cdrom'),
                                          *slots).insert)

    def test_with_one_drive_and_a_boot_image_it_waits_and_says_so(self):
        found = plan(wish(), slot('Cd', owner=reconcile.Owner.BOOT))
        self.assertEqual((), found.insert + found.eject)
        self.assertIn("slot Cd is the boot image's", found.wait)

    def test_a_medium_of_somebody_else_is_never_touched(self):
        found = plan(wish(), slot('Cd', owner=reconcile.Owner.OTHER))
        self.assertEqual((), found.insert + found.eject)
        self.assertIn('slot Cd holds "Cd.iso", which is not this data image',
                      found.wait)

    def test_a_machine_without_such_a_drive_is_told(self):
        self.assertIn('no virtual USB drive',
                      plan(wish(device='usb'), slot('Cd')).wait)
        self.assertIn('no virtual drive',
                      plan(wish(), slot('Floppy', NONE)).wait)

    def test_what_is_there_stays(self):
        found = plan(wish(), slot('Cd', owner=reconcile.Owner.OURS),
                     held=medium())
        self.assertEqual(reconcile.Plan(attached='/v/Cd'), found)

    def test_what_is_there_twice_is_taken_out_once(self):
        found = plan(wish(), slot('Cd', owner=reconcile.Owner.OURS),
                     slot('Usb', USB, reconcile.Owner.OURS), held=medium())
        self.assertEqual(reconcile.Plan(attached='/v/Cd', eject=('/v/Usb',)),
                         found)

    def test_what_was_ejected_goes_in_again_without_a_new_delivery(self):
        found = plan(wish(), slot('Cd'), held=medium())
        self.assertEqual(reconcile.Plan(insert=('/v/Cd',)), found)

    def test_another_image_takes_the_place_of_the_one_before(self):
        found = plan(wish(), slot('Cd', owner=reconcile.Owner.OURS),
                     held=medium(), made_for=0)
        self.assertEqual(reconcile.Plan(
            eject=('/v/Cd',), withdraw=True, insert=('/v/Cd',)), found)

    def test_a_change_of_device_moves_the_image(self):
        found = plan(wish(device='usb'),
                     slot('Cd', owner=reconcile.Owner.OURS),
                     slot('Usb', USB), held=medium())
        self.assertEqual((('/v/Cd',), ('/v/Usb',)),
                         (found.eject, found.insert))

    def test_in_between_states_are_waited_for(self):
        found = plan(wish(), slot('Cd'), may_change='it is being deployed')
        self.assertEqual(reconcile.Plan(wait='it is being deployed'), found)


class OnRebootTestCase(testtools.TestCase):

    def test_a_running_machine_is_left_alone_but_the_image_made_ready(self):
        found = plan(wish(apply='on_reboot'), slot('Cd'))
        self.assertEqual((), found.insert)
        self.assertTrue(found.deliver)
        self.assertIn('next started', found.wait)

    def test_it_goes_in_when_the_machine_starts(self):
        found = plan(wish(apply='on_reboot'), slot('Cd'), held=medium(),
                     restarting=True)
        self.assertEqual(reconcile.Plan(insert=('/v/Cd',)), found)

    def test_the_image_before_stays_until_then(self):
        old = slot('Cd', owner=reconcile.Owner.OURS)
        held = medium()
        found = plan(wish(apply='on_reboot'), old, held=held, made_for=0)
        self.assertEqual((), found.eject + found.insert)
        self.assertFalse(found.deliver)
        found = plan(wish(apply='on_reboot'), old, held=held, made_for=0,
                     restarting=True)
        self.assertEqual(('/v/Cd',), found.eject)

    def test_what_is_in_stays_in(self):
        found = plan(wish(apply='on_reboot'),
                     slot('Cd', owner=reconcile.Owner.OURS), held=medium())
        self.assertEqual('/v/Cd', found.attached)

    def test_what_was_ejected_waits_for_the_next_start(self):
        found = plan(wish(apply='on_reboot'), slot('Cd'), held=medium())
        self.assertEqual(((), False), (found.insert, found.deliver))
        self.assertIn('next started', found.wait)


class DetachTestCase(testtools.TestCase):

    def test_only_our_image_goes(self):
        found = plan(None, slot('Cd', owner=reconcile.Owner.BOOT),
                     slot('Usb', USB, reconcile.Owner.OURS),
                     slot('Cd2', owner=reconcile.Owner.OTHER), held=medium())
        self.assertEqual(reconcile.Plan(eject=('/v/Usb',), withdraw=True,
                                        forget=True), found)

    def test_an_image_that_is_gone_already_is_withdrawn(self):
        found = plan(None, slot('Cd'), held=medium())
        self.assertEqual(reconcile.Plan(withdraw=True, forget=True), found)

    def test_the_image_of_an_instance_goes_with_it(self):
        old = slot('Cd', owner=reconcile.Owner.OURS)
        found = plan(wish(), old, instance=True, held=medium(),
                     instance_gone=True, may_change='it is being cleaned')
        self.assertEqual(reconcile.Plan(eject=('/v/Cd',), withdraw=True,
                                        forget=True), found)

    def test_the_image_of_a_node_without_instance_stays(self):
        old = slot('Cd', owner=reconcile.Owner.OURS)
        found = plan(wish(), old, held=medium(), instance_gone=True)
        self.assertEqual('/v/Cd', found.attached)


class BackoffTestCase(testtools.TestCase):

    def test_it_doubles_up_to_a_ceiling(self):
        backoff = reconcile.Backoff(30, 3600, jitter=0)
        self.assertEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600],
                         [backoff.delay(n, 0.7) for n in range(1, 10)])
        self.assertEqual(3600, backoff.delay(10 ** 6, 0))

    def test_jitter_takes_off_up_to_its_part(self):
        backoff = reconcile.Backoff(60, 3600, jitter=0.5)
        self.assertEqual([60, 45, 30],
                         [backoff.delay(1, part) for part in (0, 0.5, 1)])
