# SPDX-License-Identifier: Apache-2.0

"""What is being downloaded: parts, digests and what a source may do."""

import hashlib
import os
import pathlib
import random
import threading

import fixtures
import testtools

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import hashing
from ironic_ext.images import service
from ironic_ext.images.store import partial

CONTENT = os.urandom(5_000_000)
VERSION = service.ImageVersion(len(CONTENT), '"1"')


class PartialFileTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger('ironic_ext'))
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'part'
        self.asked = []
        self.judged = []

    def new_file(self, size=1 << 30, **options):
        file = partial.PartialFile(
            str(self.path), 'http://x/a.iso',
            partial.Limits(size, self.asked.append, self.judged.append),
            **options)
        self.addCleanup(file.close, keep=False)
        return file

    def test_threads_may_write_parts_at_once(self):
        file = self.new_file(wanted=checksums.Checksum('sha512', '0' * 128))
        self.assertEqual([(0, len(CONTENT))], file.begin(VERSION))
        starts = list(range(0, len(CONTENT), 70_000))
        random.Random(2).shuffle(starts)

        def work():
            while starts:
                try:
                    start = starts.pop()
                except IndexError:
                    return
                file.write(start, CONTENT[start:start + 70_000])

        threads = [threading.Thread(target=work) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            {name: hashlib.new(name, CONTENT).hexdigest()
             for name in ('sha256', 'sha512')}, file.finish())
        self.assertEqual(CONTENT, self.path.read_bytes())

    def test_a_buffer_may_be_used_again_at_once(self):
        file = self.new_file()
        file.begin(VERSION)
        buffer = bytearray(100_000)
        for start in range(0, len(CONTENT), len(buffer)):
            part = CONTENT[start:start + len(buffer)]
            buffer[:len(part)] = part
            file.write(start, memoryview(buffer)[:len(part)])
        self.assertEqual(hashlib.sha256(CONTENT).hexdigest(),
                         file.finish()['sha256'])

    def test_room_is_made_for_what_arrives_not_for_what_is_promised(self):
        file = self.new_file(size=1 << 40)
        file.begin(service.ImageVersion(1 << 30, '"1"'))
        self.assertEqual([], self.asked)
        self.assertEqual([1 << 30], self.judged)
        for number in range(40):
            file.write(number << 20, bytes(1 << 20))
        self.assertEqual([16 << 20] * 3, self.asked)
        self.assertLess(self.path.stat().st_blocks * 512, 50 << 20)

    def test_room_is_made_for_the_whole_if_that_is_little(self):
        file = self.new_file()
        file.begin(VERSION)
        file.write(0, CONTENT)
        self.assertEqual([len(CONTENT)], self.asked)
        file.finish()

    def test_a_version_that_changes_under_way_starts_over(self):
        file = self.new_file()
        file.begin(VERSION)
        file.write(0, CONTENT[:1000])
        self.assertEqual([(1000, len(CONTENT))], file.begin(VERSION))
        other = service.ImageVersion(500, '"2"')
        self.assertEqual([(0, 500)], file.begin(other))
        file.write(0, b'x' * 500)
        self.assertEqual(hashlib.sha256(b'x' * 500).hexdigest(),
                         file.finish()['sha256'])
        self.assertEqual(500, self.path.stat().st_size)

    def test_what_is_missing_in_the_end_is_told(self):
        file = self.new_file()
        file.begin(VERSION)
        file.write(0, CONTENT[:1000])
        file.write(2000, CONTENT[2000:])
        error = self.assertRaises(errors.ImageError, file.finish)
        self.assertIn('from 1000 to 2000', str(error))

    def test_a_source_that_sends_nothing_is_told(self):
        self.assertRaises(errors.ImageError, self.new_file().finish)
        self.assertFalse(self.path.exists())

    def test_a_full_disk_is_told(self):
        def room(missing):
            raise errors.NoSpaceError('full')

        file = partial.PartialFile(str(self.path), 'x',
                                   partial.Limits(1 << 30, room, room))
        self.assertRaises(errors.NoSpaceError, file.begin, VERSION)
        file.close(keep=False)
        self.assertEqual([], os.listdir(self.path.parent))

    def test_a_link_in_its_place_is_not_followed(self):
        target = self.path.parent / 'target'
        target.write_text('precious')
        self.path.symlink_to(target)
        self.assertRaises(errors.ImageError, self.new_file().begin, VERSION)
        self.assertEqual('precious', target.read_text())


class FollowingDigestTestCase(testtools.TestCase):

    def test_a_file_that_was_cut_short_is_an_error_not_a_hang(self):
        folder = self.useFixture(fixtures.TempDir()).path
        with open(f'{folder}/x', 'w+b') as file:
            file.write(b'short')
            file.flush()
            digest = hashing.FollowingDigest(file.fileno(), 'sha256')
            digest.advance(3)
            self.assertRaises(OSError, digest.result, 100)

    def test_no_thread_is_left_after_a_cancel(self):
        folder = self.useFixture(fixtures.TempDir()).path
        before = threading.active_count()
        with open(f'{folder}/x', 'w+b') as file:
            digest = hashing.FollowingDigest(file.fileno(), 'sha256')
            digest.cancel()
        self.assertEqual(before, threading.active_count())
