# SPDX-License-Identifier: Apache-2.0

"""The base image as a sequence of bytes."""

import os
import pathlib
import random

import fixtures
import testtools

from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source


class BufferedSourceTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'base'
        self.data = random.Random(7).randbytes(150_001)
        self.path.write_bytes(self.data)

    def _open(self) -> base_source.BufferedSource:
        source = base_source.BufferedSource(self.path)
        self.addCleanup(source.close)
        return source

    def test_any_range_reads_as_it_is_in_the_file(self) -> None:
        source = self._open()
        rng = random.Random(8)
        for _number in range(2000):
            offset = rng.randrange(len(self.data) + 1)
            length = min(rng.choice((0, 1, 512, 2048, 16384, 40_000)),
                         len(self.data) - offset)
            self.assertEqual(self.data[offset:offset + length],
                             source.read(offset, length, 'it'))

    def test_a_range_outside_the_image_is_refused(self) -> None:
        source = self._open()
        source.read(150_000, 1, 'it')
        for offset, length in ((-1, 1), (-20_000, 5), (150_000, 2),
                               (150_001, 1), (1 << 60, 1), (149_999, -1),
                               (0, 150_002)):
            error = self.assertRaises(errors.CorruptImageError, source.read,
                                      offset, length, 'it')
            self.assertIn('outside the image', str(error))

    def test_structures_close_together_cost_one_read(self) -> None:
        source = self._open()
        source.read(0, 2048, 'it')
        os.truncate(self.path, 0)
        self.assertEqual(self.data[4096:6144], source.read(4096, 2048, 'it'))
        self.assertRaises(errors.CorruptImageError, source.read,
                          65536, 2048, 'it')

    def test_it_keeps_no_more_than_a_mebibyte(self) -> None:
        os.truncate(self.path, 64 << 20)
        source = self._open()
        for offset in range(0, 64 << 20, 16384):
            source.read(offset, 512, 'it')
        self.assertLessEqual(sum(map(len, source._blocks.values())),
                             1 << 20)
