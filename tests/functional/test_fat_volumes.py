# SPDX-License-Identifier: Apache-2.0

import os
import random
import struct
import subprocess
import tempfile

import testtools

from ironic_ext.iso import errors
from ironic_ext.iso.fat import volume as fat

KIB = 1024
MIB = 1024 * KIB

# Name: bytes of the volume and the options of mkfs.vfat.
KINDS = {
    'fat12': (1440 * KIB, ('-F', '12', '-s', '1')),
    'fat12-4k': (4 * MIB, ('-F', '12', '-s', '8')),
    'fat16': (8 * MIB, ('-F', '16', '-s', '1')),
    'fat16-2k': (16 * MIB, ('-F', '16', '-s', '4')),
    'fat32': (40 * MIB, ('-F', '32', '-s', '1')),
    'fat16-sector': (20 * MIB, ('-F', '16', '-S', '2048', '-s', '1')),
}
# Linux, GRUB and EDK2 read it, mtools does not: too few clusters.
SMALL_FAT32 = (4 * MIB, ('-F', '32', '-s', '1'))


class VolumeTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def make(self, kind, files=None):
        """Format a volume and fill it with mtools; returns its path."""
        size, options = KINDS.get(kind, SMALL_FAT32)
        path = os.path.join(self.folder, kind + '.img')
        with open(path, 'wb') as stream:
            stream.truncate(size)
        self.run_tool('mkfs.vfat', '-i', '12345678', *options, path)
        for name, data in (files or {}).items():
            folder = ''
            for part in name.split('/')[:-1]:
                folder += '/' + part
                subprocess.run(['mmd', '-D', 's', '-i', path, '::' + folder],
                               capture_output=True, stdin=subprocess.DEVNULL)
            source = os.path.join(self.folder, 'source')
            with open(source, 'wb') as stream:
                stream.write(data)
            self.run_tool('mcopy', '-o', '-i', path, source, '::/' + name)
        return path

    def run_tool(self, *command):
        done = subprocess.run(command, capture_output=True,
                              stdin=subprocess.DEVNULL)
        self.assertEqual(0, done.returncode, (command, done.stdout,
                                              done.stderr))
        return done.stdout

    def open(self, path):
        stream = open(path, 'rb')
        self.addCleanup(stream.close)
        self.reads = []

        def read(offset, length):
            self.reads.append((offset, length))
            return os.pread(stream.fileno(), length, offset)

        return fat.FatVolume(read, os.path.getsize(path))

    def patch(self, path, patches):
        with open(path, 'r+b') as stream:
            for offset, data in patches:
                stream.seek(offset)
                stream.write(data)

    def check(self, path, wanted):
        """Ask fsck.fat and mtools whether the volume holds the files."""
        self.run_tool('fsck.fat', '-n', path)
        out = os.path.join(self.folder, 'out')
        os.mkdir(out)
        self.run_tool('mcopy', '-s', '-n', '-i', path, '::/', out)
        found = {}
        for folder, _folders, names in os.walk(out, topdown=False):
            for name in names:
                full = os.path.join(folder, name)
                with open(full, 'rb') as stream:
                    found[os.path.relpath(full, out)] = stream.read()
                os.unlink(full)
            os.rmdir(folder)
        self.assertEqual(sorted(wanted), sorted(found))
        for name, data in wanted.items():
            self.assertEqual(data, found[name], name)

    def write_pieces(self, volume_path, pieces):
        target = volume_path + '.grown'
        with open(volume_path, 'rb') as base, open(target, 'wb') as out:
            for piece in pieces:
                if isinstance(piece, tuple):
                    base.seek(piece[0])
                    piece = base.read(piece[1])
                out.write(piece)
        return target


TREE = {
    'EFI/BOOT/BOOTX64.EFI': b'MZ' * 5000,
    'EFI/BOOT/grub.cfg': b'search --file /x\n',
    'EFI/fedora/A long file name.conf': b'long\n' * 300,
    'lower.txt': b'', 'UPPER.TXT': b'u' * 511,
}


class ReadTestCase(VolumeTestCase):

    def test_what_mtools_wrote_is_read(self):
        for kind in KINDS:
            volume = self.open(self.make(kind, TREE))
            self.assertEqual(int(kind[3:5]), volume.bits)
            for name, data in TREE.items():
                self.assertEqual(data, volume.read_file('/' + name))
            self.assertEqual(
                sorted(TREE), sorted(entry.path[1:] for entry in
                                     volume.walk() if not entry.is_dir))

    def test_names_are_found_in_any_case_and_in_short(self):
        volume = self.open(self.make('fat16', TREE))
        self.assertEqual(TREE['EFI/BOOT/grub.cfg'],
                         volume.read_file('efi/Boot/GRUB.CFG'))
        entry = volume.lookup('/EFI/FEDORA/ALONGF~1.CON')
        self.assertEqual('/EFI/fedora/A long file name.conf', entry.path)

    def test_a_missing_path_is_none_or_a_named_error(self):
        volume = self.open(self.make('fat12', TREE))
        self.assertIsNone(volume.lookup('/EFI/none'))
        self.assertIsNone(volume.lookup('/UPPER.TXT/x'))
        self.assertTrue(volume.lookup('/').is_dir)
        for call, path in ((volume.read_file, '/EFI'),
                           (volume.read_file, '/nope'),
                           (volume.listdir, '/UPPER.TXT')):
            exc = self.assertRaises(errors.NoSuchPathError, call, path)
            self.assertIn(path, str(exc))

    def test_a_lookup_reads_a_few_blocks_of_a_big_volume(self):
        path = self.make('fat32', dict(TREE, big=bytes(20 * MIB)))
        volume = self.open(path)
        self.assertIsNotNone(volume.lookup('/EFI/BOOT/grub.cfg'))
        self.assertLess(sum(length for _offset, length in self.reads),
                        64 * KIB)


class PlanTestCase(VolumeTestCase):

    def test_files_are_replaced_and_created_on_every_kind(self):
        for kind in KINDS:
            path = self.make(kind, TREE)
            files = {
                '/efi/boot/GRUB.CFG': b'new\n' * 2000,
                'EFI/BOOT/BOOTX64.EFI': b'short',
                'lower.txt': b'no longer empty',
                'UPPER.TXT': b'',
                'loader/entries/my entry.conf': b'options a=1\n',
                'loader/credentials/\u00e9t\u00e9 \u2603.cred': b'x' * 5000,
                'EFI/BOOT/NEW.CFG': b'8.3',
            }
            self.patch(path, self.open(path).plan(files))
            wanted = dict(TREE)
            wanted.update({
                'EFI/BOOT/grub.cfg': b'new\n' * 2000,
                'EFI/BOOT/BOOTX64.EFI': b'short',
                'lower.txt': b'no longer empty', 'UPPER.TXT': b'',
                'loader/entries/my entry.conf': b'options a=1\n',
                'EFI/BOOT/NEW.CFG': b'8.3'})
            volume = self.open(path)
            for name, data in dict(files, **wanted).items():
                self.assertEqual(data, volume.read_file(name))
            # mtools cannot name a snowman on every locale.
            self.run_tool('fsck.fat', '-n', path)
            for name, data in wanted.items():
                self.assertEqual(data, self.run_tool(
                    'mtype', '-i', path, '::/' + name))

    def test_a_change_within_a_cluster_costs_little(self):
        path = self.make('fat16-2k', TREE)
        patches = self.open(path).plan(
            {'/EFI/BOOT/grub.cfg': b'search --file /y a=1\n'})
        self.assertEqual(2, len(patches))
        self.assertLess(sum(len(data) for _offset, data in patches), 30)

    def test_patches_are_sorted_and_apart(self):
        path = self.make('fat12', TREE)
        end = 0
        for offset, data in self.open(path).plan(
                {'/a/%d/long name' % i: b'x' * 700 for i in range(9)}):
            self.assertGreater(offset, end - 1)
            end = offset + len(data)

    def test_the_same_plan_has_the_same_bytes(self):
        path = self.make('fat16', TREE)
        files = {'/b/c d': b'x' * 3000, '/a': b'y'}
        self.assertEqual(
            self.open(path).plan(files),
            self.open(path).plan(dict(reversed(list(files.items())))))

    def test_no_change_is_no_patch(self):
        path = self.make('fat32', TREE)
        self.assertEqual([], self.open(path).plan(
            {'/UPPER.TXT': TREE['UPPER.TXT']}))

    def test_too_much_data_says_how_much_room_there_is(self):
        path = self.make('fat12', TREE)
        free = self.open(path)
        exc = self.assertRaises(errors.NoSpaceError, free.plan,
                                {'/big': bytes(2 * MIB)})
        self.assertEqual(2 * MIB, exc.need)
        self.assertIn(str(exc.have), str(exc))
        # What is said to be free is free.
        data = bytes(exc.have)
        self.patch(path, self.open(path).plan({'/lower.txt': data}))
        self.check(path, dict(TREE, **{'lower.txt': data}))

    def test_a_full_fixed_root_directory_is_no_space(self):
        path = self.make('fat12')
        exc = self.assertRaises(
            errors.NoSpaceError, self.open(path).plan,
            {'/F%d' % i: b'' for i in range(600)})
        self.assertIn('directory / ', str(exc))

    def test_a_directory_grows_by_clusters(self):
        for kind in ('fat12', 'fat32'):
            path = self.make(kind, {'d/x': b'1'})
            files = {'d/file number %03d' % i: b'%d' % i for i in range(120)}
            if kind == 'fat32':
                files.update(('root number %03d' % i, b'') for i in range(99))
            self.patch(path, self.open(path).plan(files))
            self.check(path, dict(files, **{'d/x': b'1'}))

    def test_deleted_entries_are_used_again(self):
        path = self.make('fat16', {'d/%02d and more' % i: b'x'
                                   for i in range(12)})
        self.run_tool('mdel', '-i', path, '::/d/03 and more',
                      '::/d/04 and more')
        before = self.open(path).lookup('/d/05 and more').slot
        self.patch(path, self.open(path).plan({'/d/new and more': b'n'}))
        self.assertLess(self.open(path).lookup('/d/new and more').slot,
                        before)
        self.run_tool('fsck.fat', '-n', path)

    def test_similar_long_names_get_distinct_short_names(self):
        path = self.make('fat16')
        files = {'Some long name %d.conf' % i: b'%d' % i for i in range(12)}
        self.patch(path, self.open(path).plan(files))
        self.check(path, files)
        self.assertEqual(12, len({e.short_name for e in
                                  self.open(path).listdir('/')}))

    def test_paths_that_cannot_be_files_are_refused(self):
        path = self.make('fat12', TREE)
        for name in ('/', '', '/a/../b', 'a:b', 'a\0b', 'x.', 'UPPER.TXT/a',
                     '/EFI', 'a' * 256, '\ud800'):
            self.assertRaises(errors.InjectionError,
                              self.open(path).plan, {name: b'x'})

    def test_a_fat32_with_few_clusters_stays_fat32(self):
        path = self.make('fat32-small')
        self.patch(path, self.open(path).plan(TREE))
        self.run_tool('fsck.fat', '-n', path)
        big = {'big file': b'b' * 4 * MIB}
        target = self.write_pieces(path, self.open(path).grow(big))
        self.run_tool('fsck.fat', '-n', target)
        volume = self.open(target)
        self.assertEqual(32, volume.bits)
        for name, data in dict(TREE, **big).items():
            self.assertEqual(data, volume.read_file(name))

    def test_random_file_sets_satisfy_fsck_and_mtools(self):
        rng = random.Random(11)
        for turn in range(24):
            kind = rng.choice(sorted(KINDS))
            path = self.make(kind)
            state = {}
            for _step in range(3):
                files = {}
                for _file in range(rng.randrange(1, 7)):
                    name = rng.choice([
                        'A', 'b.txt', 'long name %d.txt' % rng.randrange(20),
                        'D/x%d' % rng.randrange(30), 'D/e f/deep.Conf'])
                    files[name] = rng.randbytes(rng.choice(
                        [0, 1, 511, 512, 513, 4096, rng.randrange(60000)]))
                self.patch(path, self.open(path).plan(files))
                state.update(files)
            self.check(path, state)


class GrowTestCase(VolumeTestCase):

    def test_a_full_volume_of_every_kind_grows(self):
        for kind in ('fat12', 'fat16', 'fat16-2k', 'fat16-sector', 'fat32'):
            path = self.make(kind, TREE)
            exc = self.assertRaises(
                errors.NoSpaceError, self.open(path).plan,
                {'/big': bytes(KINDS[kind][0])})
            filler = bytes(exc.have)
            with open(os.path.join(self.folder, 'source'), 'wb') as stream:
                stream.write(filler)
            self.run_tool('mcopy', '-i', path, stream.name, '::/filler')
            files = {'EFI/BOOT/grub.cfg': b'g' * 70000,
                     'new dir/file': b'n' * 3000}
            volume = self.open(path)
            self.assertRaises(errors.NoSpaceError, volume.plan, files)
            pieces = volume.grow(files)
            self.assertLess(sum(len(piece) for piece in pieces
                                if isinstance(piece, bytes)), 120000)
            target = self.write_pieces(path, pieces)
            self.assertEqual(0, os.path.getsize(target) % 2048)
            self.check(target, dict(TREE, filler=filler, **files))
            self.assertEqual(volume.bits, self.open(target).bits)

    def test_a_small_fat12_grows_by_the_missing_clusters_only(self):
        path = os.path.join(self.folder, 'esp.img')
        for sectors in range(100, 140):
            with open(path, 'wb') as stream:
                stream.truncate(sectors * 512)
            self.run_tool('mkfs.vfat', '-F', '12', '-s', '1', '-r', '16',
                          '-f', '2', path)
            files = {'a': b'a' * 40000, 'b': b'b' * 30001}
            pieces = self.open(path).grow(files)
            target = self.write_pieces(path, pieces)
            self.assertLess(os.path.getsize(target), 40000 + 30001 + 12000)
            self.check(target, files)

    def test_growth_past_the_fat_type_is_no_space(self):
        path = self.make('fat12')
        exc = self.assertRaises(errors.NoSpaceError, self.open(path).grow,
                                {'/big': bytes(3 * MIB)})
        self.assertIn('FAT12', str(exc))


class HostileTestCase(VolumeTestCase):

    def corrupt(self, path, offset, data):
        self.patch(path, [(offset, data)])
        return self.open(path)

    def test_random_sectors_are_not_fat(self):
        rng = random.Random(1)
        for _turn in range(500):
            data = rng.randbytes(512)
            self.assertRaises(errors.CorruptImageError, fat.FatVolume,
                              lambda o, n, d=data: d[o:o + n], 512)
        self.assertRaises(errors.CorruptImageError, fat.FatVolume,
                          lambda offset, length: b'', 0)

    def test_a_looping_chain_is_refused(self):
        path = self.make('fat16', TREE)
        volume = self.open(path)
        entry = volume.lookup('/EFI/BOOT/BOOTX64.EFI')
        table = volume.geometry.reserved + (entry.cluster + 2) * 2
        volume = self.corrupt(path, table, struct.pack('<H', entry.cluster))
        exc = self.assertRaises(errors.CorruptImageError, volume.read_file,
                                '/EFI/BOOT/BOOTX64.EFI')
        self.assertIn('loop', str(exc))
        self.assertRaises(errors.CorruptImageError, volume.plan,
                          {'/EFI/BOOT/BOOTX64.EFI': b'x'})

    def test_a_directory_within_itself_is_refused(self):
        path = self.make('fat16', TREE)
        volume = self.open(path)
        efi = volume.lookup('/EFI')
        boot = volume.lookup('/EFI/BOOT')
        volume = self.corrupt(path, boot.slot + 26,
                              struct.pack('<H', efi.cluster))
        self.assertRaises(errors.CorruptImageError, list, volume.walk())

    def test_cross_linked_files_are_not_changed(self):
        path = self.make('fat16', TREE)
        volume = self.open(path)
        first = volume.lookup('/EFI/BOOT/BOOTX64.EFI')
        other = volume.lookup('/EFI/BOOT/grub.cfg')
        volume = self.corrupt(path, other.slot + 26,
                              struct.pack('<H', first.cluster + 1))
        exc = self.assertRaises(errors.CorruptImageError, volume.plan,
                                {'/EFI/BOOT/grub.cfg': b'x'})
        self.assertIn('shares cluster', str(exc))

    def test_clusters_and_sizes_out_of_range_are_refused(self):
        path = self.make('fat16', TREE)
        entry = self.open(path).lookup('/UPPER.TXT')
        for at, data in ((26, b'\xf0\xff'), (26, b'\x01\0'),
                         (28, b'\xff\xff\xff\xff')):
            with open(path, 'rb') as stream:
                stream.seek(entry.slot + at)
                before = stream.read(len(data))
            volume = self.corrupt(path, entry.slot + at, data)
            self.assertRaises(errors.CorruptImageError, volume.read_file,
                              '/UPPER.TXT')
            self.corrupt(path, entry.slot + at, before)

    def test_a_cut_off_volume_is_refused_where_it_ends(self):
        path = self.make('fat16', dict(TREE, zz=b'z' * 100000))
        os.truncate(path, 150 * KIB)
        volume = self.open(path)
        self.assertIsNotNone(volume.lookup('/zz'))
        self.assertRaises(errors.CorruptImageError, volume.plan, {'/x': b''})
        self.assertRaises(errors.CorruptImageError, volume.grow, {'/x': b''})

    def test_damaged_bytes_raise_nothing_but_engine_errors(self):
        rng = random.Random(2)
        for kind in ('fat12', 'fat32-small'):
            path = self.make(kind)
            self.patch(path, self.open(path).plan(TREE))
            with open(path, 'rb') as stream:
                data = stream.read()
            meta = self.open(path).geometry.data + 16 * KIB
            for _turn in range(150):
                bad = bytearray(data)
                for _byte in range(rng.randrange(1, 60)):
                    at = rng.choice([rng.randrange(64), rng.randrange(meta)])
                    bad[at] = rng.choice([0, 1, 2, 3, 255, rng.randrange(256)])

                def read(offset, length):
                    return bytes(bad[offset:offset + length])

                try:
                    volume = fat.FatVolume(read, len(bad))
                    for entry in list(volume.walk())[:50]:
                        if not entry.is_dir:
                            volume.read_file(entry.path)
                except errors.IsoError:
                    pass
                for call in ('plan', 'grow'):
                    try:
                        getattr(fat.FatVolume(read, len(bad)), call)(
                            {'/EFI/BOOT/grub.cfg': b'x' * 3000,
                             '/n e w/x': b'y'})
                    except errors.IsoError:
                        pass
