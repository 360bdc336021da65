# SPDX-License-Identifier: Apache-2.0

"""Names that appear at once, blocks that are shared, and what fails."""

import errno
import os
import pathlib
import random

import fixtures
import testtools

from ironic_ext import blocks


class _Case(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.dir / 'file'

    def failing_ioctl(self, code: int) -> None:
        def fail(*args: object) -> None:
            raise OSError(code, os.strerror(code))

        self.useFixture(fixtures.MockPatchObject(
            blocks.fcntl, 'ioctl', fail))


class NamesTest(_Case):

    def setUp(self) -> None:
        super().setUp()
        self.synced: list[str] = []
        self.useFixture(fixtures.MockPatchObject(
            blocks.os, 'fsync', lambda fd: self.synced.append(
                os.readlink(f'/proc/self/fd/{fd}'))))

    def test_a_file_is_replaced_whole_with_its_mode(self) -> None:
        self.path.write_text('old')
        with blocks.replacing(str(self.path), 0o640) as fd:
            blocks.write_all(fd, b'new')
            self.assertEqual('old', self.path.read_text())
            self.assertEqual(0o600, os.fstat(fd).st_mode & 0o777)
        self.assertEqual('new', self.path.read_text())
        self.assertEqual(0o640, self.path.stat().st_mode & 0o777)
        self.assertEqual(['file'], os.listdir(self.dir))

    def test_content_is_durable_before_its_name_and_the_name_then(
            self) -> None:
        with blocks.replacing(str(self.path), 0o600):
            pass
        first, second = self.synced
        self.assertTrue(first.endswith('.part'), first)
        self.assertEqual(str(self.dir), second)

    def test_what_is_not_to_last_waits_for_no_disk(self) -> None:
        with blocks.replacing(str(self.path), 0o600, durable=False):
            pass
        self.assertEqual([], self.synced)

    def test_a_failure_leaves_what_was_there(self) -> None:
        self.path.write_text('old')
        for how in (blocks.replacing, blocks.creating):
            with testtools.ExpectedException(ZeroDivisionError):
                with how(str(self.path), 0o600):
                    1 / 0
            self.assertEqual('old', self.path.read_text())
            self.assertEqual(['file'], os.listdir(self.dir))

    def test_a_given_name_is_freed_of_what_a_killed_writer_left(
            self) -> None:
        (self.dir / 'next').symlink_to('/dev/null')
        with blocks.replacing(str(self.path), 0o600,
                              temporary=str(self.dir / 'next')) as fd:
            blocks.write_all(fd, b'new')
        self.assertEqual('new', self.path.read_text())
        self.assertEqual(['file'], os.listdir(self.dir))

    def test_what_is_created_replaces_nothing(self) -> None:
        with blocks.creating(str(self.path), 0o600) as fd:
            blocks.write_all(fd, b'first')
        with testtools.ExpectedException(FileExistsError):
            with blocks.creating(str(self.path), 0o600) as fd:
                blocks.write_all(fd, b'second')
        self.assertEqual('first', self.path.read_text())
        self.assertEqual(['file'], os.listdir(self.dir))


class SharingTest(_Case):

    def setUp(self) -> None:
        super().setUp()
        self.data = random.Random(5).randbytes(50_000)
        self.path.write_bytes(self.data)
        self.source = os.open(self.path, os.O_RDONLY)
        self.addCleanup(os.close, self.source)
        self.other = self.dir / 'other'

    def test_ranges_are_copied_where_blocks_do_not_line_up(self) -> None:
        for offset, position, length in (
                (0, 0, 50_000), (1, 0, 40_000), (4096, 8192, 4096),
                (4095, 4095, 20_000), (10, 10, 100), (0, 5, 0)):
            with open(self.other, 'w+b') as two:
                two.truncate(60_000)
                blocks.copy_range(self.source, offset, two.fileno(),
                                  position, length)
                self.assertEqual(
                    bytes(position) + self.data[offset:offset + length],
                    two.read(position + length))

    def test_a_file_system_without_reflinks_is_no_failure(self) -> None:
        for code in (errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY):
            self.failing_ioctl(code)
            with open(self.other, 'w+b') as target:
                self.assertFalse(blocks.clone(self.source, target.fileno()))
            self.assertFalse(blocks.can_share(str(self.path),
                                              str(self.dir)))

    def test_a_disk_that_breaks_is_a_failure_everywhere(self) -> None:
        self.failing_ioctl(errno.EIO)
        target = os.open(self.other, os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(os.close, target)
        for share in (
                lambda: blocks.clone(self.source, target),
                lambda: blocks.copy_range(self.source, 0, target, 0, 8192),
                lambda: blocks.can_share(str(self.path), str(self.dir)),
                lambda: blocks.place(self.source, str(self.dir / 'new'))):
            error = self.assertRaises(OSError, share)
            self.assertEqual(errno.EIO, error.errno)
        self.assertEqual(['file', 'other'], sorted(os.listdir(self.dir)))

    def test_a_name_becomes_a_link(self) -> None:
        self.other.write_text('old')
        self.assertTrue(blocks.replace_by_link(self.source, str(self.other)))
        self.assertTrue(self.other.samefile(self.path))
        self.assertTrue(blocks.replace_by_link(self.source, str(self.other)))
        self.assertEqual(['file', 'other'], sorted(os.listdir(self.dir)))

    def test_what_cannot_be_linked_stays_as_it_was(self) -> None:
        def refuse(*args: object, **kwargs: object) -> None:
            raise PermissionError(errno.EPERM, 'protected')

        self.useFixture(fixtures.MockPatchObject(blocks.os, 'link', refuse))
        self.other.write_text('old')
        self.assertFalse(blocks.replace_by_link(self.source,
                                                str(self.other)))
        self.assertEqual('old', self.other.read_text())
        self.failing_ioctl(errno.EOPNOTSUPP)
        self.assertEqual('copy', blocks.place(self.source, str(self.other)))
        self.assertEqual(self.data, self.other.read_bytes())
        self.assertEqual(['file', 'other'], sorted(os.listdir(self.dir)))

    def test_holes_stay_holes_in_a_copy(self) -> None:
        self.failing_ioctl(errno.EOPNOTSUPP)
        os.truncate(self.path, 64 << 20)
        with open(self.other, 'w+b') as target:
            blocks.copy(self.source, target.fileno())
        self.assertEqual(64 << 20, self.other.stat().st_size)
        self.assertLess(self.other.stat().st_blocks * 512, 2 << 20)
