# SPDX-License-Identifier: Apache-2.0

"""The segment map: reading, writing, storing."""

import os
import pathlib
import random

import fixtures
import testtools
from testtools import matchers

from ironic_ext.iso import errors
from ironic_ext.iso import overlay
from ironic_ext.iso import segment_map as maps
from ironic_ext.iso import segments as segs


class SegmentMapTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.base = self.dir / 'base.iso'
        self.data = random.Random(7).randbytes(300_000)
        self.base.write_bytes(self.data)
        self.map = self._map([
            segs.BaseRange(0, 100_001), segs.Literal(b'hello'),
            segs.Zeros(9000), segs.BaseRange(50_000, 250_000)])
        self.expected = (self.data[:100_001] + b'hello' + bytes(9000)
                         + self.data[50_000:])

    def _map(self, segments, **kwargs) -> maps.SegmentMap:
        made = maps.SegmentMap(self.base, segments, **kwargs)
        self.addCleanup(made.close)
        return made

    def test_any_range_reads_as_the_whole_does(self) -> None:
        rng = random.Random(1)
        self.assertEqual(len(self.expected), self.map.size)
        for _run in range(300):
            start = rng.randrange(self.map.size + 10)
            length = rng.choice((0, 1, 5, 2048, 70_000, 10 ** 7))
            self.assertEqual(self.expected[start:start + length],
                             self.map.read(start, length))

    def test_negative_ranges_are_refused(self) -> None:
        self.assertRaises(ValueError, self.map.read, -1, 5)
        self.assertRaises(ValueError, self.map.read, 0, -5)

    def test_a_written_file_equals_what_is_read(self) -> None:
        out = self.dir / 'out.iso'
        done: list[int] = []
        self.map.write(out, mode=0o640, progress=done.append)
        self.assertEqual(self.expected, out.read_bytes())
        self.assertEqual(self.map.size, sum(done))
        self.assertEqual(0o640, out.stat().st_mode & 0o777)
        self.assertEqual(self.data, self.base.read_bytes())

    def test_holes_of_the_base_stay_holes(self) -> None:
        with open(self.base, 'r+b') as stream:
            stream.truncate(64 << 20)
        out = self.dir / 'out.iso'
        self._map([segs.BaseRange(0, 64 << 20),
                   segs.Literal(b'x')]).write(out)
        self.assertEqual((64 << 20) + 1, out.stat().st_size)
        self.assertThat(out.stat().st_blocks * 512,
                        matchers.LessThan(2 << 20))

    def test_an_existing_file_is_replaced_not_written_through(self) -> None:
        out = self.dir / 'out.iso'
        other = self.dir / 'other'
        other.write_bytes(b'precious')
        os.link(other, out)
        self.map.write(out)
        self.assertEqual(b'precious', other.read_bytes())
        self.assertEqual(self.expected, out.read_bytes())

    def test_the_base_cannot_be_the_target_under_any_name(self) -> None:
        alias = self.dir / 'alias.iso'
        os.link(self.base, alias)
        for path in (self.base, alias):
            error = self.assertRaises(errors.IsoError, self.map.write, path)
            self.assertIn('is the base image', str(error))
        self.assertEqual(self.data, self.base.read_bytes())

    def test_a_failed_write_leaves_nothing(self) -> None:
        out = self.dir / 'sub' / 'out.iso'
        error = self.assertRaises(errors.IsoError, self.map.write, out)
        self.assertIn('No such file', str(error))
        os.truncate(self.base, 1000)
        out = self.dir / 'out.iso'
        self.assertRaises(errors.IsoError, self.map.write, out)
        self.assertEqual(['base.iso'], os.listdir(self.dir))

    def test_plain_copying_is_the_last_resort(self) -> None:
        def refuse(*args):
            raise OSError(22, 'no')

        self.useFixture(fixtures.MockPatch('os.copy_file_range', refuse))
        self.useFixture(fixtures.MockPatch(
            'ironic_ext.blocks.fcntl.ioctl', refuse))
        out = self.dir / 'out.iso'
        self.map.write(out)
        self.assertEqual(self.expected, out.read_bytes())

    def test_a_stored_map_serves_the_same_bytes(self) -> None:
        path = self.dir / 'overlay'
        self.map.save(path)
        self.assertEqual(0o600, path.stat().st_mode & 0o777)
        with maps.SegmentMap.load(path, base=self.base) as again:
            self.assertEqual(self.map.digest, again.digest)
            self.assertEqual(self.map.segments, again.segments)
            self.assertEqual(self.expected, again.read(0, 1 << 30))

    def test_a_different_base_is_refused(self) -> None:
        path = self.dir / 'overlay'
        self.map.save(path)
        other = self.dir / 'other.iso'
        other.write_bytes(b'!' + self.data[1:])
        error = self.assertRaises(errors.OverlayError,
                                  maps.SegmentMap.load, path, base=other)
        self.assertIn('not the base of this overlay', str(error))

    def test_an_overlay_is_read_without_its_base(self) -> None:
        data = self.map.dump()
        self.base.unlink()
        read = overlay.Overlay.parse(data)
        self.assertEqual(
            (self.map.segments, self.map.identity, self.map.digest,
             self.map.size, self.map.literal_bytes),
            (read.segments, read.identity, read.digest, read.size,
             read.literal_bytes))
        self.assertEqual(data, read.dump())
        self.assertNotIn('hello', repr(read))

    def test_a_damaged_overlay_is_refused(self) -> None:
        good = self.map.dump()
        rng = random.Random(3)
        for _run in range(200):
            bad = bytearray(good)
            if rng.random() < 0.5:
                bad = bad[:rng.randrange(len(bad))]
            else:
                bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            try:
                with maps.SegmentMap.parse(bytes(bad),
                                           base=self.base) as read:
                    # A flipped bit in a warning or a number's neighbour
                    # may still be a valid map, but never of other bytes.
                    self.assertNotEqual(self.map.digest, read.digest)
            except errors.OverlayError:
                pass

    def test_equal_maps_have_equal_digests_and_others_not(self) -> None:
        same = self._map(self.map.segments)
        other = self._map([*self.map.segments[:-1],
                           segs.Literal(b'other')])
        self.assertEqual(self.map.digest, same.digest)
        self.assertNotEqual(self.map.digest, other.digest)

    def test_segments_outside_the_base_are_refused(self) -> None:
        self.assertRaises(errors.OverlayError, maps.SegmentMap, self.base,
                          [segs.BaseRange(299_999, 2)])

    def test_neighbours_are_joined(self) -> None:
        self.assertEqual(
            (segs.BaseRange(0, 30), segs.Literal(b'abcd'), segs.Zeros(7)),
            segs.joined([segs.BaseRange(0, 10), segs.BaseRange(10, 20),
                         segs.Zeros(0), segs.Literal(b'ab'),
                         segs.Literal(b''), segs.Literal(b'cd'),
                         segs.Zeros(3), segs.Zeros(4)]))

    def test_long_runs_of_zeros_are_no_literals(self) -> None:
        data = b'a' + bytes(63) + b'b' + bytes(64) + b'c' + bytes(500)
        pieces = segs.joined(segs.sparse(segs.Literal(data)))
        self.assertEqual([65, 64, 1, 500], [p.length for p in pieces])
