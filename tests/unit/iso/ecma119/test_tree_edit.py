# SPDX-License-Identifier: Apache-2.0

"""New names in the directories of an image."""

import pathlib
import re
import subprocess
import sys

import fixtures
import testtools

from ironic_ext import iso
from tests import iso_parts as parts

#: As many directories as fill the sectors of the one that names them.
_DIRECTORIES = 256
#: Falls into a sector that is full.
_NEW = '/pool/128-new'


class ManyDirectoriesTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.base = parts.build(
            self.folder, 'many', {
                f'pool/{number:03}/package': b'' for number
                in range(_DIRECTORIES)}, 0, '-R', '-J')
        self.image = self.folder / 'changed.iso'
        with iso.IsoImage.open(self.base) as image, iso.inject(
                image, iso.Injection(files={_NEW: b'new'}),
                partial=True) as smap:
            smap.write(self.image)

    def test_their_records_of_the_parent_name_its_new_place(self) -> None:
        # isoinfo shows them so of Rock Ridge only.
        listed = subprocess.run(
            ['isoinfo', '-i', self.image, '-l', '-R'], check=True,
            capture_output=True, text=True).stdout
        # Extents of "." and "..", by directory.
        places = {name: re.findall(r'\[ *(\d+) ..\] +\.\.? *$', found,
                                   re.MULTILINE)
                  for name, found in re.findall(
                      r'^Directory listing of (\S+)\n(.*?)(?=^Dir|\Z)',
                      listed, re.MULTILINE | re.DOTALL)}
        with iso.IsoImage.open(self.base) as image:
            before = image.stat('/pool').sections[0][0] // 2048
        pool, _ = places['/pool/']
        self.assertNotEqual(str(before), pool)
        below = [place[1] for name, place in places.items()
                 if re.fullmatch(r'/pool/\d+/', name)]
        self.assertEqual([pool] * _DIRECTORIES, below)

    def test_so_do_those_of_joliet(self) -> None:
        with iso.IsoImage.open(self.image) as image:
            tree, = (one for one in image.trees if one.kind == 'joliet')
            pool = tree.folder('/pool')
            assert pool is not None
            for node in pool.children.values():
                if node.is_dir:
                    child = tree.enter(node, node.name)
                    self.assertEqual(pool.records.extent,
                                     child.records.parent.extent)

    def test_they_are_not_read(self) -> None:
        read: set[str] = set()

        def note(frame: object, event: str, arg: object) -> None:
            code = frame.f_code  # type: ignore[attr-defined]
            if event == 'call' and code.co_name == 'enter':
                read.add(frame.f_locals['path'])  # type: ignore[attr-defined]
        before = sys.getprofile()
        with iso.IsoImage.open(self.base) as image:
            sys.setprofile(note)
            try:
                iso.inject(image, iso.Injection(
                    files={_NEW: b'new'}), partial=True).close()
            finally:
                sys.setprofile(before)
        self.assertEqual({'/pool', _NEW}, read)
