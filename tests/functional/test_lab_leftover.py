# SPDX-License-Identifier: Apache-2.0

"""A lab that was kept is stopped, with what somebody started in it."""

import json
import pathlib
import subprocess
import sys

import fixtures
import testtools

from lab import leftover
from lab import process


class StopTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.lab = self.root / 'lab'
        self.lab.mkdir()
        self.link = self.root / 'link'
        self.link.symlink_to(self.lab)
        self.record = self.root / 'demo.json'
        self.record.write_text(json.dumps({
            'directory': str(self.lab), 'link': str(self.link),
            'libvirt': 'nothing:///', 'processes': []}))

    def start(self, *arguments):
        """Start what sleeps; write its id down, as start-ironic does."""
        started = subprocess.Popen(
            [sys.executable, '-c', 'import time; time.sleep(600)',
             *arguments], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(started.wait)
        self.addCleanup(started.kill)
        # An exec(3) that returns early has no command line yet.
        process.await_condition(
            lambda: pathlib.Path(f'/proc/{started.pid}/cmdline').read_text(),
            'the process', timeout=60)
        (self.lab / 'ironic.pid').write_text(f'{started.pid}\n')
        return started

    def test_what_was_started_in_it_ends_and_nothing_is_left(self):
        started = self.start(str(self.lab / 'ironic.conf'))
        self.assertTrue(leftover.stop(self.record))
        self.assertEqual(-15, started.wait(10))
        self.assertEqual([], list(self.root.iterdir()))
        self.assertFalse(leftover.stop(self.record))

    def test_a_process_of_somebody_else_by_that_number_goes_on(self):
        started = self.start('elsewhere')
        self.assertTrue(leftover.stop(self.record))
        self.assertIsNone(started.poll())
        self.assertEqual([], list(self.root.iterdir()))
