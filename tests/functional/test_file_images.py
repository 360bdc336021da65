# SPDX-License-Identifier: Apache-2.0

"""file:// images on real file systems, and for a user who is not root."""

import contextlib
import errno
import hashlib
import os
import pathlib

import fixtures
import testtools

from ironic_ext.images import errors
from ironic_ext.images import file
from ironic_ext.images import settings
from tests.functional import file_systems

SIZE = 32 << 20
#: Bytes of metadata that a file system may add for a clone.
OVERHEAD = 2 << 20
NOBODY = 65534


class FileImagesTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def mounted(self, *arguments):
        """Return a directory where something is mounted."""
        mount = self.folder / 'mnt'
        mount.mkdir()
        return self.enterContext(file_systems.mounted(mount, *arguments))

    def formatted(self, *mkfs):
        """Return an empty file system of its own, on a loop device."""
        return self.mounted('-o', 'loop', str(file_systems.formatted(
            self.folder / 'disk', 512 << 20, *mkfs)))

    def image(self, folder, size=SIZE):
        path = folder / 'live.iso'
        path.write_bytes(os.urandom(size))
        return path

    def download(self, image, target, checksum=None):
        service = file.FileImageService(settings.Settings(
            allowed_paths=(str(image.parent),)))
        with open(target, 'wb') as image_file:
            service.download(image.as_uri(), image_file, checksum)
        return service

    def used(self, mount):
        os.sync()
        facts = os.statvfs(mount)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize

    def check_clone(self, mount):
        image = self.image(mount)
        checksum = hashlib.sha256(image.read_bytes()).hexdigest()
        before, used = image.stat(), self.used(mount)
        # A hard link would do as well: what counts here is the next best.
        with no_links():
            service = self.download(image, mount / 'copy', checksum)
        self.assertEqual(f'sha256:{checksum}',
                         service.transfer_verified_checksum)
        self.assertFalse((mount / 'copy').samefile(image))
        self.assertEqual(image.read_bytes(), (mount / 'copy').read_bytes())
        self.assertLess(self.used(mount) - used, OVERHEAD)
        self.assertEqual(before.st_ctime_ns, image.stat().st_ctime_ns)

    def test_on_xfs_a_copy_shares_its_blocks(self):
        self.check_clone(self.formatted('mkfs.xfs', '-q', '-m', 'reflink=1'))

    def test_on_btrfs_a_copy_shares_its_blocks(self):
        self.check_clone(self.formatted('mkfs.btrfs', '-q'))

    def test_another_file_system_gets_a_copy(self):
        mount = self.mounted('-t', 'tmpfs', '-o', 'size=64m',
                             'tmpfs')
        image = self.image(self.folder)
        self.download(image, mount / 'copy')
        self.assertEqual(image.read_bytes(), (mount / 'copy').read_bytes())
        self.assertEqual(1, image.stat().st_nlink)

    def test_a_disk_that_is_too_small_is_an_error(self):
        mount = self.mounted('-t', 'tmpfs', '-o', 'size=1m',
                             'tmpfs')
        error = self.assertRaises(
            errors.NoSpaceError, self.download, self.image(self.folder),
            mount / 'copy')
        self.assertIn(str(SIZE), str(error))

    def test_a_mount_point_below_an_allowed_directory_may_be_used(self):
        mount = self.mounted('-t', 'tmpfs', '-o', 'size=64m',
                             'tmpfs')
        image = self.image(mount, 1000)
        service = file.FileImageService(settings.Settings(
            allowed_paths=(str(self.folder),)))
        self.assertEqual(1000, service.stat(image.as_uri()).size)

    def test_what_the_conductor_s_user_may_not_read_is_refused(self):
        if os.geteuid():
            self.skipTest('only root can become another user')
        self.folder.chmod(0o755)
        image = self.image(self.folder, 1000)
        image.chmod(0o600)
        closed = self.folder / 'closed'
        closed.mkdir(mode=0o700)
        self.image(closed, 1000)
        service = file.FileImageService(settings.Settings(
            allowed_paths=(str(self.folder),)))
        for path in (image, closed / 'live.iso'):
            with self.subTest(path.name), another_user():
                error = self.assertRaises(errors.ImageAccessError,
                                          service.stat, path.as_uri())
                self.assertIn('owner and mode', str(error))

    def test_a_link_that_the_kernel_forbids_becomes_a_copy(self):
        # fs.protected_hardlinks: no links to what one cannot write to.
        if os.geteuid():
            self.skipTest('only root can become another user')
        with open('/proc/sys/fs/protected_hardlinks') as knob:
            if knob.read().strip() != '1':
                self.skipTest('hard links are not protected here')
        self.folder.chmod(0o777)
        image = self.image(self.folder, 1000)
        image.chmod(0o644)
        with another_user():
            self.download(image, self.folder / 'copy')
        self.assertEqual(1, image.stat().st_nlink)
        self.assertEqual(image.read_bytes(),
                         (self.folder / 'copy').read_bytes())


@contextlib.contextmanager
def another_user():
    """Be nobody for a while, in this thread."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def no_links():
    """Let no hard link be made, as between two file systems."""
    def refuse(*args, **kwargs):
        raise OSError(errno.EXDEV, 'Invalid cross-device link')

    with fixtures.MonkeyPatch('os.link', refuse):
        yield
