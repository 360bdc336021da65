# SPDX-License-Identifier: Apache-2.0

"""Processes that see a container to its end are waited for."""

import os
import pathlib
import signal
import subprocess
import threading
import unittest.mock

import fixtures
import testtools

from ironic_python_agent_ext.bootc import leftovers
from ironic_python_agent_ext.bootc import podman
from lab import process


class AttendantsTest(testtools.TestCase):
    """Some are slow, some do not end."""

    def setUp(self) -> None:
        super().setUp()
        # Containers of real installs are nobody's business here.
        self.name = f'leftovers-{os.getpid()}'
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_python_agent_ext.bootc.podman.CONTAINER', self.name))

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Run what looks like a conmon whose podman does not end."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        program = folder / 'conmon'
        program.write_text('#!/bin/sh\nsleep 60 &\nwait\n')
        program.chmod(0o755)
        found = subprocess.Popen([program, '-n', name],
                                 start_new_session=True)
        self.addCleanup(self._stop, found)
        if name == self.name:
            # It has its name some time after it was started, and a child of
            # its shell the same one until it runs its program.
            process.await_condition(
                lambda: [found.pid] == [*podman.attendants()],
                'that it is found alone', timeout=60)
        return found

    def _stop(self, found: subprocess.Popen[bytes]) -> None:
        if found.poll() is None:
            os.killpg(found.pid, signal.SIGKILL)
        found.wait()

    def test_one_that_goes_on_is_waited_for(self) -> None:
        other, found = self.start('of-somebody-else'), self.start(self.name)
        ends = threading.Timer(1, os.killpg, (found.pid, signal.SIGTERM))
        ends.start()
        self.addCleanup(ends.cancel)
        leftovers._await_attendants()
        self.assertEqual(-signal.SIGTERM, found.wait(10))
        self.assertIsNone(other.poll())

    def test_one_that_does_not_end_is_killed_with_its_podman(self) -> None:
        found = self.start(self.name)
        with unittest.mock.patch.object(leftovers, '_PATIENCE', 0.5):
            leftovers._await_attendants()
        self.assertEqual(-signal.SIGKILL, found.wait(10))
        # Nobody of its session is left, once the system has buried them.
        process.await_condition(lambda: self._is_gone(found.pid),
                                'the end of its podman', timeout=60)

    @staticmethod
    def _is_gone(session: int) -> bool:
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return True
        return False
