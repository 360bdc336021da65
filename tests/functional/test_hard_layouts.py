# SPDX-License-Identifier: Apache-2.0

"""ISOs that are hard to customise, and what other programs see afterwards.

What the engine says of each boot path is compared with what xorriso and
mtools read in the files that this path leads to.
"""

import pathlib
import re
import zlib

import fixtures
import testtools

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext import iso
from ironic_ext.iso import boot_path
from tests.functional import judges
from tests import iso_cases

_WORD = 'ironic.node=n-1'
_FILES = {'/site/node.conf': b'node=n-1\n' * 300}
_INITRD_FILES = {'/preseed.cfg': b'd-i\n'}


class HardLayoutTest(testtools.TestCase):

    def written(self, name: str, injection: iso.Injection
                ) -> iso.CustomisedImage:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.base = iso_cases.shared(name)
        self.out = self.folder / 'out.iso'
        with iso.IsoImage.open(self.base) as image:
            smap = iso.inject(image, injection, partial=True)
        self.addCleanup(smap.close)
        smap.write(self.out)
        return smap

    def check(self, name: str, *, arguments: int, initrd: int) -> None:
        """Inject all, and let everybody look.

        :param arguments: boot paths that get the arguments, by what the
            engine says and by what others read; likewise ``initrd``.
        """
        smap = self.written(name, iso.Injection(
            append_args=_WORD, files=_FILES,
            initrd_files=_INITRD_FILES if initrd else {}))
        self.check_structures()
        told = [one for one in smap.arrivals
                if isinstance(one.arguments, iso.Arrived)]
        self.assertEqual(arguments, len(told), smap.arrivals)
        self.assertEqual(initrd, sum(isinstance(
            one.initrd_files, iso.Arrived) for one in smap.arrivals))
        for one in told:
            self.check_arguments(one.firmware, one.medium)
        # Others stay as they are, and are no kernel's.
        for one in smap.arrivals:
            if one not in told:
                self.assertIsInstance(one.arguments, iso.NotReached)

    def check_structures(self) -> None:
        old, new = self.folder / 'old', self.folder / 'new'
        judges.xorriso_extract(self.base, old)
        judges.xorriso_extract(self.out, new)
        before, after = judges.tree_files(old), judges.tree_files(new)
        # Plain ISO 9660 has its own alphabet.
        name = '/SITE/NODE.CONF' if '/MBOOT.C32' in before \
            else '/site/node.conf'
        self.assertEqual(before.keys() | {name}, after.keys())
        changed = {path for path in before if before[path] != after[path]}
        self.assertEqual(set(), {path for path in changed if not re.search(
            r'(?i)\.(cfg|conf|img|cat|catalog)$|initr', path)})
        other = self.folder / 'by-bsdtar'
        judges.bsdtar_extract(self.out, other)
        self.assertEqual((new / name[1:]).read_bytes(),
                         _FILES['/site/node.conf'])
        self.assertEqual(after, judges.tree_files(other))
        self.assertIn('Everything is Ok', judges.sevenzip_test(self.out))
        self.assertEqual(judges.sgdisk_problems(self.base),
                         judges.sgdisk_problems(self.out))
        self.assertEqual(*(judges.run(
            'blkid', '-p', '-o', 'value', '-s', 'LABEL', image).stdout
            for image in (self.base, self.out)))
        if any(entry.platform == 'UEFI'
               for entry in judges.el_torito(self.out)):
            self.esp = judges.esp_file(self.out, self.folder)
            judges.fsck_fat(self.esp)

    def check_arguments(self, firmware: str, medium: str) -> None:
        """Another reader finds the word where the path leads to."""
        with iso.IsoImage.open(self.out) as image:
            path, = (path for path in boot_path.boot_paths(image)
                     if (path.firmware, path.medium) == (firmware, medium))
        text = b''
        for place in {start.config for start in path.kernels}:
            if place.device == 'iso':
                text += (self.folder / 'new' / place.path[1:]).read_bytes()
            else:
                text += judges.fat_file(self.esp, place.path)
        self.assertGreaterEqual(text.count(_WORD.encode()), 1, path.name)

    def test_kernel_and_initrd_in_the_esp(self) -> None:
        self.check('esp_kernel', arguments=4, initrd=4)
        self.assertIn(b'/ironic-ext.img', judges.run(
            'mdir', '-b', '-i', self.esp, '::/').stdout)

    def test_a_unified_kernel_beside_grub(self) -> None:
        self.check('unified_kernel', arguments=2, initrd=2)

    def test_a_menu_inside_of_grub(self) -> None:
        self.check('built_in_menu', arguments=2, initrd=4)

    def test_a_config_of_which_the_esp_has_a_copy(self) -> None:
        self.check('copied_config', arguments=2, initrd=2)

    def test_arguments_in_a_variable(self) -> None:
        self.check('variable_arguments', arguments=1, initrd=1)

    def test_a_menu_that_waits(self) -> None:
        self.check('waiting_menu', arguments=1, initrd=1)

    def test_a_command_line_for_who_touches_nothing(self) -> None:
        self.check('on_timeout', arguments=1, initrd=1)

    def test_an_initrd_packed_by_lz4(self) -> None:
        self.check('lz4_initrd', arguments=1, initrd=1)
        # What the kernel needs behind the blocks of lz4: a size of 0.
        packed = next((self.folder / 'old/casper').glob(
            'initrd*')).read_bytes()
        grown = next((self.folder / 'new/casper').glob(
            'initrd*')).read_bytes()
        self.assertEqual(packed + bytes(4), grown[:len(packed) + 4])
        self.assertEqual(_INITRD_FILES, judges.cpio_files(
            grown[len(packed):].lstrip(b'\0')))

    def test_areas_without_an_end(self) -> None:
        self.check('bare_areas', arguments=2, initrd=2)
        area = (self.folder / 'new/isolinux/isolinux.cfg').read_bytes()
        self.assertRegex(area, rb'ironic\.node=n-1\n#+ COREOS')

    def test_areas_that_the_system_area_names(self) -> None:
        self.check('old_areas', arguments=2, initrd=2)
        for path in ('isolinux/isolinux.cfg', 'EFI/fedora/grub.cfg'):
            self.assertRegex((self.folder / 'new' / path).read_bytes(),
                             rb'firstboot ironic\.node=n-1\n#+\n')
        self.written('old_areas', iso.Injection(
            append_args=_WORD, ignition=b'{"ignition": {}}'))
        new = self.folder / 'new'
        judges.xorriso_extract(self.out, new)
        area = (new / 'images/ignition.img').read_bytes()
        self.assertEqual(262144, len(area))
        self.assertEqual({'/config.ign': b'{"ignition": {}}'},
                         judges.cpio_files(zlib.decompressobj(31).decompress(
                             area)))
        # Nothing moves: coreos-installer finds both where they were.
        self.assertEqual(judges.xorriso_extents(self.base),
                         judges.xorriso_extents(self.out))
        self.assertEqual(self.base.stat().st_size, self.out.stat().st_size)

    def test_areas_inside_of_a_mainframes_boot_image(self) -> None:
        self.written('mainframe_areas', iso.Injection(
            append_args=_WORD, delete_args=('ignition.firstboot',),
            ignition=b'{"ignition": {}}'))
        old, new = self.folder / 'old', self.folder / 'new'
        judges.xorriso_extract(self.base, old)
        judges.xorriso_extract(self.out, new)
        before, after = ((folder / 'images/cdboot.img').read_bytes()
                         for folder in (old, new))
        begin = before.index(b'coreos.liveiso')
        area = f'coreos.liveiso=x {_WORD}\n'.encode().ljust(1139, b'\0')
        self.assertEqual(before[:begin] + area + before[begin + 1139:-65536],
                         after[:-65536])
        self.assertEqual({'/config.ign': b'{"ignition": {}}'},
                         judges.cpio_files(zlib.decompressobj(31).decompress(
                             after[-65536:])))
        self.assertEqual(area, (new / 'images/cdboot.prm').read_bytes())
        self.assertEqual(judges.xorriso_extents(self.base),
                         judges.xorriso_extents(self.out))
        self.assertEqual(self.base.stat().st_size, self.out.stat().st_size)

    def test_an_image_of_grub_mkrescue(self) -> None:
        self.check('rescue', arguments=4, initrd=4)
        # Who reads HFS+ has what was there before.
        before, after = (
            [line for line in judges.run(
                '7z', 'l', '-thfs', image, check=False).stdout.splitlines()
             if b' ISOIMAGE/' in line] for image in (self.base, self.out))
        self.assertIn(b'ISOIMAGE/boot/grub/grub.cfg', b' '.join(before))
        self.assertEqual(before, after)
        with iso.IsoImage.open(self.out) as image:
            found = iso.inspect(image)
        self.assertIn('HFS+', ' '.join(found.notes))
        self.assertEqual({'"Rescue" after 3 s'}, {
            path.unattended for path in found.boot_paths})

    def test_a_hypervisor(self) -> None:
        """Both files, as guides for ESXi have it by hand."""
        for case, paths in (('hypervisor_config', 1),
                            ('hypervisor_uefi', 2)):
            self.check(case, arguments=paths, initrd=0)
            for path in ('BOOT.CFG', 'EFI/BOOT/BOOT.CFG'):
                text = (self.folder / 'new' / path).read_bytes()
                self.assertRegex(
                    text, rb'(?m)^kernelopt=runweasel cdromBoot '
                          rb'ironic\.node=n-1\r?$')
                self.assertEqual((self.folder / 'old' / path).read_bytes(),
                                 text.replace(b' ironic.node=n-1', b''))

    def test_a_script_for_a_hypervisor(self) -> None:
        """It is found under the one name that its installer reads."""
        script = 'vmaccepteula\ninstall --firstdisk\nrootpw x\n'
        for case in ('hypervisor_config', 'hypervisor_uefi'):
            with iso.IsoImage.open(iso_cases.shared(case)) as image:
                facts = config_formats.ImageFacts.of(image)
            self.assertEqual('ESXi', facts.system)
            placed = config_formats.resolve(catalog.BootConfigSpec(
                'esxi', {'ks.cfg': script})).place(facts)
            self.written(case, placed.onto(iso.Injection()))
            judges.xorriso_extract(self.out, self.folder / 'new')
            self.assertEqual(script, (
                self.folder / 'new/KS.CFG').read_text())
            for path in ('BOOT.CFG', 'EFI/BOOT/BOOT.CFG'):
                self.assertRegex(
                    (self.folder / 'new' / path).read_bytes(),
                    rb'(?m)^kernelopt=runweasel cdromBoot '
                    rb'ks=cdrom:/KS\.CFG\r?$')
