# SPDX-License-Identifier: Apache-2.0

"""Tests for content on disk that all nodes share one budget of."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import testtools

from ironic_ext.images import errors
from ironic_ext.images import service
from ironic_ext.images import spool
from ironic_ext import stored

_HOLDER = '''
import sys
from ironic_ext.images import spool
limits = spool.Limits(1 << 20, 1 << 20, 0, 'x')
with spool.Spool(lambda: sys.argv[1], limits) as kept:
    kept.keep([b'secret'])
    print('kept', flush=True)
    sys.stdin.read()
'''


class SpoolTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.budget = spool.Budget()

    def spool(self, total=100, alone=60, timeout=0.0):
        return spool.Spool(lambda: self.folder, spool.Limits(
            total, alone, timeout, '[ext_boot]content_space'), self.budget)

    def test_content_is_read_back_by_parts(self):
        with self.spool() as kept:
            first = kept.keep([b'one', b'', b'two'])
            second = kept.keep([b'three'])
            self.assertEqual((6, b'onetwo'), (len(first), first[:]))
            self.assertEqual(b'hre', second[1:4])
            self.assertEqual(b'wo', first.part(4, 2)[:])
            self.assertRaises(ValueError, first.part, 4, 3)
            self.assertEqual([b'three'], list(stored.pieces(second)))

    def test_a_download_that_begins_anew_counts_once(self):
        with self.spool() as kept:
            entry = kept.download(50, 'x')
            entry.begin(service.ImageVersion(size=40))
            entry.write(0, b'a' * 40)
            entry.begin(service.ImageVersion(size=3))
            entry.write(2, b'3')
            entry.write(0, b'12')
            self.assertEqual(b'123', entry.content()[:])
            self.assertEqual(3, self.budget.taken)

    def test_a_download_has_a_limit(self):
        with self.spool() as kept:
            entry = kept.download(5, 'http://x/f')
            self.assertRaises(errors.ImageTooLargeError, entry.begin,
                              service.ImageVersion(size=6))
            entry.begin(service.ImageVersion())
            self.assertRaises(errors.ImageTooLargeError, entry.write, 0,
                              b'123456')

    def test_all_is_given_back_at_the_end_however_it_ends(self):
        try:
            with self.spool() as kept:
                content = kept.keep([b'x' * 50])
                self.assertEqual(50, self.budget.taken)
                raise RuntimeError
        except RuntimeError:
            pass
        self.assertEqual(0, self.budget.taken)
        self.assertEqual([], os.listdir(self.folder))
        self.assertRaises((ValueError, OSError), content.__getitem__,
                          slice(0, 1))

    def test_one_budget_is_for_all(self):
        with self.spool() as first, self.spool() as second:
            first.keep([b'x' * 10])
            second.keep([b'x' * 30])
            self.assertIn('[ext_boot]content_space', str(self.assertRaises(
                errors.NoSpaceError, second.keep, [b'x'])))
            # Who came first can always finish.
            first.keep([b'x' * 50])

    def test_what_could_never_fit_does_not_wait(self):
        with self.spool(timeout=3600) as kept:
            self.assertIn('of one node', str(self.assertRaises(
                errors.NoSpaceError, kept.keep, [b'x' * 101])))

    def test_room_is_waited_for(self):
        first = self.spool()
        first.__enter__()
        first.keep([b'x' * 60])
        done = threading.Event()

        def wait():
            with self.spool(timeout=60) as second:
                second.keep([b'x' * 60])
                done.set()

        thread = threading.Thread(target=wait)
        thread.start()
        self.assertFalse(done.wait(0.2))
        first.__exit__(None, None, None)
        thread.join()
        self.assertTrue(done.is_set())
        self.assertEqual(0, self.budget.taken)

    def test_those_that_wait_for_one_another_all_finish(self):
        failures = []

        def run():
            try:
                with self.spool(timeout=60) as kept:
                    for _ in range(6):
                        kept.keep([b'x' * 10])
            except errors.ImageError as exc:
                failures.append(exc)

        threads = [threading.Thread(target=run) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)

    def test_where_somebody_waits_all_of_it_has_an_end(self):
        with spool.Spool(lambda: self.folder, spool.Limits(
                100, 60, 0.0, 'x', 0.05), self.budget) as kept:
            entry = kept.download(50, 'x')
            entry.begin(service.ImageVersion())
            entry.write(0, b'1')
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    entry.begin(service.ImageVersion())
                    entry.write(0, b'1')
                except errors.ImageError as exc:
                    self.assertIn('did not arrive', str(exc))
                    break
            else:
                self.fail('it has no end')
            self.assertRaises(errors.ImageError, kept.download, 50, 'x')

    def test_a_directory_that_cannot_be_had_is_told(self):
        self.folder = str(pathlib.Path(self.folder, 'none'))
        with self.spool() as kept:
            self.assertIn('[ext_state]dir', str(self.assertRaises(
                errors.ImageError, kept.keep, [b'x'])))

    def test_nothing_is_left_of_a_process_that_was_killed(self):
        with subprocess.Popen(
                [sys.executable, '-c', _HOLDER, self.folder],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            self.assertEqual(b'kept\n', holder.stdout.readline())
            holder.send_signal(signal.SIGKILL)
        self.assertEqual([], os.listdir(self.folder))
