# SPDX-License-Identifier: Apache-2.0

"""Injections into every kind of image, read back through the engine.

Other readers and real boot loaders judge the same in the functional and
end-to-end tests.
"""

import hashlib
import os
import pathlib

import fixtures
import testtools
from testtools import matchers

from ironic_ext import iso
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso import segments
from tests import isos
from tests import unit

FILES = {'/openstack/latest/meta_data.json': b'{"uuid": "1"}',
         '/openstack/latest/user_data': b'#cloud-config\n' * 300,
         '/NEW-file.name.txt': b'new', '/README.TXT': b'replaced',
         '/empty': b''}
#: Names that a tree without Rock Ridge and Joliet can carry as they are.
PLAIN_FILES = {path: content for path, content in FILES.items()
               if path != '/NEW-file.name.txt'}
BOOTABLE = [kind for kind in isos.BUILDERS
            if kind.configs or kind.esp_configs]


class InjectionTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(unit.WithoutSync())
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def _inject(self, path, **what) -> iso.SegmentMap:
        with iso.IsoImage.open(path) as image:
            made = iso.inject(image, iso.Injection(**what))
        self.addCleanup(made.close)
        return made

    def _written(self, path, **what) -> iso.IsoImage:
        out = self.dir / 'out.iso'
        self._inject(path, **what).write(out)
        image = iso.IsoImage.open(out)
        self.addCleanup(image.close)
        return image

    def test_files_are_in_every_tree_of_every_kind(self) -> None:
        for kind in isos.BUILDERS:
            if kind.name == 'udf_bridge':
                continue
            files = PLAIN_FILES if kind.name == 'plain_9660' else FILES
            with self.subTest(kind.name):
                image = self._written(isos.shared(kind.name), files=files)
                for tree in image.trees:
                    for path, content in files.items():
                        found = tree.find(path)
                        self.assertIsNotNone(found, (tree.kind, path))
                        self.assertEqual(content, image.read_entry(
                            tree.entry(*found)))

    def test_nothing_but_a_backup_gpt_is_at_the_very_end(self) -> None:
        # As much as a boot loader may read in one go.
        length = 32 << 10
        for kind in BOOTABLE:
            base = isos.shared(kind.name)
            with iso.IsoImage.open(base) as image:
                gpt = image.tables.gpt is not None
            made = self._inject(base, files=PLAIN_FILES)
            end = made.read(made.size - length, length)
            self.assertEqual(gpt, any(end), kind.name)

    def test_everything_else_stays_as_it_was(self) -> None:
        for kind in isos.BUILDERS:
            if kind.name == 'udf_bridge':
                continue
            with self.subTest(kind.name):
                with iso.IsoImage.open(isos.shared(kind.name)) as base:
                    before = {entry.path: self._sum(base, entry)
                              for entry in base.walk()}
                    volume_id = base.volume_id
                    dates = base.volumes.primary.data[813:881]
                image = self._written(isos.shared(kind.name),
                                      files={'/openstack/x': b'y'},
                                      media_check='keep')
                after = {entry.path: self._sum(image, entry)
                         for entry in image.walk()}
                if '/md5sum.txt' in before:
                    before.pop('/md5sum.txt')
                for path, value in before.items():
                    self.assertEqual(value, after[path], path)
                self.assertEqual(volume_id, image.volume_id)
                self.assertEqual(dates,
                                 image.volumes.primary.data[813:881])

    @staticmethod
    def _sum(image, entry):
        if entry.is_dir or entry.link_target or entry.compressed:
            return entry.is_dir, entry.link_target
        return hashlib.sha256(image.read_entry(entry)).hexdigest()

    def test_arguments_reach_every_kernel_of_every_configuration(
            self) -> None:
        for kind in BOOTABLE:
            with self.subTest(kind.name):
                image = self._written(
                    isos.shared(kind.name), append_args='new=1 other',
                    delete_args=('quiet',))
                configs = discovery.tree_configs(image)
                for number in range(len(image.esps)):
                    configs += discovery.esp_configs(image, number)
                entries = [entry for config in configs
                           for entry in config.entries]
                self.assertThat(entries, matchers.Not(
                    matchers.HasLength(0)))
                for config in configs:
                    for entry in config.entries:
                        where = (config.path, entry)
                        self.assertIn('new=1', entry.arguments, where)
                        self.assertIn('other', entry.arguments, where)
                        self.assertNotIn('quiet', entry.arguments, where)

    def test_the_initrd_grows_by_reference(self) -> None:
        for kind in BOOTABLE:
            if kind.initrd is None:
                continue
            with self.subTest(kind.name):
                base = isos.shared(kind.name)
                with iso.IsoImage.open(base) as image:
                    old = image.read_file(kind.initrd)
                image = self._written(
                    base, initrd_files={'/etc/node.conf': b'content'})
                new = image.read_file(kind.initrd)
                self.assertTrue(new.startswith(old))
                # Eight zeros more, for a kernel that unpacks lz4.
                added = new[len(old) + -len(old) % 4 + 8:]
                self.assertTrue(added.startswith(b'070701'))
                self.assertIn(b'etc/node.conf\0', added)

    def test_the_overlay_costs_what_is_injected(self) -> None:
        for kind in isos.BUILDERS:
            if kind.name == 'udf_bridge':
                continue
            with self.subTest(kind.name):
                made = self._inject(isos.shared(kind.name),
                                    files={'/openstack/x': b'y' * 1000})
                self.assertThat(len(made.dump()),
                                matchers.LessThan(1000 + 65536))

    def test_equal_input_gives_equal_output(self) -> None:
        what = {'append_args': 'a', 'files': FILES}
        base = isos.shared('hybrid')
        self.assertEqual(self._inject(base, **what).digest,
                         self._inject(base, **what).digest)

    def test_an_open_image_can_be_customised_many_times(self) -> None:
        injection = iso.Injection(append_args='a', files=FILES,
                                  initrd_files={'/x': b'content'})
        for name in ('isolinux_bios', 'hybrid', 'lorax_like'):
            with self.subTest(name), iso.IsoImage.open(
                    isos.shared(name)) as image:
                digests = set()
                for _ in range(3):
                    with iso.inject(image, injection) as made:
                        digests.add(made.digest)
                self.assertEqual(1, len(digests))

    def test_what_moves_can_share_its_blocks_with_the_base(self) -> None:
        for name in ('isolinux_bios', 'hybrid', 'lorax_like'):
            # Of other lengths each time: it must not fit by chance.
            for count in (1, 4096):
                with self.subTest(name, count=count):
                    made = self._inject(
                        isos.shared(name), files={'/x': bytes(count)},
                        initrd_files={'/x': b'content'})
                    offset = 0
                    for piece in made.segments:
                        if (isinstance(piece, segments.BaseRange)
                                and piece.length >= 4096):
                            self.assertEqual(
                                piece.offset % 4096, offset % 4096)
                        offset += piece.length

    def test_an_empty_injection_is_the_base(self) -> None:
        for kind in isos.BUILDERS:
            if kind.name == 'udf_bridge':
                continue
            base = isos.shared(kind.name)
            made = self._inject(base)
            self.assertEqual(0, made.literal_bytes, kind.name)
            self.assertEqual(base.stat().st_size, made.size)

    def test_an_injected_image_can_be_injected_again(self) -> None:
        for name in ('hybrid', 'lorax_like', 'deep_tree', 'esp_full'):
            kind = isos.KINDS[name]
            path = isos.shared(name)
            for number in range(3):
                out = self.dir / f'{number}.iso'
                what = {'files': {f'/added/{number}': b'%d' % number}}
                if kind.configs or kind.esp_configs:
                    what['append_args'] = f'n{number}'
                self._inject(path, **what).write(out)
                path = out
            with iso.IsoImage.open(path) as image:
                self.assertEqual(
                    ['0', '1', '2'],
                    [entry.name for entry in image.listdir('/added')])

    def test_many_names_split_a_directory(self) -> None:
        files = {f'/many/name number {number}.conf': b'%d' % number
                 for number in range(200)}
        files |= {f'/docs/also {number}': b'x' for number in range(60)}
        for name in ('plain_rr_joliet', 'lorax_like'):
            image = self._written(isos.shared(name), files=files)
            for tree in image.trees:
                for path, content in files.items():
                    self.assertEqual(content, image.read_entry(
                        tree.entry(*tree.find(path))))

    def test_a_moved_directory_is_found_from_its_children(self) -> None:
        files = {f'/name {number}': b'' for number in range(120)}
        image = self._written(isos.shared('deep_tree'), files=files)
        for tree in image.trees:
            root = tree.root.records.own.extent
            for node in tree.root.children.values():
                if node.is_dir:
                    above = tree.enter(node, node.name).records.parent
                    self.assertEqual(root, above.extent)

    def test_replacing_one_of_two_hard_links_leaves_the_other(self) -> None:
        base = isos.shared('hard_links')
        with iso.IsoImage.open(base) as image:
            by_place: dict[int, list[iso.Entry]] = {}
            for entry in image.walk():
                if not entry.is_dir and entry.size:
                    by_place.setdefault(entry.sections[0][0],
                                        []).append(entry)
            one, two = next(group for group in by_place.values()
                            if len(group) > 1)[:2]
            old = image.read_entry(two)
        image = self._written(base, files={one.path: b'changed'})
        self.assertEqual(b'changed', image.read_file(one.path))
        self.assertEqual(old, image.read_file(two.path))

    def test_an_appended_esp_moves_behind_the_added_files(self) -> None:
        base = isos.shared('lorax_like')
        with iso.IsoImage.open(base) as image:
            old = image.esps[0]
            content = image.source.read(old.start, old.size, 'it')
        image = self._written(base, files=FILES)
        esp, = image.esps
        self.assertThat(esp.start, matchers.GreaterThan(old.start))
        self.assertEqual(content,
                         image.source.read(esp.start, esp.size, 'it'))
        first = next(p for p in image.tables.partitions
                     if p.table == 'gpt')
        self.assertEqual(esp.start, first.end)
        inner = image.inner_volumes.primary
        self.assertEqual(first.end,
                         (inner.sectors + inner.shift) * 2048)

    def test_a_full_esp_is_replaced_by_a_larger_one(self) -> None:
        base = isos.shared('esp_full')
        image = self._written(base, append_args='word=' + 'x' * 3000)
        with iso.IsoImage.open(base) as old:
            self.assertThat(image.esps[0].size,
                            matchers.GreaterThan(old.esps[0].size))
        entry = next(e for e in image.boot_entries if e.platform == 'uefi')
        self.assertIn(entry.sector * 2048,
                      [esp.start for esp in image.esps])

    def test_checksums_of_changed_files_are_kept_right(self) -> None:
        base = isos.shared('ubuntu_like')
        image = self._written(base, append_args='autoinstall',
                              initrd_files={'/x': b'y'})
        lines = image.read_file('/md5sum.txt').decode().splitlines()
        self.assertThat(lines, matchers.Not(matchers.HasLength(0)))
        for line in lines:
            value, _, path = line.partition('  ')
            # md5 is what the file format uses.
            self.assertEqual(value, hashlib.md5(
                image.read_file(path), usedforsecurity=False).hexdigest())
            self.assertNotIn('initrd', path)

    def test_an_edited_esp_has_no_stale_checksum(self) -> None:
        base = isos.shared('esp_fat12')
        path = '/images/efiboot.img'
        lines = ''.join(
            f'{"0" * 32}  .{name}\n' for name in (path, '/README.TXT'))
        listed = self.dir / 'listed.iso'
        self._inject(base, files={'/md5sum.txt': lines.encode()}
                     ).write(listed)
        image = self._written(listed, append_args='a=1')
        self.assertEqual(f'{"0" * 32}  ./README.TXT\n',
                         image.read_file('/md5sum.txt').decode())

    def test_the_media_check_is_dropped_from_the_command_line(self) -> None:
        made = self._inject(isos.shared('implanted'), append_args='x')
        self.assertThat(made.warnings, matchers.HasLength(1))
        image = self._written(isos.shared('implanted'), append_args='x')
        for config in discovery.tree_configs(image):
            self.assertNotIn(b'rd.live.check', config.data)
        image = self._written(isos.shared('implanted'), append_args='x',
                              media_check='keep')
        self.assertIn(b'rd.live.check', b''.join(
            config.data for config in discovery.tree_configs(image)))

    def test_a_command_line_that_a_kernel_would_cut_is_warned_of(
            self) -> None:
        made = self._inject(isos.shared('grub_bios'),
                            append_args='a=' + 'x' * 2100)
        self.assertIn('drop what comes after', made.warnings[0])

    def test_coreos_areas_keep_their_place(self) -> None:
        base = isos.shared('coreos_like')
        image = self._written(base, append_args='ignition.config.url=x')
        with iso.IsoImage.open(base) as old:
            self.assertEqual(old.read_file('/coreos/kargs.json'),
                             image.read_file('/coreos/kargs.json'))
            for path in isos.KINDS['coreos_like'].configs:
                self.assertEqual(len(old.read_file(path)),
                                 len(image.read_file(path)))
                self.assertIn(b'ignition.config.url=x',
                              image.read_file(path))

    def test_arguments_apply_to_a_configuration_that_is_given(self) -> None:
        config = b'linux /live/vmlinuz a\ninitrd /live/initrd.img\n'
        path = isos.KINDS['grub_bios'].configs[0]
        image = self._written(isos.shared('grub_bios'),
                              files={path: config}, append_args='b=2')
        self.assertIn(b'linux /live/vmlinuz a b=2\n',
                      image.read_file(path))

    def test_what_boots_by_nothing_has_its_configuration_changed_alone(
            self) -> None:
        what = {'append_args': 'b=2', 'files': {
            '/boot/grub/grub.cfg': b'linux /vmlinuz a\n'}}
        with iso.IsoImage.open(isos.shared('plain_rr_joliet')) as image:
            error = self.assertRaises(
                iso.InjectionError, iso.inject, image, iso.Injection(**what))
            self.assertTrue(str(error).endswith('boots by nothing'), error)
            with iso.inject(image, iso.Injection(**what),
                            partial=True) as made:
                self.assertEqual([str(error)], list(made.warnings))
                self.assertIn(b'linux /vmlinuz a b=2\n',
                              made.read(0, made.size))


class RefusalTest(testtools.TestCase):

    def _refused(self, name: str, **what) -> str:
        with iso.IsoImage.open(isos.shared(name)) as image:
            return str(self.assertRaises(
                iso.InjectionError, iso.inject, image,
                iso.Injection(**what)))

    def test_a_udf_bridge_is_refused_with_the_reason(self) -> None:
        self.assertIn('UDF', self._refused('udf_bridge', append_args='x'))

    def test_arguments_need_a_configuration(self) -> None:
        self.assertIn('no boot configuration', self._refused(
            'plain_rr_joliet', append_args='x'))

    def test_initrd_files_need_an_initrd(self) -> None:
        self.assertIn('initrd', self._refused(
            'plain_rr_joliet', initrd_files={'/x': b''}))

    def test_a_directory_is_not_replaced_by_a_file(self) -> None:
        self.assertIn('is a directory', self._refused(
            'plain_rr_joliet', files={'/docs': b''}))

    def test_a_file_is_not_a_directory(self) -> None:
        self.assertIn('is a file', self._refused(
            'plain_rr_joliet', files={'/README.TXT/x': b''}))

    def test_boot_images_are_not_replaced(self) -> None:
        self.assertIn('boot image', self._refused(
            'isolinux_bios', files={'/isolinux/isolinux.bin': b'x'}))

    def test_a_path_table_that_claims_too_much_is_refused(self) -> None:
        data = bytearray(isos.shared('rr_only').read_bytes())
        data[32768 + 132:32768 + 136] = (1 << 30).to_bytes(4, 'little')
        path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'base'
        path.write_bytes(data)
        os.truncate(path, 2 << 30)
        with iso.IsoImage.open(path) as image:
            error = self.assertRaises(
                iso.CorruptImageError, iso.inject, image,
                iso.Injection(files={'/new/file': b'x'}))
        self.assertIn('claims 1073741824 bytes', str(error))

    def test_names_too_long_are_refused(self) -> None:
        self.assertIn('bytes', self._refused(
            'rr_only', files={'/' + 'n' * 200: b''}))
        self.assertIn('ASCII', self._refused(
            'plain_9660', files={'/' + 'n' * 60: b''}))

    def test_malformed_injections_are_refused(self) -> None:
        for what, word in (
                ({'append_args': 'a\nb'}, 'newline'),
                ({'append_args': 'a\0b'}, 'NUL'),
                ({'append_args': 'a="b'}, 'quote'),
                ({'delete_args': ('a b',)}, 'one kernel argument'),
                ({'files': {'/a/../b': b''}}, '..'),
                ({'files': {'/': b''}}, 'not a path'),
                ({'files': {'/a/': b''}}, 'not a path'),
                ({'files': {'/a\nb': b''}}, 'control'),
                ({'files': {'/a': b'', 'a': b''}}, 'twice'),
                ({'files': {'/a': b'', '/a/b': b''}}, 'directory'),
                ({'initrd_files': {'../etc/passwd': b''}}, '..'),
                ({'media_check': 'maybe'}, 'media_check')):
            error = self.assertRaises(iso.InjectionError, iso.Injection,
                                      **what)
            self.assertIn(word, str(error))
