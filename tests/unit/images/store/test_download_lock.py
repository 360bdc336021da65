# SPDX-License-Identifier: Apache-2.0

"""One download at a time, among threads and among processes."""

import fcntl
import os
import pathlib
import threading
import time

import fixtures
import testtools

from ironic_ext.images import errors
from ironic_ext.images.store import download_lock


class DownloadLockTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'lock'
        self.told = 0

    def tell(self):
        self.told += 1

    def lock(self, timeout=20.0):
        return download_lock.DownloadLock(str(self.path), timeout,
                                          'http://x/a.iso', self.tell)

    def elsewhere(self):
        """Lock it as another process would."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def test_nothing_is_left_of_a_lock_that_nobody_waits_for(self):
        with self.lock() as lock:
            self.assertTrue(lock.acquire())
            self.assertTrue(self.path.exists())
        self.assertFalse(self.path.exists())
        self.assertEqual({}, dict(download_lock._gates))
        self.assertEqual({}, dict(download_lock._users))

    def test_threads_take_turns(self):
        inside = []
        most = []

        def work():
            with self.lock() as lock:
                while not lock.acquire():
                    pass
                inside.append(1)
                most.append(len(inside))
                inside.pop()

        threads = [threading.Thread(target=work) for _number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([1] * 20, most)
        self.assertEqual({}, dict(download_lock._gates))

    def test_who_waited_for_another_process_is_told_so(self):
        fd = self.elsewhere()

        def finish():
            self.path.unlink()
            os.close(fd)

        timer = threading.Timer(0.05, finish)
        timer.start()
        with self.lock() as lock:
            self.assertFalse(lock.acquire())
            self.assertTrue(lock.acquire())
        timer.join()
        self.assertGreaterEqual(self.told, 1)

    def test_a_process_that_died_holds_nothing(self):
        os.close(self.elsewhere())  # its lock file stays behind
        with self.lock() as lock:
            self.assertTrue(lock.acquire())
        self.assertFalse(self.path.exists())

    def test_waiting_has_an_end_in_a_process_and_among_them(self):
        fd = self.elsewhere()
        self.addCleanup(os.close, fd)
        with self.lock(timeout=0.1) as lock:
            began = time.monotonic()
            error = self.assertRaises(errors.ImageError, lock.acquire)
            self.assertLess(time.monotonic() - began, 5)
            self.assertIn('http://x/a.iso', str(error))
            self.assertRaises(errors.ImageError,
                              self.lock(timeout=0).__enter__)
        self.assertEqual({}, dict(download_lock._gates))
