# SPDX-License-Identifier: Apache-2.0

"""Loaders are told from one another by what is in them."""

import pathlib

import testtools

from ironic_ext.iso.loaders import binary
from ironic_ext.iso.loaders import files
from tests import iso_parts

_PATH = '/EFI/BOOT/BOOTX64.EFI'
_OWN_NAME = b'#### LoaderInfo: systemd-boot'


class BinaryTest(testtools.TestCase):

    def named(self, data: bytes) -> str:
        return binary.of_efi(files.MemoryFiles({_PATH: data}), _PATH,
                             None).name

    def loader(self, path: pathlib.Path) -> bytes:
        if not path.exists():
            self.skipTest(f'{path} is not installed')
        return path.read_bytes()

    def test_systemd_boot_says_its_name(self) -> None:
        self.assertEqual('systemd-boot',
                         self.named(self.loader(iso_parts.SYSTEMD_BOOT)))

    def test_a_name_counts_before_those_of_others(self) -> None:
        # rEFInd 0.13.2 has names of what it looks for.
        plain = self.loader(iso_parts.SYSTEMD_BOOT)
        self.assertIn(_OWN_NAME, plain)
        for name, mark in (('rEFInd', 'rEFInd'.encode('utf-16-le')),
                           ('Limine', b'Limine 5.2')):
            self.assertEqual(name, self.named(plain.replace(
                _OWN_NAME, (mark + b' SYSLINUX GRUB').ljust(
                    len(_OWN_NAME)))))

    def test_what_has_no_name_is_unknown(self) -> None:
        self.assertEqual('unknown', self.named(b'MZ'))
