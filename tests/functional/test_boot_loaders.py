# SPDX-License-Identifier: Apache-2.0

"""Real firmware, boot loaders and a kernel judge customised images."""

import pathlib

import fixtures
import testtools

from ironic_ext import iso
from tests import guest
from tests import isos

CACHE = pathlib.Path(__file__).parents[2] / '.cache'
FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}',
         '/openstack/latest/user_data': b'#cloud-config\n' * 9000}
#: A console is needed to see anything, so each report proves arguments.
ARGUMENTS = 'console=ttyS0 node=one'


class BootTest(testtools.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = fixtures.TempDir()
        cls.folder.setUp()
        cls.addClassCleanup(cls.folder.cleanUp)
        cls.kernel, cls.initrd = guest.make(
            pathlib.Path(cls.folder.path), CACHE)

    def _boots(self, kind: str, firmware: str, drive: str,
               devices: tuple[str, ...], arguments: str = ARGUMENTS,
               in_initrd: bool = True) -> None:
        """Build, inject, write, boot, and compare the report.

        :param devices: those on which the kernel must find the files.
        """
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        base = isos.KINDS[kind].build(folder, kernel=self.kernel,
                                      initrd=self.initrd)
        image = folder / 'customised.iso'
        with iso.IsoImage.open(base) as opened, iso.inject(
                opened, iso.Injection(
                    append_args=arguments, files=FILES,
                    initrd_files={'/injected': b'here'} if in_initrd
                    else {})) as customised:
            customised.write(image)
        report = guest.boot(image, firmware, drive)
        for word in arguments.split():
            self.assertIn(word, report.arguments)
        if in_initrd:
            self.assertEqual('here', report.initrd)
        for device in devices:
            self.assertEqual(guest.sums(FILES),
                             report.files.get(device), device)

    def test_isolinux_boots_from_a_cd(self) -> None:
        self._boots('isolinux_bios', 'bios', 'cd', ('sr0',))

    def test_isolinux_boots_from_a_disk(self) -> None:
        self._boots('isolinux_bios', 'bios', 'disk', ('sda', 'sda1'))

    def test_grub_boots_from_a_cd(self) -> None:
        self._boots('grub_bios', 'bios', 'cd', ('sr0',))

    def test_a_debian_like_image_boots_from_a_cd(self) -> None:
        self._boots('hybrid', 'bios', 'cd', ('sr0',))

    def test_a_debian_like_image_boots_with_uefi(self) -> None:
        self._boots('hybrid', 'uefi', 'cd', ('sr0',))

    def test_a_debian_like_image_boots_from_a_disk_with_uefi(self) -> None:
        self._boots('hybrid', 'uefi', 'disk', ('sda', 'sda1'))

    def test_a_fedora_like_image_boots_from_a_cd(self) -> None:
        self._boots('lorax_like', 'bios', 'cd', ('sr0',))

    def test_a_fedora_like_image_boots_with_uefi(self) -> None:
        self._boots('lorax_like', 'uefi', 'cd', ('sr0',))

    def test_a_fedora_like_image_boots_from_a_disk(self) -> None:
        self._boots('lorax_like', 'bios', 'disk', ('sda', 'sda1'))

    def test_a_fedora_like_image_boots_from_a_disk_with_uefi(self) -> None:
        self._boots('lorax_like', 'uefi', 'disk', ('sda', 'sda1'))

    def test_an_ubuntu_like_image_boots_with_uefi(self) -> None:
        self._boots('ubuntu_like', 'uefi', 'cd', ('sr0',))

    def test_a_coreos_like_image_boots_with_uefi(self) -> None:
        self._boots('coreos_like', 'uefi', 'cd', ('sr0',))

    def test_systemd_boot_boots_from_a_cd(self) -> None:
        self._boots('systemd_boot', 'uefi', 'cd', ('sr0',),
                    in_initrd=False)

    def test_an_esp_that_had_to_grow_boots(self) -> None:
        self._boots('esp_full', 'uefi', 'cd', ('sr0',),
                    ARGUMENTS + ' long=' + 'x' * 1500)

    def test_arguments_with_special_characters_reach_the_kernel(
            self) -> None:
        for kind in ('isolinux_bios', 'grub_bios'):
            self._boots(kind, 'bios', 'cd', (),
                        ARGUMENTS + ' a;b=$c ks=cdrom:/x{1}', False)
