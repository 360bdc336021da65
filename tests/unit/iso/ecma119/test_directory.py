# SPDX-License-Identifier: Apache-2.0

"""Directory records, path tables and the planning canvas."""

import pathlib
import random

import fixtures
import testtools

from ironic_ext.iso import canvas as canvases
from ironic_ext.iso.ecma119 import directory as dirs
from ironic_ext.iso.ecma119 import path_table
from ironic_ext.iso import errors
from ironic_ext.iso import segments as segs
from ironic_ext.iso import source as base_source

DATE = bytes(7)


def _record(identifier: bytes, area: bytes = b'') -> dirs.Record:
    return dirs.new_record(identifier, 100, 5, flags=0, date=DATE,
                           area=area)


def _empty() -> dirs.Directory:
    return dirs.Directory(50, 2048, [[_record(b'\0'), _record(b'\1')]],
                          [0])


class DirectoryTest(testtools.TestCase):

    def test_records_stay_sorted_and_inside_their_sectors(self) -> None:
        rng = random.Random(2)
        names = [b'%08d.%d;1' % (rng.randrange(10 ** 8), number % 7)
                 for number in range(400)]
        directory = _empty()
        for name in names:
            directory.insert(_record(name, bytes(rng.randrange(0, 120))),
                             False)
        found = [record.identifier for record in directory.records()]
        self.assertEqual(sorted(names), sorted(found))
        self.assertEqual(
            found, sorted(found, key=lambda n: dirs.sort_key(n, False)))
        for number in range(len(directory.sectors)):
            self.assertEqual(2048, len(directory.sector_bytes(number)))
        self.assertEqual(b'\0', directory.own.identifier)
        self.assertEqual(b'\1', directory.parent.identifier)
        self.assertEqual(len(directory.sectors), len(directory.origins))
        self.assertEqual(len(directory.sectors) - 1,
                         directory.sectors_missing)

    def test_a_name_that_fits_changes_one_sector_only(self) -> None:
        directory = _empty()
        directory.insert(_record(b'A.;1'), False)
        self.assertEqual(0, directory.sectors_missing)
        self.assertEqual([0], directory.origins)

    def test_joliet_sorts_by_its_ucs2_text(self) -> None:
        names = ['b;1', 'a.txt;1', 'a-b;1', 'ä;1', 'A;1']
        directory = _empty()
        for name in names:
            directory.insert(_record(name.encode('utf-16-be')), True)
        self.assertEqual(
            ['A', 'a-b', 'a.txt', 'b', 'ä'],
            [r.identifier.decode('utf-16-be')[:-2]
             for r in directory.records()])

    def test_a_record_too_long_is_refused(self) -> None:
        self.assertRaises(errors.InjectionError, _record, b'A' * 30,
                          bytes(200))

    def test_a_record_survives_being_read(self) -> None:
        record = _record(b'README.TXT;1', b'NM\x0b\x01\x00readme')
        self.assertEqual(len(record.raw), record.raw[0])
        self.assertEqual((100, 5, b'README.TXT;1'),
                         (record.extent, record.size, record.identifier))
        self.assertTrue(record.area.startswith(b'NM\x0b\x01\x00readme'))
        record.place(70_000, 123)
        self.assertEqual((70_000, 123), (record.extent, record.size))

    def test_path_tables_read_as_they_are_written(self) -> None:
        rows = [(b'\0', 20, 1), (b'BOOT', 21, 1), (b'EFI', 22, 1),
                (b'GRUB', 23, 2)]
        for order in '<>':
            self.assertEqual(rows, path_table.parse(
                path_table.pack(rows, order), order))

    def test_a_path_table_with_an_impossible_parent_is_refused(self) -> None:
        bad = path_table.pack([(b'\0', 20, 9)], '<')
        self.assertRaises(errors.CorruptImageError, path_table.parse, bad,
                          '<')

    def test_random_bytes_are_no_directory(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        rng = random.Random(11)
        for _run in range(300):
            (folder / 'x').write_bytes(rng.randbytes(4096))
            with base_source.Source(folder / 'x') as source:
                try:
                    dirs.Directory.read(source, 0, 0, 4096, 'it')
                except errors.CorruptImageError:
                    pass


class CanvasTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.data = random.Random(4).randbytes(10 * 2048 + 100)
        (folder / 'base').write_bytes(self.data)
        self.source = base_source.Source(folder / 'base')
        self.addCleanup(self.source.close)

    def _bytes(self, canvas: canvases.Canvas) -> bytes:
        out = b''
        for segment in canvas.segments():
            if isinstance(segment, segs.BaseRange):
                out += self.data[segment.offset:][:segment.length]
            elif isinstance(segment, segs.Literal):
                out += segment.data
            else:
                out += bytes(segment.length)
        return out

    def test_without_changes_the_image_is_padded_to_a_sector(self) -> None:
        canvas = canvases.Canvas(self.source, 11)
        self.assertEqual(self.data + bytes(2048 - 100),
                         self._bytes(canvas))

    def test_patches_cross_sectors_and_lie_on_one_another(self) -> None:
        canvas = canvases.Canvas(self.source, 11)
        canvas.patch(2040, b'0123456789ABCDEF')
        canvas.patch(2046, b'xyz')
        expected = bytearray(self.data)
        expected[2040:2056] = b'012345xyz9ABCDEF'
        self.assertEqual(bytes(expected[2030:2060]),
                         canvas.read(2030, 30, 'it'))
        self.assertEqual(bytes(expected), self._bytes(canvas)[:-1948])

    def test_only_what_differs_becomes_a_literal(self) -> None:
        canvas = canvases.Canvas(self.source, 11)
        same = bytearray(self.data[4096:6144])
        same[5] ^= 255
        same[1000] ^= 255
        canvas.patch(4096, bytes(same))
        literals = [s for s in canvas.segments()
                    if isinstance(s, segs.Literal)]
        self.assertEqual([1, 1], [s.length for s in literals])

    def test_added_sectors_go_before_the_tail(self) -> None:
        canvas = canvases.Canvas(self.source, 4)
        sector = canvas.place([segs.Literal(b'new')])
        canvas.patch(4 * 2048, b'TAIL')
        self.assertEqual(4, sector)
        self.assertEqual(5 * 2048, canvas.moved(4 * 2048))
        self.assertEqual(3 * 2048, canvas.moved(3 * 2048))
        self.assertEqual(
            self.data[:4 * 2048] + b'new' + bytes(2045) + b'TAIL'
            + self.data[4 * 2048 + 4:] + bytes(1948), self._bytes(canvas))

    def test_a_patch_outside_the_image_is_refused(self) -> None:
        canvas = canvases.Canvas(self.source, 11)
        self.assertRaises(errors.CorruptImageError, canvas.patch,
                          len(self.data) - 2, b'12345')
