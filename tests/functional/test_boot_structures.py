# SPDX-License-Identifier: Apache-2.0

"""Partition tables, the boot catalog and CoreOS areas, on values."""

import json
import pathlib
import struct
import subprocess
import zlib

import fixtures
import testtools

from ironic_ext.iso import el_torito
from ironic_ext.iso import errors
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso import partitions
from ironic_ext.iso import source as base_source


class PartitionsTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'disk'

    def _read(self) -> partitions.Tables:
        with base_source.Source(self.path) as source:
            return partitions.read(source)

    def _gpt_disk(self) -> None:
        self.path.write_bytes(bytes(8 << 20))
        subprocess.run(
            ['sgdisk', '-n', '1:2048:6143', '-t', '1:0700',
             '-n', '2:6144:8191', '-t', '2:ef00', str(self.path)],
            check=True, capture_output=True)

    def test_a_gpt_is_read_as_sgdisk_wrote_it(self) -> None:
        self._gpt_disk()
        tables = self._read()
        self.assertEqual(
            [('gpt', 1, 2048 * 512, 4096 * 512, False),
             ('gpt', 2, 6144 * 512, 2048 * 512, True)],
            [(p.table, p.number, p.start, p.length, p.esp)
             for p in tables.partitions if p.table == 'gpt'])

    def test_a_grown_gpt_is_valid_to_sgdisk(self) -> None:
        self._gpt_disk()
        size = 12 << 20
        data = bytearray(self.path.read_bytes()).ljust(size, b'\0')
        patches, backup = partitions.grown(
            self._read(), size, {('gpt', 2): (8 << 20, 1 << 20)})
        for offset, patch in patches:
            data[offset:offset + len(patch)] = patch
        data[size - len(backup):] = backup
        self.path.write_bytes(data)
        seen = subprocess.run(['sgdisk', '-v', '-p', str(self.path)],
                              check=True, capture_output=True, text=True)
        self.assertIn('No problems found', seen.stdout)
        self.assertEqual(9 << 20, self._read().partitions[-1].end)

    def test_a_gpt_with_a_wrong_checksum_is_taken_as_absent(self) -> None:
        self._gpt_disk()
        data = bytearray(self.path.read_bytes())
        data[1024 + 40] ^= 1
        self.path.write_bytes(data)
        self.assertIsNone(self._read().gpt)

    def test_boot_code_is_no_partition_table(self) -> None:
        self.path.write_bytes(b'\xeb' * 510 + b'\x55\xaa' + bytes(4096))
        self.assertEqual(partitions.Tables(None, None, ()), self._read())

    def test_a_size_beyond_an_mbr_is_refused(self) -> None:
        mbr = bytearray(512)
        mbr[446 + 4] = 0x17
        mbr[446 + 12:446 + 16] = (100).to_bytes(4, 'little')
        mbr[510:] = b'\x55\xaa'
        self.path.write_bytes(bytes(mbr) + bytes(4096))
        self.assertRaises(errors.InjectionError, partitions.grown,
                          self._read(), 1 << 42,
                          {('mbr', 1): (0, 1 << 42)})

    def _write_entry_at_the_end(self, kind: int) -> None:
        """Write an MBR whose partition starts as late as one can."""
        mbr = bytearray(512)
        mbr[446 + 4] = kind
        mbr[446 + 8:446 + 12] = b'\xff' * 4
        mbr[446 + 12:446 + 16] = (100).to_bytes(4, 'little')
        mbr[510:] = b'\x55\xaa'
        self.path.write_bytes(bytes(mbr) + bytes(4096))

    def test_a_start_that_moves_beyond_an_mbr_is_refused(self) -> None:
        self._write_entry_at_the_end(0x17)
        tables = self._read()
        start = tables.partitions[0].start + (1 << 20)
        self.assertRaises(errors.InjectionError, partitions.grown, tables,
                          8 << 20, {('mbr', 1): (start, 100 * 512)})

    def test_a_protective_entry_beyond_the_image_stays_as_it_is(
            self) -> None:
        self._write_entry_at_the_end(0xee)
        self.assertEqual(([], b''),
                         partitions.grown(self._read(), 8 << 20, {}))

    def test_a_gpt_partition_beyond_any_disk_is_left_out(self) -> None:
        self._gpt_disk()
        data = bytearray(self.path.read_bytes())
        data[1024 + 128 + 40:1024 + 128 + 48] = b'\xff' * 8
        entries = bytes(data[1024:1024 + 128 * 128])
        struct.pack_into('<I', data, 512 + 88, zlib.crc32(entries))
        struct.pack_into('<I', data, 512 + 16, 0)
        struct.pack_into('<I', data, 512 + 16, zlib.crc32(data[512:604]))
        self.path.write_bytes(data)
        self.assertEqual([1], [p.number for p in self._read().partitions
                               if p.table == 'gpt'])


class ElToritoTest(testtools.TestCase):

    def test_a_catalog_without_validation_is_refused(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'x').write_bytes(bytes(4096))
        with base_source.Source(folder / 'x') as source:
            self.assertRaises(errors.CorruptImageError, el_torito.read,
                              source, 1)

    def test_an_image_too_long_for_blocks_is_entered_as_0(self) -> None:
        self.assertEqual(bytes.fromhex('0800') + bytes.fromhex('64000000'),
                         el_torito.moved(100, 4096))
        self.assertEqual(bytes(2) + bytes.fromhex('64000000'),
                         el_torito.moved(100, 64 << 20))


class CoreOsTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.facts = {
            'default': 'a=1 quiet', 'size': 40,
            'files': [{'path': 'EFI/fedora/grub.cfg', 'offset': 5,
                       'pad': '#', 'end': '\n'}]}
        self.data = (b'LINUX' + b'a=1 quiet\n'.ljust(40, b'#')
                     + b' # COREOS_KARG_EMBED_AREA')

    def _edit(self, append=(), delete=()) -> bytes:
        areas = coreos.parse(json.dumps(self.facts).encode())
        return areas.edited(areas.areas[0], self.data, append, delete)

    def test_arguments_go_into_the_area_and_nothing_moves(self) -> None:
        data = self._edit(('b=2',), ('quiet',))
        self.assertEqual(b'LINUX' + b'a=1 b=2\n'.ljust(40, b'#')
                         + b' # COREOS_KARG_EMBED_AREA', data)

    def test_arguments_too_long_for_the_area_are_refused(self) -> None:
        error = self.assertRaises(errors.KernelArgumentError, self._edit,
                                  ('x' * 40,))
        self.assertIn('reserves has 39', str(error))

    def test_a_word_outside_the_area_cannot_be_removed(self) -> None:
        error = self.assertRaises(errors.KernelArgumentError, self._edit,
                                  (), ('LINUXa=1', '#'))
        self.assertIn('outside the kernel argument area', str(error))

    def test_a_malformed_description_is_refused(self) -> None:
        for facts in (b'', b'[]', b'{"size": -1, "files": []}',
                      b'{"size": 9, "files": [{"path": 7}]}',
                      b'{"size": 1e99, "files": [{"path": "x"}]}',
                      json.dumps({**self.facts, 'files': 65 * [
                          self.facts['files'][0]]}).encode()):
            self.assertRaises(errors.CorruptImageError, coreos.parse,
                              facts)


class _Files:
    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def read(self, path: str) -> tuple[str, bytes] | None:
        return next(((name, data) for name, data in self.files.items()
                     if name.casefold() == path.casefold()), None)

    def names(self, path: str) -> list[str]:
        prefix = path.rstrip('/') + '/'
        return sorted({name[len(prefix):].partition('/')[0]
                       for name in self.files if name.startswith(prefix)})


class FindTest(testtools.TestCase):

    def test_labels_of_an_included_file_have_the_global_arguments(
            self) -> None:
        main, part = discovery.find(_Files({
            '/isolinux/isolinux.cfg':
                b'append quiet\ninclude part.cfg\n',
            '/isolinux/part.cfg': b'label a\n  kernel /vmlinuz\n'}))
        self.assertEqual(('quiet',), part.entries[0].arguments)
        self.assertEqual(part.data, part.edited(('new',), ()))
        self.assertIn(b'append quiet new', main.edited(('new',), ()))

    def test_isolinux_takes_every_path_from_where_it_began(self) -> None:
        found = discovery.find(_Files({
            '/isolinux.cfg': b'include di/boot/menu.cfg\n',
            '/di/boot/menu.cfg': b'include di/boot/txt.cfg\n',
            '/di/boot/txt.cfg':
                b'label a\n kernel di/linux\n append initrd=di/gz\n'}))
        self.assertEqual('/di/boot/txt.cfg', found[-1].path)
        self.assertEqual([['/di/gz']], found[-1].initrds())

    def test_files_that_include_one_another_are_read_once(self) -> None:
        found = discovery.find(_Files({
            '/boot/grub/grub.cfg': b'configfile /boot/grub/a.cfg\n',
            '/boot/grub/a.cfg': b'source /boot/grub/grub.cfg\n'}))
        self.assertEqual(['/boot/grub/grub.cfg', '/boot/grub/a.cfg'],
                         [config.path for config in found])

    def test_every_directory_of_efi_is_looked_into(self) -> None:
        found = discovery.find(_Files({
            '/EFI/vendor/GRUB.CFG': b'linux /v\n',
            '/EFI/BOOT/BOOT.conf': b'linux /v\n',
            '/loader/entries/x.conf': b'linux /v\noptions a\n'}))
        self.assertEqual(3, len(found))


class ResolveTest(testtools.TestCase):

    def test_paths_mean_what_their_boot_loader_makes_of_them(self) -> None:
        for path, kind, expected in (
                ('/boot/x.cfg', 'grub', '/boot/x.cfg'),
                ('($root)/images/v', 'grub', '/images/v'),
                ('(hd0,gpt1)/v', 'grub', '/v'),
                ('$prefix/x.cfg', 'grub', '/home/x.cfg'),
                ('${prefix}/../y', 'grub', '/y'),
                ('$config_directory/x', 'grub', '/home/below/x'),
                ('$else/x.cfg', 'grub', None),
                ('relative', 'grub', None),
                ('txt.cfg', 'isolinux', '/home/txt.cfg'),
                ('/a/../b', 'isolinux', '/b'),
                ('\\linux', 'systemd-boot', '/linux')):
            loader = next(one for one in discovery.LOADERS
                          if one.name == kind)
            config = discovery.ConfigFile(
                '/home/below/x.cfg', loader, b'', (), '/home')
            self.assertEqual(expected, config.resolve(path), path)
