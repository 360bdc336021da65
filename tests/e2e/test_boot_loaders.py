# SPDX-License-Identifier: Apache-2.0

"""Real firmware, boot loaders and a kernel judge customised images.

A machine boots once for a loader, a firmware and a drive, with all that can
be put into an image: arguments, files, a config.
"""

import pathlib

import fixtures
import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext import iso
from tests import guest
from tests import isos

CACHE = pathlib.Path(__file__).parents[2] / '.cache'
FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}',
         '/openstack/latest/user_data': b'#cloud-config\n' * 9000}
#: A console is needed to see anything, so each report proves arguments.
ARGUMENTS = f'{guest.ARGUMENTS} node=one'
SPECIAL = ' a;b=$c ks=cdrom:/x{1}'
_IGNITION = '{"ignition": {"version": "3.4.0"}}'
_PRESEED = 'd-i debian-installer/locale string en_US\n'


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
               in_initrd: bool = True,
               config: config_formats.Config | None = None,
               in_medium: dict[str, str] | None = None,
               in_root: dict[str, str] | None = None) -> guest.Report:
        """Build, inject, write, boot, compare and return the report.

        :param devices: those on which the kernel must find the files.
        :param config: a boot config, to be placed by its format.
        :param in_medium: files of the config that must be on the medium.
        :param in_root: those that must be in the initrd.
        """
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        base = isos.KINDS[kind].build(folder, kernel=self.kernel,
                                      initrd=self.initrd)
        image = folder / 'customised.iso'
        injection = iso.Injection(
            append_args=arguments, files=FILES,
            initrd_files={'/injected': b'here'} if in_initrd else {})
        with iso.IsoImage.open(base) as opened:
            if config is not None:
                placed = config.place(config_formats.ImageFacts.of(opened))
                arguments += f' {placed.arguments}'
                injection = placed.onto(injection)
            with iso.inject(opened, injection) as customised:
                customised.write(image)
        report = guest.boot(image, firmware, drive)
        for word in arguments.split():
            self.assertIn(word, report.arguments)
        if in_initrd:
            self.assertEqual('here', report.initrd)
        on_medium = {**guest.sums(FILES), **_sums(in_medium)}
        for device in devices:
            self.assertEqual(on_medium, report.files.get(device), device)
        self.assertEqual(_sums(in_root), report.files.get('initrd', {}))
        return report

    def test_isolinux_boots_from_a_cd_with_a_preseed_file(self) -> None:
        self._boots('isolinux_bios', 'bios', 'cd', ('sr0',),
                    ARGUMENTS + SPECIAL,
                    config=_config('preseed', {'preseed.cfg': _PRESEED}),
                    in_root={'/preseed.cfg': _PRESEED})

    def test_isolinux_boots_from_a_disk(self) -> None:
        self._boots('isolinux_bios', 'bios', 'disk', ('sda', 'sda1'))

    def test_grub_boots_from_a_cd_with_an_ignition_config(self) -> None:
        self._boots('grub_bios', 'bios', 'cd', ('sr0',),
                    ARGUMENTS + SPECIAL,
                    config=_config('ignition', {'config.ign': _IGNITION}),
                    in_root={'/config.ign': _IGNITION,
                             '/usr/lib/ignition/user.ign': _IGNITION})

    def test_a_debian_like_image_boots_from_a_disk_with_uefi(self) -> None:
        self._boots('hybrid', 'uefi', 'disk', ('sda', 'sda1'))

    def test_a_fedora_like_image_boots_from_a_cd(self) -> None:
        self._boots('lorax_like', 'bios', 'cd', ('sr0',))

    def test_a_fedora_like_image_boots_with_uefi_and_a_kickstart_template(
            self) -> None:
        self._boots('lorax_like', 'uefi', 'cd', ('sr0',),
                    config=_config(
                        'kickstart',
                        {'a': 'network --hostname {{ node.name }}\n'},
                        template=True),
                    in_medium={'ks.cfg': 'network --hostname server1\n'})

    def test_a_fedora_like_image_boots_from_a_disk(self) -> None:
        self._boots('lorax_like', 'bios', 'disk', ('sda', 'sda1'))

    def test_a_fedora_like_image_boots_from_a_disk_with_uefi(self) -> None:
        self._boots('lorax_like', 'uefi', 'disk', ('sda', 'sda1'))

    def test_an_ubuntu_like_image_boots_with_uefi_and_an_autoinstall_seed(
            self) -> None:
        config = _config('autoinstall', {
            'user-data': '#cloud-config\nautoinstall: {version: 1}\n'})
        report = self._boots(
            'ubuntu_like', 'uefi', 'cd', ('sr0',), config=config,
            in_medium={f'nocloud/{path}': text
                       for path, text in config.files.items()})
        # GRUB ends a command at a semicolon.
        self.assertIn('ds=nocloud;s=/cdrom/nocloud/', report.arguments)

    def test_a_coreos_like_image_boots_with_uefi(self) -> None:
        self._boots('coreos_like', 'uefi', 'cd', ('sr0',))

    def test_a_kernel_unpacks_coreos_ignition_area(self) -> None:
        self._boots('coreos_like', 'bios', 'cd', ('sr0',),
                    config=_config('ignition', {'config.ign': _IGNITION}),
                    in_root={'/config.ign': _IGNITION})

    def test_systemd_boot_boots_from_a_cd(self) -> None:
        self._boots('systemd_boot', 'uefi', 'cd', ('sr0',),
                    in_initrd=False)

    def test_an_esp_that_had_to_grow_boots(self) -> None:
        self._boots('esp_full', 'uefi', 'cd', ('sr0',),
                    ARGUMENTS + ' long=' + 'x' * 1500)


def _config(name: str, data: dict[str, str], **spec: object
            ) -> config_formats.Config:
    return config_formats.resolve(catalog.BootConfigSpec(name, data, **spec),
                                  {'node': {'name': 'server1'}})


def _sums(files: dict[str, str] | None) -> dict[str, str]:
    return guest.sums({path: text.encode()
                       for path, text in (files or {}).items()})
