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
from tests import iso_configs as cfg
from tests import iso_parts as parts
from tests import isos

CACHE = pathlib.Path(__file__).parents[2] / '.cache'
FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}',
         '/openstack/latest/user_data': b'#cloud-config\n' * 9000}
#: A console is needed to see anything, so each report proves arguments.
ARGUMENTS = f'{guest.ARGUMENTS} node=one'
SPECIAL = ' a;b=$c ks=cdrom:/x{1}'
_IGNITION = '{"ignition": {"version": "3.4.0"}}'
_MODULES = pathlib.Path('/usr/lib/syslinux/modules/bios')
#: A menu that waits for a key, for ever.
_WAITING = b'prompt 1\ntimeout 0\n' + cfg.ISOLINUX_CFG.replace(
    b'timeout 10\n', b'')
_PRESEED = 'd-i debian-installer/locale string en_US\n'


class _MachineTest(testtools.TestCase):

    kernel: pathlib.Path
    initrd: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = fixtures.TempDir()
        cls.folder.setUp()
        cls.addClassCleanup(cls.folder.cleanUp)
        cls.kernel, cls.initrd = guest.make(
            pathlib.Path(cls.folder.path), CACHE)
        # Of no length that suits what comes behind it.
        with cls.initrd.open('ab') as file:
            file.write(bytes((2 - file.tell()) % 4))


class BootTest(_MachineTest):

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
        self._boots('systemd_boot', 'uefi', 'cd', ('sr0',))

    def test_an_esp_that_had_to_grow_boots(self) -> None:
        self._boots('esp_full', 'uefi', 'cd', ('sr0',),
                    ARGUMENTS + ' long=' + 'x' * 1500)


class UnattendedTest(_MachineTest):
    """Menus that wait for a key, or start another entry, start one."""

    def _starts(self, base: pathlib.Path, firmware: str, entry: str,
                word: str, config: tuple[str, bytes] | None = None,
                files: dict[str, bytes] | None = None) -> None:
        """Boot an ISO whose menu is told what to start.

        :param word: of the entry's kernel arguments, and no other's.
        :param config: a menu in place of the ISO's own.
        :param files: what that menu needs.
        """
        waiting = base.parent / 'waiting.iso'
        image = base.parent / 'customised.iso'
        if config is not None:
            with iso.IsoImage.open(base) as opened:
                with iso.inject(opened, iso.Injection(
                        files={config[0]: config[1],
                               **(files or {})})) as made:
                    made.write(waiting)
            base = waiting
        with iso.IsoImage.open(base) as opened:
            with iso.inject(opened, iso.Injection(
                    append_args=ARGUMENTS, timeout=2, default=entry),
                    for_=(firmware,)) as made:
                made.write(image)
        self.assertIn(word, guest.boot(image, firmware, 'cd').arguments)

    def _built(self, kind: str) -> pathlib.Path:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        found: pathlib.Path = isos.KINDS[kind].build(
            folder, kernel=self.kernel, initrd=self.initrd)
        return found

    def test_isolinux_without_a_menu(self) -> None:
        self._starts(self._built('isolinux_bios'), 'bios', 'check', 'verify',
                     ('/isolinux/isolinux.cfg', _WAITING))

    def test_isolinux_with_a_menu(self) -> None:
        self._starts(
            self._built('isolinux_bios'), 'bios', 'check', 'verify',
            ('/isolinux/isolinux.cfg', b'ui menu.c32\n' + _WAITING),
            {f'/isolinux/{name}': (_MODULES / name).read_bytes()
             for name in ('menu.c32', 'libutil.c32')})

    def test_grub_in_a_submenu(self) -> None:
        self._starts(
            self._built('grub_bios'), 'bios', 'Check the medium', 'verify',
            ('/boot/grub/grub.cfg', cfg.GRUB_CFG.replace(
                b'set timeout=1\n', b'')))

    def test_grub_with_uefi(self) -> None:
        self._starts(self._built('lorax_like'), 'uefi', 'Rescue',
                     'inst.rescue')

    def test_systemd_boot(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        entry = ('title {0}\nlinux /vmlinuz\ninitrd /initrd\n'
                 'options which={0} console=ttyS0\n')
        esp = parts.fitting_esp_image({
            'EFI/BOOT/BOOTX64.EFI': parts.SYSTEMD_BOOT.read_bytes(),
            'loader/loader.conf': b'timeout menu-force\ndefault one.conf\n',
            **{f'loader/entries/{name}.conf': entry.format(name).encode()
               for name in ('one', 'other')},
            'vmlinuz': self.kernel.read_bytes(),
            'initrd': self.initrd.read_bytes()})
        self._starts(parts.build(
            folder, 'two_entries', {'EFI/efi.img': esp.read_bytes()}, 0,
            '-R', '-e', 'EFI/efi.img', '-no-emul-boot', '-c', 'boot.cat'),
            'uefi', 'other', 'which=other')


def _config(name: str, data: dict[str, str], **spec: object
            ) -> config_formats.Config:
    return config_formats.resolve(catalog.BootConfigSpec(name, data, **spec),
                                  {'node': {'name': 'server1'}})


def _sums(files: dict[str, str] | None) -> dict[str, str]:
    return guest.sums({path: text.encode()
                       for path, text in (files or {}).items()})
