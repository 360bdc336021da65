# SPDX-License-Identifier: Apache-2.0

"""What arrives on which boot path; read back from the written image."""

import gzip
import pathlib
import struct

import fixtures
import testtools
from testtools import matchers

from ironic_ext import iso
from ironic_ext.iso import boot_path
from tests import iso_cases
from tests import isos
from tests import unit

_FILES = {'/etc/node': b'content'}


class ArrivalTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(unit.WithoutSync())
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def inject(self, name, for_=('all',), partial=False, **what):
        base = (isos.real(name) if name in isos.REAL
                else iso_cases.shared(name) if name in iso_cases.CASES
                else isos.shared(name))
        with iso.IsoImage.open(base) as image:
            made = iso.inject(image, iso.Injection(**what), for_=for_,
                              partial=partial)
        self.addCleanup(made.close)
        return made

    def written(self, *args, **what) -> iso.IsoImage:
        out = self.dir / 'out.iso'
        self.inject(*args, **what).write(out)
        image = iso.IsoImage.open(out)
        self.addCleanup(image.close)
        return image

    def refused(self, *args, **what) -> str:
        return str(self.assertRaises(iso.InjectionError, self.inject,
                                     *args, **what))

    def test_everything_arrives_where_loaders_can_be_followed(self) -> None:
        for name in ('isolinux_bios', 'grub_bios', 'hybrid', 'lorax_like',
                     'ubuntu_like', 'coreos_like', 'on_timeout',
                     'waiting_menu', 'variable_arguments', 'copied_config',
                     'bare_areas', 'lz4_initrd', 'unified_add_ons'):
            made = self.inject(name, append_args='new=1',
                               initrd_files=_FILES, files={'/x': b'y'})
            live = [one for one in made.arrivals if not one.dead]
            self.assertThat(live, matchers.Not(matchers.HasLength(0)), name)
            for one in live:
                self.assertEqual(
                    (iso.Arrived(),) * 3,
                    (one.arguments, one.files, one.initrd_files), name)
                for _, line in one.command_lines:
                    self.assertIn('new=1', line.split(), name)
            self.assertEqual((), made.warnings, name)

    def test_a_unified_kernel_takes_neither(self) -> None:
        for what in ({'append_args': 'a=1'}, {'initrd_files': _FILES}):
            text = self.refused('unified_kernel', **what)
            self.assertIn('uefi-x64 from cd', text)
            self.assertIn('inside /EFI/Linux/System-1.efi', text)
            self.assertNotIn('bios', text)

    def test_a_unified_kernel_whose_stub_is_new_is_told_more(self) -> None:
        first = self.dir / 'first.iso'
        with self.inject('unified_add_ons', append_args='a="b c"',
                         initrd_files=_FILES) as made:
            made.write(first)
        with iso.IsoImage.open(first) as base:
            again = iso.inject(base, iso.Injection(append_args='d=e'),
                               for_=('all',))
        self.addCleanup(again.close)
        (_title, line), = again.arrivals[-1].command_lines
        self.assertEqual('uefi-x64', again.arrivals[-1].firmware)
        self.assertTrue(line.endswith('a="b c" d=e'), line)

    def test_what_is_inside_a_unified_kernel_stays(self) -> None:
        self.assertIn('keeps console=ttyS0', self.refused(
            'unified_add_ons', delete_args=('console',)))

    def test_a_signed_unified_kernel_takes_signed_add_ons_alone(self
                                                                ) -> None:
        signed = self.dir / 'signed.iso'
        data = bytearray(iso_cases.shared('unified_add_ons').read_bytes())
        stub = data.index(b'systemd-stub 257')
        at = data.rindex(b'PE\0\0d\x86', 0, stub)
        # Where a signature would be, and how long.
        struct.pack_into('<II', data, at + 24 + 112 + 4 * 8, 4096, 512)
        signed.write_bytes(data)
        with iso.IsoImage.open(signed) as base:
            self.assertIn('which is signed', str(self.assertRaises(
                iso.InjectionError, iso.inject, base,
                iso.Injection(append_args='a=1'), for_=('uefi',))))

    def test_fewer_paths_can_be_asked_for(self) -> None:
        made = self.inject('unified_kernel', for_=('bios',),
                           append_args='a=1')
        self.assertThat(made.warnings, matchers.HasLength(2))
        self.assertIn('uefi-x64 from cd: kernel arguments do not reach it',
                      made.warnings[0])
        self.assertIn('uefi-x64', self.refused(
            'unified_kernel', for_=('uefi',), append_args='a=1'))

    def test_one_medium_can_be_asked_for(self) -> None:
        self.inject('isolinux_bios', for_=('bios from cd', 'all from disk'),
                    append_args='a=1')
        self.assertIn('does not boot by uefi-x64 from cd', self.refused(
            'isolinux_bios', for_=('uefi-x64 from cd',), append_args='a=1'))
        # Its ESP is El Torito's alone.
        self.assertIn('does not boot by uefi from disk', self.refused(
            'esp_fat16', for_=('uefi from disk',), append_args='a=1'))
        self.inject('esp_fat16', for_=('uefi from cd',), append_args='a=1')

    def test_machines_of_another_kind_are_told_what_they_lack(self) -> None:
        for name, path in (('mainframe', 's390x from cd'),
                           ('open_firmware', 'ieee1275 from cd')):
            self.assertIn(f'does not boot by bios: it boots by {path}',
                          self.refused(name, for_=('bios',),
                                       files={'/a': b'b'}))
        self.assertIn('ieee1275 from cd: kernel arguments do not reach it',
                      self.refused('open_firmware', append_args='a=1'))
        # Nothing there could be edited for anybody.
        self.assertIn('has no boot configuration with a Linux kernel',
                      self.refused('mainframe', append_args='a=1'))

    def test_part_of_it_can_be_asked_for(self) -> None:
        made = self.inject('unified_kernel', partial=True,
                           append_args='a=1')
        self.assertTrue(made.complete)
        found = {one.firmware: one.arguments for one in made.arrivals}
        self.assertEqual(iso.Arrived(), found['bios'])
        assert isinstance(found['uefi-x64'], iso.NotReached)
        self.assertIn('inside /EFI/Linux/System-1.efi in the ESP, whose '
                      'stub', found['uefi-x64'].reason)

    def test_what_has_no_place_at_all_is_left_out_of_a_part(self) -> None:
        made = self.inject('ipxe', partial=True, append_args='a=1',
                           files={'/x': b'y'})
        self.assertIn('no boot configuration with a Linux kernel',
                      ' '.join(made.warnings))
        self.assertIsInstance(made.arrivals[0].arguments, iso.NotReached)
        self.assertEqual(iso.Arrived(), made.arrivals[0].files)
        made = self.inject('isolinux_bios', partial=True, append_args='a=1',
                           esp_files={'/x': b'y'}, ignition=b'{}')
        self.assertThat(made.warnings, matchers.HasLength(2))
        self.assertIn('no EFI system partition', made.warnings[0])
        self.assertIn('reserves no area', made.warnings[1])
        self.assertFalse(made.complete)
        self.assertIn('no boot configuration', self.refused(
            'ipxe', partial=True, append_args='a=1', initrd_files=_FILES))
        self.assertIn('reserves no area', self.refused(
            'isolinux_bios', partial=True, esp_files={'/x': b'y'},
            ignition=b'{}'))

    def test_a_part_that_reaches_nobody_who_asked_is_none(self) -> None:
        what = {'for_': ('uefi',), 'partial': True, 'append_args': 'a=1'}
        self.assertIn('whose stub', self.refused('unified_kernel', **what))
        self.inject('unified_kernel', **what, files={'/x': b'y'})

    def test_what_boots_by_nothing_is_refused_with_the_reason(self) -> None:
        image = self.dir / 'no-kernel.iso'
        data = isos.shared('grub_bios').read_bytes()
        image.write_bytes(data.replace(b' /live/vmlinuz ',
                                       b' /live/missing '))
        with iso.IsoImage.open(image) as base:
            inspection = iso.inspect(base)
            for kind in ('kernel_arguments', 'initrd_files'):
                self.assertIn('the image has no /live/missing',
                              inspection.cannot[kind])
            for given in ({'append_args': 'a=1'}, {'initrd_files': _FILES},
                          {'timeout': 5}):
                for partial in (False, True):
                    error = str(self.assertRaises(
                        iso.InjectionError, iso.inject, base,
                        iso.Injection(**given), for_=('all',),
                        partial=partial))
                    self.assertIn('no-kernel.iso boots by nothing; bios from '
                                  'cd, bios from disk: ', error)
                    self.assertIn('the image has no /live/missing', error)
            # A file in it is there for whoever reads the medium.
            iso.inject(base, iso.Injection(files={'/x': b'y'}),
                       for_=('all',)).close()

    def test_an_initrd_that_is_not_there_takes_nothing(self) -> None:
        image = self.dir / 'no-initrd.iso'
        image.write_bytes(isos.shared('grub_bios').read_bytes().replace(
            b'initrd /live/initrd.img', b'initrd /live/missing.im'))
        with iso.IsoImage.open(image) as base:
            inspection = iso.inspect(base)
            self.assertIn('no kernel that it starts has an initrd',
                          inspection.cannot['initrd_files'])
            self.assertNotIn('kernel_arguments', inspection.cannot)
            for path in inspection.boot_paths:
                self.assertIn('the image has no /live/missing.im, which its '
                              'menu names as an initrd', path.notes)
            self.assertRaises(
                iso.InjectionError, iso.inject, base,
                iso.Injection(initrd_files=_FILES), for_=('all',))

    def test_what_every_path_lacks_is_said_once(self) -> None:
        said = self.refused('isolinux_bios', timeout=5, default='Nope')
        self.assertEqual(1, said.count('entry "Nope"'), said)

    def test_one_path_is_enough_where_none_is_asked_for(self) -> None:
        made = self.inject('unified_kernel', for_=(), append_args='a=1')
        self.assertThat(made.warnings, matchers.HasLength(2))

    def test_a_firmware_that_does_not_boot_it_is_refused(self) -> None:
        self.assertIn('does not boot by uefi', self.refused(
            'isolinux_bios', for_=('uefi',), append_args='a=1'))

    def test_a_menu_built_into_grub_takes_no_arguments(self) -> None:
        self.assertIn('built into the boot loader', self.refused(
            'built_in_menu', append_args='a=1'))
        made = self.inject('built_in_menu', initrd_files=_FILES)
        self.assertEqual((), made.warnings)

    def test_ipxe_takes_no_arguments(self) -> None:
        self.assertIn('no boot configuration with a Linux kernel',
                      self.refused('ipxe', append_args='console=ttyS0'))

    def test_an_initrd_in_the_esp_gets_company(self) -> None:
        image = self.written('esp_kernel', initrd_files=_FILES,
                             append_args='new=1')
        volume = image.esps[0].volume
        entry = volume.read_file('/loader/entries/01-live.conf')
        self.assertIn(b'initramfs-linux.img\ninitrd /ironic-ext.img\n',
                      entry)
        # Two boot paths lead to the one entry.
        self.assertEqual(1, entry.count(b'ironic-ext'))
        self.assertIn(b'new=1', entry)
        added = volume.read_file('/ironic-ext.img')
        self.assertEqual(bytes(512), added[:512])
        # Compressed, it may begin at any byte of what the kernel reads.
        self.assertIn(b'etc/node\0', gzip.decompress(added[512:]))

    def test_a_second_injection_keeps_the_first(self) -> None:
        first = self.dir / 'first.iso'
        self.inject('esp_kernel', initrd_files=_FILES).write(first)
        with iso.IsoImage.open(first) as image:
            made = iso.inject(image, iso.Injection(
                initrd_files={'/other': b'2'}), for_=('all',))
        self.addCleanup(made.close)
        made.write(self.dir / 'second.iso')
        with iso.IsoImage.open(self.dir / 'second.iso') as image:
            volume = image.esps[0].volume
            self.assertIn(b'initrd /ironic-ext.img\ninitrd /ironic-ext1.img',
                          volume.read_file('/loader/entries/01-live.conf'))
            self.assertIn(b'node', volume.read_file('/ironic-ext.img'))

    def test_an_argument_in_a_variable_is_removed_where_it_is_set(
            self) -> None:
        image = self.written('variable_arguments',
                             delete_args=('media=removable', 'quiet'))
        self.assertIn(b'set params="splash console=tty1"\n',
                      image.read_file('/boot/grub/grub.cfg'))

    def test_what_is_nowhere_cannot_be_removed(self) -> None:
        for name in ('variable_arguments', 'grub_bios', 'bare_areas'):
            self.assertIn('"none" is in no kernel command line',
                          self.refused(name, delete_args=('none',)))

    def test_a_copy_in_the_esp_is_replaced_as_well(self) -> None:
        mine = (b'menuentry "Mine" {\n linux /images/vmlinuz\n'
                b' initrd /images/initrd.img\n}\n')
        image = self.written('copied_config',
                             files={'/EFI/BOOT/grub.cfg': mine})
        self.assertEqual(mine, image.read_file('/EFI/BOOT/grub.cfg'))
        self.assertEqual(mine, image.esps[0].volume.read_file(
            '/EFI/BOOT/grub.cfg'))

    def test_another_file_in_the_esp_is_told(self) -> None:
        made = self.inject('coreos_like', files={
            '/EFI/fedora/grub.cfg': b'menuentry x { linux /vmlinuz }'},
            partial=True)
        self.assertIn('has a /EFI/fedora/grub.cfg of its own',
                      ' '.join(made.warnings))

    def test_areas_without_an_end_end_with_a_line(self) -> None:
        image = self.written('bare_areas', append_args='a=1',
                             delete_args=('ignition.platform.id=metal',))
        for path in ('/isolinux/isolinux.cfg', '/EFI/fedora/grub.cfg'):
            self.assertIn(b'coreos.liveiso=x ignition.firstboot a=1\n###',
                          image.read_file(path))

    def test_a_bare_ignition_image_is_the_area(self) -> None:
        image = self.written('bare_areas', ignition=b'{}')
        data = image.read_file('/images/ignition.img')
        self.assertEqual((262144, b'\x1f\x8b'), (len(data), data[:2]))

    def test_the_line_for_who_touches_nothing_gets_arguments(self) -> None:
        image = self.written('on_timeout', append_args='a=1')
        self.assertIn(b'speech=soft a=1 --- quiet',
                      image.read_file('/screens/speech.cfg'))
        start = boot_path.boot_paths(image)[0].walk.unattended
        self.assertIn('a=1', start.arguments)

    def test_lz4_has_zeros_behind_it(self) -> None:
        image = self.written('lz4_initrd', initrd_files=_FILES)
        with iso.IsoImage.open(iso_cases.shared('lz4_initrd')) as base:
            size = base.stat('/casper/initrd').size
        data = image.read_file('/casper/initrd')
        at = data.index(b'070701', size)
        self.assertEqual(0, at % 4)
        self.assertEqual(bytes(8), data[at - 8:at])

    def test_files_have_the_modes_that_are_asked_for(self) -> None:
        image = self.written(
            'isolinux_bios', files={'/run.sh': b'#!', '/README.TXT': b'new'},
            modes={'/run.sh': 0o755, 'README.TXT': 0o600},
            initrd_files={'/init': b'#!'}, initrd_modes={'/init': 0o755})
        for path, mode in (('/run.sh', 0o755), ('/README.TXT', 0o600)):
            self.assertEqual(0o100000 | mode, image.stat(path).mode, path)
        self.assertIn(b'070701' + b'00000001' + b'000081ED',
                      image.read_file('/live/initrd.img'))

    def test_a_mode_needs_a_file(self) -> None:
        self.assertRaises(iso.InjectionError, iso.Injection,
                          modes={'/x': 0o755})
        self.assertRaises(iso.InjectionError, iso.Injection,
                          files={'/x': b''}, modes={'/x': 0o100644})

    def test_long_names_stay_apart_in_joliet(self) -> None:
        stem = 'p' * 66
        image = self.written('isolinux_bios', files={
            f'/{stem}-a.txt': b'A', f'/{stem}-b.txt': b'B'})
        joliet = next(tree for tree in image.trees if tree.kind == 'joliet')
        found = {name: image.read_entry(joliet.entry('/' + name, node))
                 for name, node in joliet.root.children.items()
                 if name.startswith('ppp')}
        self.assertEqual({b'A', b'B'}, set(found.values()))
        self.assertEqual(2, len(found))

    def test_long_names_need_rock_ridge(self) -> None:
        self.assertIn('names of Joliet have 64', self.refused(
            'joliet_only', for_=(), files={'/' + 'p' * 65: b'A'}))

    def test_a_name_that_differs_in_case_is_refused(self) -> None:
        self.assertIn('the image has /README.TXT', self.refused(
            'isolinux_bios', files={'/readme.txt': b'x'}))

    def test_names_need_not_be_utf_8(self) -> None:
        name = b'caf\xe9'.decode('utf-8', 'surrogateescape')
        image = self.written('isolinux_bios', files={f'/{name}': b'x'},
                             initrd_files={f'/{name}': b'y'})
        self.assertEqual(b'x', image.read_file(f'/{name}'))
        self.assertIn(b'caf\xe9\0', image.read_file('/live/initrd.img'))
