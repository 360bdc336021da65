# SPDX-License-Identifier: Apache-2.0

"""Areas that CoreOS images reserve for an Ignition config."""

import gzip
import json
import lzma
import os

import testtools

from ironic_ext import iso
from ironic_ext.iso import cpio
from ironic_ext.iso.loaders import ignition_area
from tests import iso_parts
from tests import isos

AREA_FILE = '/images/ignition.img'
CONFIG = b'{"ignition": {"version": "3.4.0"}}'


def unpacked(area):
    """Return the archive that begins an area, as a kernel reads it."""
    return gzip.decompress(area.rstrip(b'\0') + bytes(8))


class IgnitionAreaTestCase(testtools.TestCase):

    AREA = ignition_area.IgnitionArea(AREA_FILE, 4096, ())

    def _written(self, base, injection):
        """Return the path of a customised image."""
        path = iso_parts.process_directory() / f'{self.id()}-{base.stem}.iso'
        with iso.IsoImage.open(base) as image:
            with iso.inject(image, injection) as customised:
                customised.write(path)
        self.addCleanup(path.unlink, missing_ok=True)
        return path

    def _base(self, facts, **files):
        """Return an image whose igninfo.json says something else."""
        return self._written(isos.shared('coreos_like'), iso.Injection(
            files={'/coreos/igninfo.json': json.dumps(facts).encode(),
                   **files}))

    def _located(self, path):
        with iso.IsoImage.open(path) as image:
            return ignition_area.locate(image)

    def _read(self, path, name):
        with iso.IsoImage.open(path) as image:
            return image.read_file(name)

    # What is in it

    def test_xz_is_used_where_gzip_is_too_large(self):
        data = b''.join(b'%d' % (n * n) for n in range(2500))
        archive = cpio.archive({'config.ign': data})
        length = len(gzip.compress(archive, mtime=0)) - 1
        area = ignition_area.IgnitionArea(AREA_FILE, length, ())
        packed = ignition_area.content(data, area)
        self.assertEqual(length, len(packed))
        self.assertEqual(archive, lzma.LZMADecompressor(
            lzma.FORMAT_XZ).decompress(packed))

    def test_what_does_not_fit_is_refused_with_sizes(self):
        error = self.assertRaises(
            iso.NoSpaceError, ignition_area.content, os.urandom(5000),
            self.AREA)
        self.assertIn('the area that this CoreOS image reserves has 4096',
                      str(error))

    # Where it is

    def test_an_area_that_is_not_there_is_refused(self):
        for facts in ({'file': 'images/ignition.img', 'offset': -1},
                      {'file': 'images/ignition.img', 'offset': 1 << 20},
                      {'file': 'images/ignition.img', 'length': 1 << 20},
                      {'file': 'images/ignition.img', 'length': 0},
                      {'file': 'images/ignition.img', 'length': '1'},
                      {'file': 'images'}, {'file': 'none'}, [], {}):
            self.assertRaises(iso.IsoError, self._located, self._base(facts))

    def test_an_area_that_would_fill_the_memory_is_refused(self):
        base = self._base({'file': 'big'}, **{'/big': bytes(17 << 20)})
        error = self.assertRaises(iso.CorruptImageError, self._located, base)
        self.assertIn('at most 16777216', str(error))

    def test_an_area_inside_of_a_file_lies_where_the_file_does(self):
        base = self._base({'file': 'images/ignition.img', 'offset': 512,
                           'length': 1024})
        with iso.IsoImage.open(base) as image:
            (start, _size), = image.stat(AREA_FILE).sections
        self.assertEqual(
            ignition_area.IgnitionArea(AREA_FILE, 1024,
                                       ((start + 512, 1024),)),
            self._located(base))

    def test_an_area_may_cross_the_extents_of_its_file(self):
        sections = [(1000, 10), (5000, 10), (9000, 10)]
        for offset, length, expected in (
                (5, 10, [(1005, 5), (5000, 5)]),
                (10, 20, [(5000, 10), (9000, 10)]),
                (0, 30, sections), (29, 1, [(9009, 1)])):
            self.assertEqual(expected, list(ignition_area.extents(
                sections, offset, length)))

    # Filling it

    def test_no_other_byte_of_the_image_changes(self):
        base = isos.shared('coreos_like')
        path = self._written(base, iso.Injection(ignition=CONFIG))
        with iso.IsoImage.open(base) as image:
            (start, size), = image.stat(AREA_FILE).sections
        before, after = base.read_bytes(), path.read_bytes()
        self.assertEqual(before[:start], after[:start])
        self.assertEqual(before[start + size:], after[start + size:])
        self.assertEqual(cpio.archive({'config.ign': CONFIG}),
                         unpacked(after[start:start + size]))

    def test_it_costs_what_the_config_does(self):
        with iso.IsoImage.open(isos.shared('coreos_like')) as image:
            with iso.inject(image, iso.Injection(ignition=CONFIG)) as made:
                self.assertLess(made.literal_bytes, 512)

    def test_what_the_area_had_before_is_gone(self):
        first = self._written(isos.shared('coreos_like'), iso.Injection(
            ignition=b'{"a": "%s"}' % os.urandom(3000).hex().encode()))
        second = self._written(first, iso.Injection(ignition=CONFIG))
        direct = self._written(isos.shared('coreos_like'),
                               iso.Injection(ignition=CONFIG))
        self.assertEqual(direct.read_bytes(), second.read_bytes())

    def test_the_rest_of_its_file_stays_as_it_is(self):
        # s390x has it in the middle of a file.
        old = os.urandom(8192)
        base = self._base({'file': 'images/cdboot.img', 'offset': 3000,
                           'length': 2000}, **{'/images/cdboot.img': old})
        new = self._read(self._written(base, iso.Injection(ignition=CONFIG)),
                         '/images/cdboot.img')
        self.assertEqual((old[:3000], old[5000:]), (new[:3000], new[5000:]))
        self.assertEqual(cpio.archive({'config.ign': CONFIG}),
                         unpacked(new[3000:5000]))

    def test_an_area_in_a_boot_image_is_filled_in_place(self):
        base = self._base({'file': 'images/efiboot.img', 'offset': 65536,
                           'length': 2048})
        path = self._written(base, iso.Injection(ignition=CONFIG))
        with iso.IsoImage.open(base) as old, iso.IsoImage.open(path) as new:
            self.assertEqual(old.boot_entries, new.boot_entries)
            self.assertEqual(
                cpio.archive({'config.ign': CONFIG}), unpacked(
                    new.read_file('/images/efiboot.img', 65536, 2048)))

    def test_other_files_can_be_added_beside(self):
        path = self._written(isos.shared('coreos_like'), iso.Injection(
            ignition=CONFIG, files={'/own': b'x'}, append_args='own=1'))
        self.assertEqual(b'x', self._read(path, '/own'))
        self.assertEqual(cpio.archive({'config.ign': CONFIG}),
                         unpacked(self._read(path, AREA_FILE)))

    def test_an_image_without_an_area_is_refused(self):
        error = self.assertRaises(
            iso.InjectionError, self._written, isos.shared('hybrid'),
            iso.Injection(ignition=CONFIG))
        self.assertIn('reserves no area', str(error))

    def test_a_file_is_not_both_replaced_and_filled(self):
        self.assertRaises(
            iso.InjectionError, self._written, isos.shared('coreos_like'),
            iso.Injection(ignition=CONFIG, files={AREA_FILE: b'x'}))
