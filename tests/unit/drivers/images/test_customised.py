# SPDX-License-Identifier: Apache-2.0

"""What of a plan a conductor insists on, and what it leaves out."""

import pathlib
import tempfile
import types

import testtools

from ironic_ext.drivers.images import customised
from ironic_ext import iso
from ironic_ext.node import boot_plan
from tests import iso_cases
from tests import isos

#: In an image: of the primary volume descriptor (ECMA-119, 8.4.20).
_PUBLISHER = slice(32768 + 318, 32768 + 446)


def _plan(**facts: object) -> boot_plan.BootPlan:
    injection = iso.Injection(
        append_args='node=1', timeout=facts.pop('timeout', 5),
        default=facts.pop('default', ''))
    return boot_plan.BootPlan('file:///x.iso', None, injection, **facts)


class PublisherTest(testtools.TestCase):
    """Ramdisks of ironic-python-agent-builder know their medium by it."""

    def arguments(self, publisher, **driver_info):
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder, 'agent.iso')
            data = bytearray(isos.shared('hybrid').read_bytes())
            data[_PUBLISHER] = publisher.ljust(128).encode()
            base.write_bytes(data)
            plan = boot_plan.for_agent(
                types.SimpleNamespace(driver_info={}, instance_info={}),
                'deploy_iso', f'file://{base}', {}, append_params='b=2',
                network_data=driver_info.get('network_data'), ca=None)
            made = pathlib.Path(folder, 'made.iso')
            with iso.IsoImage.open(base) as image:
                customised_image, _notes = customised.inject(image, plan)
                with customised_image:
                    customised_image.write(made)
            with iso.IsoImage.open(made) as image:
                return {argument for config in iso.inspect(image).configs
                        for entry in config.entries
                        for argument in entry.arguments}

    def test_it_is_told_where_there_are_network_data(self) -> None:
        told = 'ir_pub_id=2c5e-7f'
        self.assertIn(told, self.arguments('2c5e-7f', network_data={'a': 1}))
        self.assertNotIn(told, self.arguments('2c5e-7f'))

    def test_what_is_no_single_word_is_not_told(self) -> None:
        for publisher in ('', 'Debian Live', 'a"b', '$x'):
            self.assertNotIn('ir_pub_id', str(self.arguments(
                publisher, network_data={'a': 1})))


class DriveOnDisksTest(testtools.TestCase):

    def test_a_full_partition_table_is_told(self) -> None:
        plan = boot_plan.BootPlan('file:///x.iso', None, iso.Injection(
            files={'/openstack/latest/meta_data.json': b'{}'}))
        with tempfile.TemporaryDirectory() as folder:
            base = pathlib.Path(folder, 'full.iso')
            data = bytearray(isos.shared('isolinux_bios').read_bytes())
            for at in range(446 + 16, 510, 16):
                data[at:at + 16] = data[446:462]
                data[at] = 0
            for content, told in ((data, True), (
                    isos.shared('isolinux_bios').read_bytes(), False)):
                base.write_bytes(content)
                with iso.IsoImage.open(base) as image:
                    made, notes = customised.inject(image, plan)
                    made.close()
                self.assertEqual(told, 'table has no room' in str(notes))


class UnattendedTest(testtools.TestCase):

    def starts(self, base, plan):
        with iso.IsoImage.open(base) as image:
            made, warnings = customised.inject(image, plan)
            made.close()
        return {one.starts for one in made.arrivals}, warnings

    def test_a_wish_comes_true_where_it_can(self) -> None:
        found, warnings = self.starts(isos.shared('grub_bios'), _plan(
            firmware='bios', wishes_unattended=True))
        self.assertEqual(({'"Live system" after 5 s'}, ()),
                         (found, warnings))

    def test_a_wish_turns_no_menu_that_boots_the_disk_into_an_installer(
            self) -> None:
        found, warnings = self.starts(
            iso_cases.shared('waiting_menu'),
            _plan(firmware='bios', wishes_unattended=True))
        self.assertEqual(
            {'waits for a key; the default is "harddisk"'}, found)
        self.assertIn('may wait at it', warnings[0])
        self.assertIn('"harddisk", "linux"', warnings[0])

    def test_who_asks_for_it_gets_it_or_is_told(self) -> None:
        base = iso_cases.shared('waiting_menu')
        error = self.assertRaises(iso.InjectionError, self.starts, base,
                                  _plan(firmware='bios'))
        self.assertIn('name one of its entries: "harddisk", "linux"',
                      str(error))
        self.assertEqual(({'"linux" after 5 s'}, ()), self.starts(
            base, _plan(firmware='bios', default='linux')))

    def test_nothing_else_is_lost_with_a_wish(self) -> None:
        error = self.assertRaises(
            iso.InjectionError, self.starts, isos.shared('grub_bios'),
            _plan(firmware='uefi', wishes_unattended=True))
        self.assertIn('does not boot by uefi', str(error))
