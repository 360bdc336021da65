# SPDX-License-Identifier: Apache-2.0

"""What the engine writes, judged by other programs, for every kind of ISO.

One test case per kind: it injects arguments, files and initrd files into a
fresh ISO once, writes the result, and lets each judge look at it.
"""

import hashlib
import pathlib
import random
import re
import shutil
import tempfile
import typing
import unittest

from ironic_ext import iso
from tests.functional import judges
from tests import isos

APPEND = 'ironic.node=n-1 console=ttyS1,115200'
FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "n-1"}\n' * 400,
         '/openstack/latest/user_data': b'',
         '/docs/guide.txt': b'replaced\n',
         '/ks.cfg': b'text\n'}
INITRD_FILES = {'/etc/ironic/node.conf': b'node=n-1\n', '/preseed.cfg': b'x'}
# Two readers see names that the others do not: Joliet and Rock Ridge keep
# names as they are, plain ISO 9660 has its own alphabet.
_PLAIN = ('iso9660',)


def _folded(paths: typing.Iterable[str], kind: isos.Kind) -> set[str]:
    """Paths in a form in which every tree can name them."""
    if kind.trees != _PLAIN:
        return set(paths)
    return {re.sub(r'[^A-Z0-9/]', '_', re.sub(';1$', '', path.upper()))
            for path in paths}


class WrittenImage:
    """The tests that every kind has to pass."""

    kind: isos.Kind
    append = APPEND
    files: dict[str, bytes] = FILES

    @classmethod
    def setUpClass(cls) -> None:
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix='ironic-ext-'))
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        cls.base = cls.kind.build(cls.scratch, payload=3 << 20)
        cls.base_digest = judges.sha256(cls.base)
        loads = bool(cls.kind.configs or cls.kind.esp_configs)
        cls.injection = iso.Injection(
            append_args=cls.append if loads else '',
            delete_args=('quiet',) if loads else (),
            files=cls.files,
            initrd_files=INITRD_FILES if cls.kind.initrd else {})
        with iso.IsoImage.open(cls.base) as image:
            cls.smap = iso.inject(image, cls.injection)
        cls.addClassCleanup(cls.smap.close)
        cls.written = cls.scratch / 'written.iso'
        cls.smap.write(cls.written)
        cls.base_files = judges.xorriso_extents(cls.base)
        cls.tree = cls.scratch / 'by-xorriso'
        judges.xorriso_extract(cls.written, cls.tree)

    def base_content(self, path: str) -> bytes:
        content = b''
        with self.base.open('rb') as stream:
            for sector, length in self.base_files[path]:
                stream.seek(sector * judges.SECTOR)
                content += stream.read(length)
        return content

    def content(self, path: str) -> bytes:
        return (self.tree / path.lstrip('/')).read_bytes()

    def check_config(self, text: bytes, *, where: str) -> None:
        """A config has the arguments in every Linux command line."""
        text = re.sub(rb'\\\n\s*', b'', text)
        keys = (rb'options' if where.endswith('.conf')
                else rb'linux|linux16|append')
        lines = [line for line in text.splitlines()
                 if re.match(rb'\s*(%s)\s' % keys, line)]
        self.assertNotEqual([], lines, where)
        for line in lines:
            words = line.partition(b'#')[0].split()
            self.assertIn(b'ironic.node=n-1', words, where)
            self.assertIn(b'console=ttyS1,115200', words, where)
            self.assertNotIn(b'quiet', words, where)

    def expected_changes(self) -> set[str]:
        """Paths in the ISO whose content may differ from the base."""
        replaced = _folded(self.files, self.kind)
        changed = {path for path in self.base_files
                   if _folded([path], self.kind) <= replaced}
        changed.update(self.kind.configs)
        changed.update([self.kind.initrd] if self.kind.initrd else [])
        changed.update(path for path in self.base_files
                       if path.endswith('md5sum.txt')
                       or path.endswith(('efiboot.img', 'efi.img')))
        return changed

    # The map itself

    def test_the_base_is_not_changed(self):
        self.assertEqual(self.base_digest, judges.sha256(self.base))

    def test_any_split_of_reads_equals_the_written_file(self):
        whole = self.written.read_bytes()
        self.assertEqual(self.smap.size, len(whole))
        dice = random.Random(self.kind.name)
        cuts = sorted(dice.sample(range(self.smap.size), 300))
        parts = [self.smap.read(start, end - start) for start, end in zip(
            [0, *cuts], [*cuts, self.smap.size])]
        self.assertEqual(hashlib.sha256(whole).digest(),
                         hashlib.sha256(b''.join(parts)).digest())
        for _ in range(300):
            offset = dice.randrange(self.smap.size + 4096)
            length = dice.choice((0, 1, 511, 2048, 65536))
            self.assertEqual(whole[offset:offset + length],
                             self.smap.read(offset, length))

    def test_a_saved_map_reads_the_same_when_it_is_loaded(self):
        overlay = self.scratch / 'saved.overlay'
        self.smap.save(overlay)
        with iso.SegmentMap.load(overlay, base=self.base) as loaded:
            self.assertEqual(self.smap.digest, loaded.digest)
            self.assertEqual(self.written.read_bytes(),
                             loaded.read(0, loaded.size))

    def test_the_overlay_holds_little_more_than_what_was_injected(self):
        overlay = self.scratch / 'size.overlay'
        self.smap.save(overlay)
        injected = sum(len(content) for group in (
            self.injection.files, self.injection.initrd_files)
            for content in group.values())
        # An ESP edit may add the clusters that it changes, and a boot
        # configuration is a literal in every place that has a copy.
        self.assertLessEqual(overlay.stat().st_size,
                             injected + (64 << 10) + self.esp_allowance())

    def esp_allowance(self) -> int:
        return 0

    # What readers see

    def test_xorriso_finds_every_file_of_the_base_and_the_new_ones(self):
        expected = _folded([*self.base_files, *self.files], self.kind)
        found = _folded(judges.xorriso_extents(self.written), self.kind)
        self.assertEqual(expected, found)

    def test_xorriso_reads_injected_files_byte_for_byte(self):
        by_name = {_folded([path], self.kind).pop(): path
                   for path in judges.tree_files(self.tree)}
        for path, content in self.files.items():
            name = by_name[_folded([path], self.kind).pop()]
            self.assertEqual(content, self.content(name), path)

    def test_every_other_file_stays_where_and_what_it_was(self):
        now = judges.xorriso_extents(self.written)
        kept = set(self.base_files) - self.expected_changes()
        self.assertNotEqual(set(), kept)
        for path in kept:
            self.assertEqual(self.base_files[path], now[path], path)
            if not path.endswith('payload.bin'):
                self.assertEqual(self.base_content(path),
                                 self.content(path), path)

    def test_the_payload_is_the_base_bytes_at_the_base_place(self):
        [(sector, length)] = next(
            extents for path, extents in self.base_files.items()
            if path.lower().startswith('/payload.bin'))
        for image in (self.base, self.written):
            with image.open('rb') as stream:
                for start in range(0, length, isos.MIB):
                    stream.seek(sector * judges.SECTOR + start)
                    self.assertEqual(b'%016x' % start, stream.read(16))

    def test_libarchive_reads_the_same_tree(self):
        target = self.scratch / 'by-bsdtar'
        judges.bsdtar_extract(self.written, target)
        self.addCleanup(shutil.rmtree, target)
        mine, theirs = (judges.tree_files(tree)
                        for tree in (self.tree, target))
        if self.kind is isos.KINDS['long_names']:
            # It reads continuation areas only where they follow the
            # directory, and else the Joliet tree with its shorter names.
            self.assertEqual(sorted(mine.values()), sorted(theirs.values()))
            return
        self.assertEqual(
            *({(_folded([path], self.kind).pop(), digest)
               for path, digest in files.items()}
              for files in (mine, theirs)))

    def test_isoinfo_names_the_new_files_in_every_tree(self):
        for tree, options in (('rock_ridge', ['-R']), ('joliet', ['-J'])):
            if tree not in self.kind.trees:
                continue
            names = judges.isoinfo_files(self.written, *options)
            for path, content in self.files.items():
                self.assertIn(path, names, tree)
                self.assertEqual(content, judges.isoinfo_file(
                    self.written, path, *options), (tree, path))

    def test_isoinfo_reads_the_plain_names_too(self):
        # Behind Rock Ridge and Joliet there are always ISO 9660 names.
        names = judges.isoinfo_files(self.written)
        found = [judges.isoinfo_file(self.written, name) for name in names
                 if not name.endswith(tuple('/'))
                 and 'META' in name.upper()]
        self.assertEqual([self.files['/openstack/latest/meta_data.json']],
                         found)

    def test_sevenzip_finds_no_error(self):
        self.assertIn('Everything is Ok', judges.sevenzip_test(self.written))

    def test_the_volume_keeps_its_name(self):
        self.assertEqual(judges.volume_facts(self.base)['Volume id'],
                         judges.volume_facts(self.written)['Volume id'])


class BootableImage(WrittenImage):
    """The tests for kinds with a boot loader."""

    def test_every_configuration_has_the_arguments(self):
        for path in self.kind.configs:
            self.check_config(self.content(path), where=path)

    def test_boot_images_stay_but_for_an_esp_that_moved(self):
        before = judges.el_torito(self.base)
        now = judges.el_torito(self.written)
        self.assertEqual([(i.platform, i.emulation) for i in before],
                         [(i.platform, i.emulation) for i in now])
        for old, new in zip(before, now):
            if old.platform == 'BIOS':
                self.assertEqual(old, new)
        self.assertEqual(judges.el_torito_options(self.base),
                         judges.el_torito_options(self.written))

    def test_sgdisk_finds_no_problem_that_the_base_has_not(self):
        self.assertEqual(
            set(), judges.sgdisk_problems(self.written)
            - judges.sgdisk_problems(self.base))

    def test_the_partition_tables_keep_their_kind(self):
        def kinds(image):
            # Alignment to cylinders is judged by the volume's size, which
            # leaves the padding out.
            return [re.sub(r'\d+|cyl-align-\w+| +', ' ', line) for line
                    in judges.system_area(image)
                    if line.startswith(('System area summary', 'Partition '
                                        'offset', 'GPT partition GUID',
                                        'MBR partition  '))]
        self.assertEqual(kinds(self.base), kinds(self.written))


class NamedTree:
    """For kinds whose tree keeps names as they are."""

    def test_grub_reads_an_injected_file(self):
        path = '/openstack/latest/meta_data.json'
        self.assertEqual(self.files[path],
                         judges.grub_file(self.written, path))


class WithInitrd:
    """For kinds with an initrd in the ISO's own tree."""

    def test_every_initrd_is_the_base_initrd_and_the_new_files(self):
        before = self.base_content(self.kind.initrd)
        now = self.content(self.kind.initrd)
        self.assertEqual(before, now[:len(before)])
        start = -(-len(before) // 4) * 4
        self.assertEqual(INITRD_FILES, judges.cpio_files(now[start:]))


class WithEsp:
    """For kinds that boot by UEFI."""

    def test_the_esp_is_sound_and_has_the_arguments(self):
        esp = judges.esp_file(self.written, self.scratch)
        judges.fsck_fat(esp)
        for path in self.kind.esp_configs:
            self.check_config(judges.fat_file(esp, path), where=path)
        before = judges.esp_file(self.base, self.scratch)
        for path in self.kind.stubs:
            self.assertEqual(judges.fat_file(before, path),
                             judges.fat_file(esp, path))

    def test_the_gpt_agrees_with_el_torito_on_the_esp(self):
        by_gpt = judges.gpt_esp(self.written)
        self.assertEqual(judges.gpt_esp(self.base) is None, by_gpt is None)
        if by_gpt is None:
            return
        [entry] = [entry for entry in judges.el_torito(self.written)
                   if entry.platform == 'UEFI']
        self.assertEqual(by_gpt[0], entry.sector * judges.SECTOR)
        if by_gpt[1] < 512 << 16:
            self.assertEqual(by_gpt[1], entry.load_size * 512)


class WithChecksumList:
    """For kinds with an md5sum.txt."""

    def test_md5sum_txt_holds_where_it_names_a_file(self):
        lines = (self.tree / 'md5sum.txt').read_text().splitlines()
        self.assertNotEqual([], lines)
        for line in lines:
            digest, name = line.split(None, 1)
            self.assertEqual(digest, hashlib.md5(
                (self.tree / name).read_bytes(),
                usedforsecurity=False).hexdigest(), name)


def _case(kind: isos.Kind) -> type[unittest.TestCase]:
    behaviours = [BootableImage if kind.firmware else WrittenImage]
    if kind.trees != _PLAIN:
        behaviours.append(NamedTree)
    if kind.initrd:
        behaviours.append(WithInitrd)
    if 'uefi' in kind.firmware:
        behaviours.append(WithEsp)
    if kind is isos.KINDS['ubuntu_like']:
        behaviours.append(WithChecksumList)
    name = ''.join(word.title() for word in kind.name.split('_')) + 'Test'
    return type(name, (*behaviours, unittest.TestCase),
                {'kind': kind, '__module__': __name__})


for _case_class in [_case(kind) for kind in isos.BUILDERS
                    if 'udf' not in kind.trees]:
    globals()[_case_class.__name__] = _case_class
del _case_class


class UdfBridgeTest(unittest.TestCase):

    def test_an_image_with_udf_is_refused_with_the_reason(self):
        with iso.IsoImage.open(isos.shared('udf_bridge')) as image:
            with self.assertRaises(iso.InjectionError) as caught:
                iso.inject(image, iso.Injection(files={'/a': b'b'}))
        self.assertIn('UDF', str(caught.exception))
