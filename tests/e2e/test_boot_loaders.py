# SPDX-License-Identifier: Apache-2.0

"""Real firmware, boot loaders and a kernel judge customised images.

A machine boots once for a loader, a firmware and a drive, with all that can
be put into an image: arguments, files, a config, and which entry of the menu
starts by itself. Layouts of ISOs that differ in their menus alone are booted
by tests.layouts.
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


class BootTest(testtools.TestCase):

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

    def setUp(self) -> None:
        super().setUp()
        self.made = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def _built(self, kind: str, menu: dict[str, bytes] | None = None
               ) -> pathlib.Path:
        """Return an ISO.

        :param menu: files in the place of the ISO's own, or beside them.
        """
        base: pathlib.Path = isos.KINDS[kind].build(
            self.made, kernel=self.kernel, initrd=self.initrd)
        if menu is None:
            return base
        changed = self.made / 'changed.iso'
        with iso.IsoImage.open(base) as opened:
            with iso.inject(opened, iso.Injection(files=menu)) as made:
                made.write(changed)
        return changed

    def _boots(self, base: pathlib.Path, firmware: str, drive: str,
               devices: tuple[str, ...], arguments: str = ARGUMENTS,
               config: config_formats.Config | None = None,
               in_medium: dict[str, str] | None = None,
               in_root: dict[str, str] | None = None,
               entry: str = '') -> list[str]:
        """Inject, write, boot, compare and return the kernel arguments.

        :param devices: those on which the kernel must find the files.
        :param config: a boot config, to be placed by its format.
        :param in_medium: files of the config that must be on the medium.
        :param in_root: those that must be in the initrd.
        :param entry: of a menu that would wait for a key, or start another.
        """
        image = self.made / 'customised.iso'
        injection = iso.Injection(
            append_args=arguments, files=FILES,
            initrd_files={'/injected': b'here'},
            timeout=2 if entry else None, default=entry)
        with iso.IsoImage.open(base) as opened:
            if config is not None:
                placed = config.place(config_formats.ImageFacts.of(opened))
                arguments += f' {placed.arguments}'
                injection = placed.onto(injection)
            with iso.inject(opened, injection,
                            for_=(firmware,) if entry else ()) as customised:
                customised.write(image)
        report = guest.boot(image, firmware, drive)
        for word in arguments.split():
            self.assertIn(word, report.arguments)
        self.assertEqual('here', report.initrd)
        on_medium = {**guest.sums(FILES), **_sums(in_medium)}
        for device in devices:
            self.assertEqual(on_medium, report.files.get(device), device)
        self.assertEqual(_sums(in_root), report.files.get('initrd', {}))
        return report.arguments

    def test_isolinux_boots_from_a_cd_with_a_preseed_file(self) -> None:
        self.assertIn('verify', self._boots(
            self._built('isolinux_bios',
                        {'/isolinux/isolinux.cfg': _WAITING}),
            'bios', 'cd', ('sr0',), ARGUMENTS + SPECIAL,
            config=_config('preseed', {'preseed.cfg': _PRESEED}),
            in_root={'/preseed.cfg': _PRESEED}, entry='check'))

    def test_isolinux_with_a_menu_boots_from_a_disk(self) -> None:
        self.assertIn('verify', self._boots(
            self._built('isolinux_bios', {
                '/isolinux/isolinux.cfg': b'ui menu.c32\n' + _WAITING,
                **{f'/isolinux/{name}': (_MODULES / name).read_bytes()
                   for name in ('menu.c32', 'libutil.c32')}}),
            'bios', 'disk', ('sda', 'sda1'), entry='check'))

    def test_grub_boots_from_a_cd_with_an_ignition_config(self) -> None:
        # The entry is in a submenu.
        self.assertIn('verify', self._boots(
            self._built('grub_bios', {
                '/boot/grub/grub.cfg': cfg.GRUB_CFG.replace(
                    b'set timeout=1\n', b'')}),
            'bios', 'cd', ('sr0',), ARGUMENTS + SPECIAL,
            config=_config('ignition', {'config.ign': _IGNITION}),
            in_root={'/config.ign': _IGNITION,
                     '/usr/lib/ignition/user.ign': _IGNITION},
            entry='Check the medium'))

    def test_a_debian_like_image_boots_from_a_disk_with_uefi(self) -> None:
        self._boots(self._built('hybrid'), 'uefi', 'disk', ('sda', 'sda1'))

    def test_a_fedora_like_image_boots_with_uefi_and_a_kickstart_template(
            self) -> None:
        self.assertIn('inst.rescue', self._boots(
            self._built('lorax_like'), 'uefi', 'cd', ('sr0',),
            config=_config('kickstart',
                           {'a': 'network --hostname {{ node.name }}\n'},
                           template=True),
            in_medium={'ks.cfg': 'network --hostname server1\n'},
            entry='Rescue'))

    def test_a_kernel_unpacks_coreos_ignition_area(self) -> None:
        self._boots(self._built('coreos_like'), 'bios', 'cd', ('sr0',),
                    config=_config('ignition', {'config.ign': _IGNITION}),
                    in_root={'/config.ign': _IGNITION})

    def test_systemd_boot_starts_another_entry_from_a_cd(self) -> None:
        entry = ('title {0}\nlinux /vmlinuz\ninitrd /initrd\n'
                 'options which={0} console=ttyS0\n')
        esp = parts.fitting_esp_image({
            'EFI/BOOT/BOOTX64.EFI': parts.SYSTEMD_BOOT.read_bytes(),
            'loader/loader.conf': b'timeout menu-force\ndefault one.conf\n',
            **{f'loader/entries/{name}.conf': entry.format(name).encode()
               for name in ('one', 'other')},
            'vmlinuz': self.kernel.read_bytes(),
            'initrd': self.initrd.read_bytes()})
        self.assertIn('which=other', self._boots(
            parts.build(self.made, 'two_entries',
                        {'EFI/efi.img': esp.read_bytes()}, 0, '-R',
                        '-e', 'EFI/efi.img', '-no-emul-boot',
                        '-c', 'boot.cat'),
            'uefi', 'cd', ('sr0',), entry='other'))

    def test_an_esp_that_had_to_grow_boots(self) -> None:
        self._boots(self._built('esp_full'), 'uefi', 'cd', ('sr0',),
                    ARGUMENTS + ' long=' + 'x' * 1500)


def _config(name: str, data: dict[str, str], **spec: object
            ) -> config_formats.Config:
    return config_formats.resolve(catalog.BootConfigSpec(name, data, **spec),
                                  {'node': {'name': 'server1'}})


def _sums(files: dict[str, str] | None) -> dict[str, str]:
    return guest.sums({path: text.encode()
                       for path, text in (files or {}).items()})
