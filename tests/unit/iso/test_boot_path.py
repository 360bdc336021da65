# SPDX-License-Identifier: Apache-2.0

"""The ways in which images boot, told from real boot loaders' images."""

import testtools

from ironic_ext import iso
from ironic_ext.iso import arrival
from ironic_ext.iso import boot_path
from ironic_ext.iso.loaders import boot_entry
from tests import iso_cases
from tests import isos


def _paths(image_path) -> dict[str, boot_path.BootPath]:
    with iso.IsoImage.open(image_path) as image:
        return {path.name: path for path in boot_path.boot_paths(image)}


class BootPathTest(testtools.TestCase):

    def test_a_loader_is_followed_by_firmware_and_medium(self) -> None:
        paths = _paths(isos.shared('lorax_like'))
        self.assertEqual(
            ['bios from cd', 'bios from disk', 'uefi-x64 from cd',
             'uefi-x64 from disk'], sorted(paths))
        self.assertEqual({'GRUB'}, {p.loader for p in paths.values()})
        # From a CD GRUB reads the ISO's tree, from a disk its own ESP.
        self.assertEqual(
            {'bios from cd': ['/boot/grub2/grub.cfg'],
             'bios from disk': ['/boot/grub2/grub.cfg'],
             'uefi-x64 from cd': ['/EFI/BOOT/grub.cfg'],
             'uefi-x64 from disk': ['/EFI/BOOT/grub.cfg in the ESP']},
            {name: list(map(str, path.walk.configs))
             for name, path in paths.items()})
        for path in paths.values():
            self.assertEqual('"Test this media & install" after 1 s',
                             path.unattended)
            self.assertEqual(3, len(path.kernels))

    def test_isolinux_goes_by_what_it_includes(self) -> None:
        path = _paths(isos.shared('hybrid'))['bios from cd']
        self.assertEqual('ISOLINUX', path.loader)
        self.assertEqual(
            ['/isolinux/isolinux.cfg', '/isolinux/menu.cfg',
             '/isolinux/txt.cfg', '/isolinux/adtxt.cfg'],
            [place.path for place in path.walk.configs])
        self.assertEqual('"Install" at once', path.unattended)

    def test_a_stub_in_the_esp_leads_into_the_image(self) -> None:
        path = _paths(isos.shared('hybrid'))['uefi-x64 from disk']
        self.assertEqual(
            ['/EFI/debian/grub.cfg in the ESP', '/boot/grub/grub.cfg'],
            list(map(str, path.walk.configs)))

    def test_a_loader_without_a_menu_starts_nothing(self) -> None:
        path = _paths(isos.shared('ubuntu_like'))['uefi-x64 from disk']
        self.assertTrue(path.dead)
        self.assertIn('shows its prompt', path.unattended)

    def test_a_menu_whose_kernels_are_missing_starts_nothing(self) -> None:
        path = _paths(isos.shared('esp_fat12'))['uefi-x64 from disk']
        self.assertTrue(path.dead)
        self.assertIn('has no /live/vmlinuz in the ESP', path.unattended)

    def test_the_configuration_depends_on_the_platform(self) -> None:
        paths = _paths(isos.shared('ubuntu_like'))
        self.assertEqual(
            ['linux', 'linux'],
            [start.kind for start in paths['bios from cd'].walk.starts])
        self.assertEqual(
            ['linux', 'exit'],
            [start.kind for start in paths['uefi-x64 from cd'].walk.starts])

    def test_a_menu_inside_of_grub_is_read(self) -> None:
        path = _paths(iso_cases.shared('built_in_menu'))['uefi-x64 from cd']
        self.assertEqual(['(memdisk)/boot/grub/grub.cfg'],
                         list(map(str, path.walk.configs)))
        self.assertEqual('/live/vmlinuz', str(path.kernels[0].kernel))

    def test_systemd_boot_reads_the_esp(self) -> None:
        for name in ('uefi-x64 from cd', 'uefi-x64 from disk'):
            path = _paths(iso_cases.shared('esp_kernel'))[name]
            self.assertEqual('systemd-boot', path.loader)
            self.assertEqual('"Live (UEFI)" after 1 s', path.unattended)
            self.assertEqual('/arch/boot/vmlinuz-linux in the ESP',
                             str(path.kernels[0].kernel))

    def test_a_unified_kernel_image_is_found(self) -> None:
        path = _paths(iso_cases.shared('unified_kernel'))['uefi-x64 from cd']
        self.assertEqual('uki', path.kernels[0].kind)
        self.assertEqual(('platform=metal', 'console=ttyS0'),
                         path.kernels[0].arguments)
        self.assertIs(False, path.signed)

    def test_what_starts_when_nobody_touches_it(self) -> None:
        self.assertEqual(
            'waits for a key; the default is "harddisk"',
            _paths(iso_cases.shared('waiting_menu'))[
                'bios from cd'].unattended)
        path = _paths(iso_cases.shared('on_timeout'))['bios from cd']
        self.assertEqual('"ontimeout" after 2 s', path.unattended)
        self.assertIn('speech=soft', path.walk.unattended.arguments)

    def test_ipxe_is_no_linux(self) -> None:
        paths = _paths(isos.real('ipxe'))
        self.assertEqual((), paths['bios from cd'].kernels)
        self.assertIn('iPXE, which is not followed',
                      paths['uefi-x64 from cd'].walk.lost)

    def test_planned_content_stands_for_what_is_there(self) -> None:
        with iso.IsoImage.open(isos.shared('isolinux_bios')) as image:
            path = boot_path.boot_paths(image, boot_path.Changes({
                '/boot/isolinux/isolinux.cfg':
                    b'default x\nlabel x\n kernel /live/vmlinuz\n'}))[0]
        # It comes before /isolinux in ISOLINUX's own order.
        self.assertEqual('/boot/isolinux/isolinux.cfg',
                         path.walk.configs[0].path)

    def test_only_the_paths_asked_for_are_looked_into(self) -> None:
        with iso.IsoImage.open(isos.shared('hybrid')) as image:
            every = boot_path.boot_paths(image)
            changes = boot_path.Changes({'/new': b'x'})
            for wanted in (('uefi from cd',), ('bios', 'uefi from disk'),
                           ('uefi-aa64',), ('all',)):
                expected = [path.name for path in every if any(
                    path.asked_for(name) for name in wanted)]
                for found in (
                        boot_path.boot_paths(image, wanted=wanted),
                        boot_path.boot_paths(image, changes, wanted)):
                    self.assertEqual(expected,
                                     [path.name for path in found])

    def test_firmware_is_asked_for_by_name(self) -> None:
        path = iso.Arrival('uefi-x64', 'cd', False, None, None, None, ())
        for wanted, expected in (('uefi', True), ('uefi-x64', True),
                                 ('all', True), ('bios', False),
                                 ('uefi-aa64', False)):
            self.assertEqual(expected, path.asked_for(wanted), wanted)


class InspectionTest(testtools.TestCase):

    def _inspect(self, path) -> iso.Inspection:
        with iso.IsoImage.open(path) as image:
            return iso.inspect(image)

    def test_what_cannot_be_injected_is_said_by_path(self) -> None:
        found = self._inspect(iso_cases.shared('unified_kernel'))
        whys = {path.firmware: path.no_arguments
                for path in found.boot_paths}
        self.assertEqual('', whys['bios'])
        self.assertRegex(
            whys['uefi-x64'],
            r'^the command line is inside /EFI/Linux/System-1\.efi in the '
            r'ESP, whose stub \(systemd 2\d\d[\d.]*\) reads ')
        self.assertNotIn('kernel_arguments', found.can)
        self.assertIn('uefi-x64 from cd, uefi-x64 from disk: the command',
                      found.cannot['kernel_arguments'])

    def test_a_stub_takes_add_ons_from_one_version_on(self) -> None:
        place = boot_entry.Place('esp', '/EFI/Linux/a.efi')
        for stub, words in (
                ('', 'of whose stub nothing is known'),
                ('253.9', 'reads nothing from beside it: that takes '
                          'systemd 254'),
                ('254', '')):
            start = boot_entry.Start('a', 'uki', place, place, stub=stub,
                                     machine='x64')
            path = boot_path.BootPath('uefi-x64', 'cd', 'unified kernel', (),
                                      boot_entry.Walk((), (start,), start))
            found = arrival.why_no_arguments(path)
            self.assertIn(words, found)
            self.assertEqual(bool(words), bool(found))

    def test_a_mainframes_image_boots_no_pc(self) -> None:
        found = self._inspect(iso_cases.shared('mainframe'))
        path, = found.boot_paths
        self.assertEqual(('s390x', 'cd'), (path.firmware, path.medium))
        self.assertIn('one boot image, which is not taken apart, nor are '
                      'those that /generic.ins lists', path.no_arguments)
        self.assertNotIn('kernel_arguments', found.can)

    def test_an_area_of_a_mainframes_boot_image_is_read(self) -> None:
        with iso.IsoImage.open(
                iso_cases.shared('mainframe_areas')) as image:
            path, = boot_path.boot_paths(image)
        self.assertEqual('s390x', path.firmware)
        start, = path.kernels
        self.assertEqual(
            ('/images/cdboot.img',
             ('coreos.liveiso=x', 'ignition.firstboot')),
            (start.kernel.path, start.arguments))

    def test_open_firmware_is_told_and_not_followed(self) -> None:
        found = self._inspect(iso_cases.shared('open_firmware'))
        path, = found.boot_paths
        self.assertEqual(('ieee1275', 'cd', 'GRUB'),
                         (path.firmware, path.medium, path.loader))
        self.assertIn('starts /boot/grub/powerpc-ieee1275/core.elf, which '
                      'is not followed', path.no_arguments)

    def test_a_menu_inside_of_grub_takes_no_arguments(self) -> None:
        found = self._inspect(iso_cases.shared('built_in_menu'))
        self.assertIn('built into the boot loader',
                      found.cannot['kernel_arguments'])
        self.assertIn('initrd_files', found.can)

    def test_ipxe_takes_no_arguments(self) -> None:
        found = self._inspect(isos.real('ipxe'))
        self.assertEqual(('files',), found.can)

    def test_a_line_for_who_touches_nothing_is_an_entry(self) -> None:
        found = self._inspect(iso_cases.shared('on_timeout'))
        self.assertIn('speech=soft', [
            word for config in found.configs for entry in config.entries
            for word in entry.arguments])
