# SPDX-License-Identifier: Apache-2.0

"""What an inspection says of every kind of image."""

import testtools
from testtools import matchers

from ironic_ext import iso
from tests import isos


class InspectionTest(testtools.TestCase):

    def _inspect(self, name: str) -> iso.Inspection:
        with iso.IsoImage.open(isos.shared(name)) as image:
            return iso.inspect(image)

    def test_configurations_are_found_where_the_image_has_them(
            self) -> None:
        for kind in isos.BUILDERS:
            with self.subTest(kind.name):
                seen = self._inspect(kind.name)
                found = {(c.where, c.path) for c in seen.configs
                         if c.entries}
                self.assertEqual(
                    {('iso', path) for path in kind.configs}
                    | {('esp', path) for path in kind.esp_configs}, found)

    def test_it_says_what_cannot_be_injected_and_why(self) -> None:
        seen = self._inspect('plain_rr_joliet')
        self.assertEqual(('files',), seen.can)
        self.assertEqual({'kernel_arguments', 'initrd_files'},
                         set(seen.cannot))
        self.assertEqual((), self._inspect('udf_bridge').can)
        self.assertEqual({}, self._inspect('hybrid').cannot)

    def test_boot_loaders_are_named_by_firmware(self) -> None:
        self.assertEqual(
            {('bios', 'ISOLINUX'), ('uefi', 'GRUB')},
            {(one.firmware, one.name)
             for one in self._inspect('hybrid').loaders})

    def test_kernels_and_arguments_are_listed(self) -> None:
        seen = self._inspect('hybrid')
        self.assertThat(seen.kernels, matchers.Not(matchers.HasLength(0)))
        self.assertIn('quiet', {
            word for config in seen.configs for entry in config.entries
            for word in entry.arguments})
