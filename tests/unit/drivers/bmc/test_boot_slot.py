# SPDX-License-Identifier: Apache-2.0

"""Tests for the drive that boots where several have media: sushy's objects."""

import types
import unittest.mock

from ironic.drivers.modules.redfish import utils as redfish_utils
from sushy.resources.system import system as sushy_system

from ironic_ext.drivers.bmc import boot_slot
from ironic_ext.drivers.bmc import drives
from tests.unit.drivers import base
from tests.unit.drivers import fake_bmc

ID = '0123456789abcdef0123456789abcdef'
OURS = f'http://192.0.2.1/ext-media/{ID}-SECRET.iso'
FOREIGN = 'http://192.0.2.9/other.iso'
SYSTEM = '/redfish/v1/Systems/1'
MEDIA = f'{SYSTEM}/VirtualMedia'
OPTIONS = f'{SYSTEM}/BootOptions'


class Redfish:
    """Resources by path, as sushy's connector asks for them.

    :ivar deaf: takes changes and shows what it had.
    :ivar refusal: what a change raises.
    :ivar refuses: the target of the boot for which it does; None is any.
    """

    def __init__(self):
        self.patches = []
        self.deaf, self.refusal, self.refuses = False, None, None
        self.resources = {
            SYSTEM: {'Id': '1', 'Name': 'one', 'Links': {},
                     'VirtualMedia': {'@odata.id': MEDIA},
                     'Boot': {'BootSourceOverrideTarget': 'Cd',
                              'BootSourceOverrideEnabled': 'Once'}}}
        self.collect(MEDIA)
        self.collect(OPTIONS)

    def collect(self, path, *names):
        self.resources[path] = {'Name': path, 'Members': [
            {'@odata.id': f'{path}/{name}'} for name in names]}

    def drives(self, **media):
        self.collect(MEDIA, *media)
        for name, image in media.items():
            self.resources[f'{MEDIA}/{name}'] = {
                'Id': name, 'Name': f'Virtual {name}', 'Image': image,
                'Inserted': image is not None,
                'MediaTypes': ['USBStick' if name == 'Usb' else 'CD']}

    def offers(self, targets, paths=None, **options):
        """Offer targets of boots, and boot options: name -> more of it."""
        boot = self.resources[SYSTEM]['Boot']
        boot['BootOptions'] = {'@odata.id': OPTIONS}
        boot['BootSourceOverrideTarget@Redfish.AllowableValues'] = targets
        if paths is not None:
            boot['UefiTargetBootSourceOverride@Redfish.AllowableValues'] = (
                paths)
        self.collect(OPTIONS, *options)
        for name, more in options.items():
            self.resources[f'{OPTIONS}/{name}'] = {
                'Id': name, 'Name': name, 'BootOptionReference': name,
                'UefiDevicePath': f'Usb({name})', **more}

    @property
    def boot(self):
        return self.resources[SYSTEM]['Boot']

    def get(self, path='', **_options):
        return types.SimpleNamespace(
            json=lambda: self.resources[path], content=b'{}',
            headers={'ETag': '"e"'},
            status_code=200)

    def patch(self, path, data, etag=None, **_options):
        self.patches.append((path, data, etag))
        if self.refusal and self.refuses in (
                None, data['Boot']['BootSourceOverrideTarget']):
            raise self.refusal
        if not self.deaf:
            self.resources[path] = {**self.resources[path], 'Boot': {
                **self.boot, **data['Boot']}}


def about(name):
    return {'RelatedItem': [{'@odata.id': f'{MEDIA}/{name}'}]}


class BootSlotTestCase(base.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.redfish = Redfish()
        self.redfish.drives(Cd=FOREIGN, Cd2=OURS)
        self.replace(redfish_utils, 'get_system', lambda node: (
            sushy_system.System(self.redfish, SYSTEM)))

    def require(self, stays=False):
        with self.task() as task:
            boot_slot.require(task, [base.medium(ID)], stays=stays)

    def refusal(self, **options):
        return str(self.assertRaises(drives.MediaError, self.require,
                                     **options))

    def foresee(self, stays=False, **media):
        """Validate with these media; Cd is for its vendor alone."""
        self.redfish.drives(**media)
        self.redfish.resources[f'{MEDIA}/Cd']['Actions'] = {
            'Oem': {'#HuaweiVirtualMedia.VmmControl': {}}}
        with self.task() as task:
            boot_slot.foresee(task, drives.drives(task), stays=stays)

    def test_a_drive_that_nobody_can_empty_is_foreseen(self):
        message = str(self.assertRaises(
            drives.MediaError, self.foresee, Cd=FOREIGN, Cd2=None))
        self.assertIn(f'"{FOREIGN}" in slot Cd, in front of its boot medium '
                      'in slot Cd2', message)
        self.redfish.offers(['UefiBootNext'], Boot0002=about('Cd2'))
        self.assertIn('a boot option that stays', str(self.assertRaises(
            drives.MediaError, self.foresee, stays=True, Cd=FOREIGN,
            Cd2=None)))
        self.foresee(Cd=FOREIGN, Cd2=None)
        self.assertEqual([], self.redfish.patches)

    def test_what_will_be_taken_out_or_lies_behind_is_no_obstacle(self):
        self.foresee(Cd=None, Cd2=FOREIGN)
        self.foresee(Cd2=None, Cd=FOREIGN)

    def chosen(self):
        with self.task() as task:
            slot = boot_slot.chosen(task)
            return slot and slot.identity

    def test_one_medium_needs_no_choice(self):
        self.redfish.drives(Cd=None, Cd2=OURS)
        self.require()
        self.assertEqual([], self.redfish.patches)

    def test_what_lies_behind_it_is_in_nobodys_way(self):
        self.redfish.drives(Usb=FOREIGN, Cd=OURS, Cd2=FOREIGN)
        self.require()
        self.assertEqual([], self.redfish.patches)

    def test_without_a_choice_both_drives_are_named(self):
        message = self.refusal()
        self.assertIn(f'"{FOREIGN}" in slot Cd, in front of its boot medium '
                      'in slot Cd2', message)
        self.assertIn('Eject what is in slot Cd', message)
        self.assertEqual([], self.redfish.patches)

    def test_the_boot_option_related_to_the_drive_is_told(self):
        self.redfish.offers(['Cd', 'UefiTarget'], Boot0001=about('Cd'),
                            Boot0002=about('Cd2'))
        self.require()
        self.assertEqual([(SYSTEM, {'Boot': {
            'BootSourceOverrideTarget': 'UefiTarget',
            'UefiTargetBootSourceOverride': 'Usb(Boot0002)',
            'BootSourceOverrideEnabled': 'Once'}}, '"e"')],
            self.redfish.patches)
        self.assertEqual('Cd2', self.chosen())

    def test_a_boot_option_may_have_the_name_of_the_drive(self):
        self.redfish.offers(
            ['UefiTarget'],
            Boot0001={'DisplayName': 'UEFI: Virtual Cd 1.00'},
            Boot0002={'DisplayName': 'UEFI: Virtual Cd2 1.00'})
        self.require(stays=True)
        self.assertEqual(
            ('Usb(Boot0002)', 'Continuous'),
            (self.redfish.boot['UefiTargetBootSourceOverride'],
             self.redfish.boot['BootSourceOverrideEnabled']))

    def test_a_name_that_several_options_have_says_nothing(self):
        self.redfish.offers(
            ['UefiTarget'],
            Boot0001={'DisplayName': 'Virtual Cd and Virtual Cd2'},
            Boot0002={'DisplayName': 'Some Virtual Drive'})
        self.assertIn('shows no boot option of that drive', self.refusal())
        self.assertEqual([], self.redfish.patches)

    def test_boot_next_will_do_for_once_alone(self):
        self.redfish.offers(['Cd', 'UefiBootNext'], Boot0002=about('Cd2'))
        self.assertIn('a boot option that stays', self.refusal(stays=True))
        self.require()
        self.assertEqual(('UefiBootNext', 'Boot0002'), (
            self.redfish.boot['BootSourceOverrideTarget'],
            self.redfish.boot['BootNext']))
        self.assertEqual('Cd2', self.chosen())

    def test_a_device_path_that_is_not_offered_is_not_written(self):
        self.redfish.offers(['UefiTarget'], paths=['Usb(Boot0001)'],
                            Boot0002=about('Cd2'))
        self.assertIn('cannot be told a boot option', self.refusal())
        self.assertEqual([], self.redfish.patches)

    def test_what_the_bmc_refuses_is_told(self):
        # "Continuous" is none of UEFI's own.
        self.redfish.offers(['UefiTarget'], Boot0002=about('Cd2'))
        self.redfish.refusal = fake_bmc.http_error(
            400, 'Continuous is not supported')
        self.assertIn('Continuous is not supported',
                      self.refusal(stays=True))

    def test_what_is_refused_one_way_is_tried_the_other(self):
        self.redfish.offers(['UefiTarget', 'UefiBootNext'],
                            Boot0002=about('Cd2'))
        self.redfish.refusal = fake_bmc.http_error(400, 'no')
        self.redfish.refuses = 'UefiTarget'
        self.require()
        self.assertEqual('Cd2', self.chosen())

    def test_what_the_bmc_does_not_show_is_not_believed(self):
        self.redfish.offers(['UefiTarget'], Boot0002=about('Cd2'))
        self.redfish.deaf = True
        self.assertIn('does not show it', self.refusal())

    def test_no_more_boot_options_are_read_than_a_menu_has(self):
        self.redfish.offers(['UefiTarget'], **{
            f'Boot{number:04}': about('Cd2' if number == 99 else 'Cd')
            for number in range(100)})
        with unittest.mock.patch.object(
                self.redfish, 'get', wraps=self.redfish.get) as get:
            self.refusal()
        self.assertLess(get.call_count, 80)
