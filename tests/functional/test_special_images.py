# SPDX-License-Identifier: Apache-2.0

"""Images of other makers, and what only some images have."""

import pathlib
import shutil
import tempfile
import unittest

from ironic_ext import iso
from tests.functional import judges
from tests import isos

FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "n-1"}\n'}


class _Case(unittest.TestCase):

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix='ironic-ext-'))
        self.addCleanup(shutil.rmtree, self.scratch)

    def write(self, base, **injection):
        target = self.scratch / 'written.iso'
        with iso.IsoImage.open(base) as image:
            with iso.inject(image, iso.Injection(**injection)) as smap:
                smap.write(target)
        return target


class RealImagesTest(_Case):
    """Images as distributions ship them."""

    def check(self, name):
        base = isos.real(name)
        before = judges.xorriso_extents(base)
        digest = judges.sha256(base)
        written = self.write(base, files=FILES)
        now = judges.xorriso_extents(written)
        self.assertEqual(set(before) | set(FILES), set(now))
        for path, extents in before.items():
            self.assertEqual(extents, now[path], path)
        self.assertEqual(FILES['/openstack/latest/meta_data.json'],
                         judges.grub_file(
                             written, '/openstack/latest/meta_data.json'))
        self.assertEqual(judges.el_torito(base), judges.el_torito(written))
        self.assertEqual(set(), judges.sgdisk_problems(written)
                         - judges.sgdisk_problems(base))
        self.assertEqual(digest, judges.sha256(base))
        # What lies outside the tree, boot images included, stays as it is:
        # only descriptors, tables and directories may differ.
        old, new = base.read_bytes(), written.read_bytes()
        changed = [sector for sector in range(len(old) // judges.SECTOR)
                   if old[sector * 2048:(sector + 1) * 2048]
                   != new[sector * 2048:(sector + 1) * 2048]]
        files = {sector + n for path, extents in before.items()
                 for sector, length in extents
                 for n in range(-(-length // judges.SECTOR))}
        self.assertEqual(set(), files & set(changed))
        return base, written

    def test_grub_rescue(self):
        self.check('grub_rescue')

    def test_ipxe(self):
        self.check('ipxe')

    def test_memtest_keeps_its_esp_outside_of_the_volume(self):
        for name in ('memtest_x64', 'memtest_ia32'):
            base, written = self.check(name)
            esps = [judges.esp_file(image, self.scratch)
                    for image in (base, written)]
            judges.fsck_fat(esps[1])
            self.assertEqual(esps[0].read_bytes(), esps[1].read_bytes())


class MediaCheckTest(_Case):

    def test_the_checksum_holds_before_anything_is_injected(self):
        self.assertTrue(judges.checkisomd5(isos.shared('implanted')))

    def test_drop_removes_the_argument_that_asks_for_the_check(self):
        written = self.write(isos.shared('implanted'), append_args='a=1')
        for path in ('/EFI/BOOT/grub.cfg', '/boot/grub2/grub.cfg'):
            config = judges.isoinfo_file(written, path, '-R')
            self.assertIn(b'a=1', config)
            self.assertNotIn(b'rd.live.check', config)
        esp = judges.esp_file(written, self.scratch)
        self.assertNotIn(b'rd.live.check',
                         judges.fat_file(esp, '/EFI/BOOT/grub.cfg'))

    def test_drop_does_so_for_added_files_too(self):
        written = self.write(isos.shared('implanted'), files=FILES)
        self.assertNotIn(b'rd.live.check', judges.isoinfo_file(
            written, '/EFI/BOOT/grub.cfg', '-R'))

    def test_reimplant_makes_the_check_pass(self):
        written = self.write(
            isos.shared('implanted'), append_args='a=1', files=FILES,
            initrd_files={'/x': b'1'}, media_check='reimplant')
        self.assertTrue(judges.checkisomd5(written))
        self.assertIn(b'rd.live.check', judges.isoinfo_file(
            written, '/EFI/BOOT/grub.cfg', '-R'))

    def test_keep_leaves_a_check_that_fails(self):
        written = self.write(isos.shared('implanted'), append_args='a=1',
                             media_check='keep')
        self.assertFalse(judges.checkisomd5(written))
        self.assertIn(b'rd.live.check', judges.isoinfo_file(
            written, '/EFI/BOOT/grub.cfg', '-R'))


class SecondTreeTest(_Case):
    """An image with a partition offset is also read as a partition."""

    def test_a_disk_reader_sees_the_same_changes_as_a_cd_reader(self):
        written = self.write(isos.shared('lorax_like'), append_args='a=1',
                             files=FILES, initrd_files={'/x': b'1'})
        for path in ('/openstack/latest/meta_data.json',
                     '/EFI/BOOT/grub.cfg', '/images/pxeboot/initrd.img',
                     '/README.TXT'):
            self.assertEqual(
                judges.grub_file(written, path),
                judges.grub_file(written, path, 'loop0,gpt1'), path)
        self.assertIn(b'a=1', judges.grub_file(
            written, '/EFI/BOOT/grub.cfg', 'loop0,gpt2'))

    def test_the_partition_alone_is_a_sound_image(self):
        written = self.write(isos.shared('lorax_like'), append_args='a=1',
                             files=FILES)
        alone = self.scratch / 'partition.iso'
        alone.write_bytes(written.read_bytes()[16 * judges.SECTOR:])
        tree = self.scratch / 'tree'
        judges.bsdtar_extract(alone, tree)
        for path, content in FILES.items():
            self.assertEqual(content, (tree / path[1:]).read_bytes())


class CoreosTest(_Case):

    def test_areas_keep_their_size_and_hold_the_arguments(self):
        base = isos.shared('coreos_like')
        written = self.write(base, append_args='a=1',
                             delete_args=('quiet',))
        for path in ('/EFI/fedora/grub.cfg', '/isolinux/isolinux.cfg'):
            old = judges.isoinfo_file(base, path, '-R')
            new = judges.isoinfo_file(written, path, '-R')
            self.assertEqual(len(old), len(new))
            self.assertIn(b'coreos.liveiso=coreos-like a=1\n###', new)
            self.assertGreater(new.count(b'#'), 900)


class HardLinkTest(_Case):

    def test_replacing_one_name_leaves_the_others_alone(self):
        written = self.write(isos.shared('hard_links'),
                             files={'/first.txt': b'only this one\n',
                                    '/empty.txt': b'filled\n'})
        for path, content in (('/first.txt', b'only this one\n'),
                              ('/docs/second.txt', b'shared content\n' * 10),
                              ('/third.txt', b'shared content\n' * 10),
                              ('/empty.txt', b'filled\n'),
                              ('/docs/empty-too.txt', b'')):
            for options in (['-R'], ['-J']):
                self.assertEqual(content, judges.isoinfo_file(
                    written, path, *options), path)


class KernelTest(_Case):
    """The kernel's own iso9660, where this machine has it."""

    def test_the_kernel_mounts_what_is_written(self):
        written = self.write(isos.shared('lorax_like'), append_args='a=1',
                             files=FILES, initrd_files={'/x': b'1'})
        tree = self.scratch / 'by-xorriso'
        judges.xorriso_extract(written, tree)
        for offset in (0, 16 * judges.SECTOR):
            with judges.mounted(written, offset=offset) as mount:
                self.assertEqual(judges.tree_files(tree),
                                 judges.tree_files(mount))
