# SPDX-License-Identifier: Apache-2.0

"""What of a plan a conductor insists on, and what it leaves out."""

import testtools

from ironic_ext.drivers.images import customised
from ironic_ext import iso
from ironic_ext.node import boot_plan
from tests import iso_cases
from tests import isos


def _plan(**facts: object) -> boot_plan.BootPlan:
    injection = iso.Injection(
        append_args='node=1', timeout=facts.pop('timeout', 5),
        default=facts.pop('default', ''))
    return boot_plan.BootPlan('file:///x.iso', None, injection, **facts)


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
