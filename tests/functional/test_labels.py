# SPDX-License-Identifier: Apache-2.0

"""An image's label is what udev says, by blkid of util-linux."""

import pathlib

import fixtures
import testtools

from ironic_ext import iso
from tests.functional import judges

_LABELS = ('CDROM', 'Fedora-S-dvd-x86_64-39', 'Ubuntu-Server 24.04 LTS amd64',
           'config-2', 'cidata', 'LONG_LABEL_OF_MORE_THAN_16', 'A' * 32,
           'with  spaces ', 'lower_and-UPPER.1', 'sixteen_chars_16')


class LabelTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.image = self.folder / 'labelled.iso'

    def made(self, label: str, *trees: str) -> None:
        tree = self.folder / 'tree'
        tree.mkdir(exist_ok=True)
        (tree / 'file').write_text('x')
        judges.run('xorriso', '-as', 'mkisofs', '-quiet', '-V', label,
                   *trees, '-o', self.image, tree)

    def assert_as_udev_says(self, what: object) -> None:
        said = judges.run('blkid', '-p', '-o', 'value', '-s', 'LABEL',
                          self.image).stdout.decode().rstrip('\n')
        with iso.IsoImage.open(self.image) as image:
            self.assertEqual(said, image.label, what)

    def test_with_and_without_joliet(self) -> None:
        for label in _LABELS:
            for trees in (('-R',), ('-R', '-J'), ('-J',)):
                self.made(label, *trees)
                self.assert_as_udev_says((label, trees))

    def test_where_joliet_says_another_than_the_primary(self) -> None:
        """Image makers write both as they like."""
        self.made('PRIMARY_LABEL_OF_THE_VOLUME', '-R', '-J')
        whole = bytearray(self.image.read_bytes())
        at = next(sector * 2048 + 40 for sector in range(16, 24)
                  if whole[sector * 2048:sector * 2048 + 6] == b'\2CD001')
        for joliet in ('Primary Label of', 'Primary Label', 'Other', '',
                       'primary-label-of', 'PRIMARY.LABEL_OF',
                       'Label of 16 char'):
            name = joliet.encode('utf-16-be')
            for padding in (b'\0 ', b'\0\0'):
                whole[at:at + 32] = name + padding * (16 - len(joliet))
                self.image.write_bytes(whole)
                self.assert_as_udev_says((joliet, padding))
