# SPDX-License-Identifier: Apache-2.0

"""Reading images of every kind, and refusing what is none."""

import os
import pathlib
import random

import fixtures
import testtools
from testtools import matchers

from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from tests import isos


class IsoImageTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def _open(self, name: str) -> images.IsoImage:
        image = images.IsoImage.open(isos.shared(name))
        self.addCleanup(image.close)
        return image

    def test_every_kind_of_image_lists_its_readme(self) -> None:
        for kind in isos.BUILDERS:
            with self.subTest(kind.name):
                image = self._open(kind.name)
                names = {entry.name.casefold()
                         for entry in image.listdir('/')}
                self.assertIn('readme.txt', names)
                self.assertEqual(kind.trees[0].replace('_', ' '),
                                 image.main.kind)
                self.assertLessEqual(
                    {tree.replace('_', ' ') for tree in kind.trees} - {'udf'},
                    {tree.kind for tree in image.trees})

    def test_every_tree_reaches_the_same_bytes(self) -> None:
        for name in ('plain_rr_joliet', 'hybrid', 'lorax_like'):
            image = self._open(name)
            contents = {
                image.read_entry(tree.entry(*tree.find('/README.TXT')))
                for tree in image.trees}
            self.assertEqual(1, len(contents), name)

    def test_a_partition_offset_gives_a_second_pair_of_trees(self) -> None:
        image = self._open('lorax_like')
        self.assertEqual([0, 0, 16, 16],
                         [tree.shift for tree in image.trees])

    def test_walking_finds_what_listing_finds(self) -> None:
        image = self._open('deep_tree')
        seen = [entry.path for entry in image.walk()]
        self.assertEqual(len(set(seen)), len(seen))
        self.assertThat(len(seen), matchers.GreaterThan(100))
        for path in random.Random(1).sample(seen, 30):
            self.assertEqual(path, image.stat(path).path)

    def test_relocated_directories_are_where_they_belong(self) -> None:
        image = self._open('deep_tree_relocated')
        deepest = max((entry.path for entry in image.walk()),
                      key=lambda path: path.count('/'))
        self.assertThat(deepest.count('/'), matchers.GreaterThan(8))
        self.assertNotIn('rr_moved', deepest.lower())

    def test_names_that_need_continuation_areas_are_whole(self) -> None:
        image = self._open('long_names')
        longest = max((entry.name for entry in image.walk()), key=len)
        self.assertThat(len(longest), matchers.GreaterThan(150))

    def test_a_part_of_a_file_reads_as_the_whole_does(self) -> None:
        image = self._open('hybrid')
        whole = image.read_file('/isolinux/isolinux.cfg')
        self.assertEqual(whole[5:25],
                         image.read_file('/isolinux/isolinux.cfg', 5, 20))
        self.assertEqual(b'', image.read_file('/isolinux/isolinux.cfg',
                                              len(whole)))

    def test_a_missing_path_is_named(self) -> None:
        image = self._open('plain_rr_joliet')
        for path in ('/nowhere', '/README.TXT/below', '/../../etc/passwd'):
            error = self.assertRaises(errors.NoSuchPathError, image.stat,
                                      path)
            self.assertIn(path, str(error))
        self.assertRaises(errors.NoSuchPathError, image.read_file, '/')

    def test_without_rock_ridge_case_does_not_matter(self) -> None:
        image = self._open('plain_9660')
        self.assertEqual('iso9660', image.main.kind)
        self.assertEqual(image.read_file('/README.TXT'),
                         image.read_file('/readme.txt'))

    def test_boot_images_and_partitions_are_found(self) -> None:
        image = self._open('hybrid')
        self.assertEqual(['bios', 'uefi'],
                         [entry.platform for entry in image.boot_entries])
        self.assertEqual({'mbr', 'gpt'},
                         {p.table for p in image.tables.partitions})
        self.assertEqual(1, len(image.esps))

    def test_real_images_open(self) -> None:
        for name in isos.REAL:
            with images.IsoImage.open(isos.real(name)) as image:
                self.assertThat(list(image.walk()),
                                matchers.Not(matchers.HasLength(0)))

    def test_what_is_no_iso_is_said_to_be_none(self) -> None:
        path = self.dir / 'x'
        for content in (b'', b'short', bytes(100_000),
                        b'<html>not found</html>' * 5000):
            path.write_bytes(content)
            error = self.assertRaises(errors.NotAnIsoError,
                                      images.IsoImage.open, path)
            self.assertIn('is not an ISO 9660 image', str(error))

    def test_what_cannot_be_read_is_an_error_of_one_sentence(self) -> None:
        os.mkfifo(self.dir / 'fifo')
        for path, word in ((self.dir / 'none', 'No such file'),
                           (self.dir / 'fifo', 'neither'),
                           (self.dir, 'neither')):
            error = self.assertRaises(errors.IsoError,
                                      images.IsoImage.open, path)
            self.assertIn(word, str(error))

    def test_a_truncated_image_says_what_is_missing(self) -> None:
        whole = isos.shared('hybrid').read_bytes()
        path = self.dir / 'cut.iso'
        path.write_bytes(whole[:20 * 2048])
        with images.IsoImage.open(path) as image:
            error = self.assertRaises(errors.CorruptImageError,
                                      image.listdir)
        self.assertIn('truncated or damaged', str(error))

    def test_damage_anywhere_is_an_error_and_never_a_hang(self) -> None:
        rng = random.Random(9)
        path = self.dir / 'bad.iso'
        for name in ('hybrid', 'deep_tree', 'lorax_like'):
            whole = isos.shared(name).read_bytes()
            for _run in range(25):
                bad = bytearray(whole)
                # Descriptors, path tables and directories come first.
                for _hit in range(rng.randrange(1, 60)):
                    bad[rng.randrange(16 * 2048, 80 * 2048)] = (
                        rng.randrange(256))
                path.write_bytes(bad)
                try:
                    with images.IsoImage.open(path) as image:
                        for entry in image.walk():
                            if not entry.is_dir and entry.size < 10_000:
                                image.read_entry(entry)
                        self.assertIsNotNone(image.boot_entries)
                        self.assertIsNotNone(image.esps)
                except errors.IsoError as exc:
                    self.assertNotIn('\n', str(exc))

    def test_a_directory_that_contains_itself_is_refused(self) -> None:
        path = isos.KINDS['plain_rr_joliet'].build(self.dir)
        with images.IsoImage.open(path) as image:
            node = next(n for n in image.main.root.children.values()
                        if n.is_dir)
            raw = node.records[0].raw
            root = image.main.root.records.own
        data = bytearray(path.read_bytes())
        at = data.index(raw)
        data[at + 2:at + 18] = root.raw[2:18]
        path.write_bytes(data)
        with images.IsoImage.open(path) as image:
            error = self.assertRaises(errors.CorruptImageError, list,
                                      image.walk())
        self.assertIn('contains itself', str(error))
