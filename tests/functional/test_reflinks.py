# SPDX-License-Identifier: Apache-2.0

"""On file systems with reflinks a written image shares the base's blocks."""

import os
import pathlib

import fixtures
import testtools

from ironic_ext import iso
from tests.functional import file_systems
from tests import isos

PAYLOAD = 64 << 20
#: Bytes: blocks at the edges of ranges, metadata of the file system.
OVERHEAD = 8 << 20


class ReflinkTest(testtools.TestCase):

    def _mounted(self, *mkfs: str) -> pathlib.Path:
        """Return an empty file system of its own, on a loop device."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        mount = folder / 'mnt'
        mount.mkdir()
        disk = file_systems.formatted(folder / 'disk', 512 << 20, *mkfs)
        return self.enterContext(
            file_systems.mounted(mount, '-o', 'loop', str(disk)))

    def _used(self, mount: pathlib.Path) -> int:
        os.sync()
        facts = os.statvfs(mount)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize

    def _test_shares(self, mount: pathlib.Path) -> None:
        base = isos.KINDS['lorax_like'].build(mount, payload=PAYLOAD)
        before = self._used(mount)
        self.assertGreater(before, PAYLOAD)
        with iso.IsoImage.open(base) as image, iso.inject(
                image, iso.Injection(
                    append_args='a=1',
                    files={'/openstack/x': b'y' * 5000})) as customised:
            for number in range(3):
                out = mount / f'{number}.iso'
                customised.write(out)
                self.assertEqual(customised.read(0, customised.size),
                                 out.read_bytes())
        self.assertLess(self._used(mount) - before, OVERHEAD)

    def test_on_xfs_three_images_cost_hardly_more_than_none(self) -> None:
        self._test_shares(self._mounted('mkfs.xfs', '-q', '-m',
                                        'reflink=1'))

    def test_on_btrfs_three_images_cost_hardly_more_than_none(self) -> None:
        self._test_shares(self._mounted('mkfs.btrfs', '-q'))
