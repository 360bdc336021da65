# SPDX-License-Identifier: Apache-2.0

"""Partition tables: where one more has room."""

import testtools

from ironic_ext import iso
from ironic_ext.iso import partitions
from tests import isos


class FreeTest(testtools.TestCase):

    def free(self, kind: str) -> list[tuple[str, int]]:
        with iso.IsoImage.open(isos.shared(kind)) as image:
            return partitions.free(image.tables)

    def test_each_table_that_a_system_may_read_has_the_next(self) -> None:
        self.assertEqual([('gpt', 3), ('mbr', 3)], self.free('hybrid'))
        self.assertEqual([('mbr', 2)], self.free('isolinux_bios'))

    def test_a_protective_mbr_gets_none(self) -> None:
        self.assertEqual([('gpt', 4)], self.free('lorax_like'))

    def test_without_a_table_there_is_no_room(self) -> None:
        self.assertEqual([], self.free('grub_bios'))

    def test_a_full_table_has_no_room(self) -> None:
        full = partitions.Tables(bytes(512), None, tuple(
            partitions.Partition('mbr', number, 0, 512, '0x17', False)
            for number in range(1, 5)))
        self.assertEqual([], partitions.free(full))
        self.assertEqual(([], b''), partitions.grown(full, 512, {}))
