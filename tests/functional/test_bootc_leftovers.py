# SPDX-License-Identifier: Apache-2.0

"""Processes that see a container to its end are waited for."""

import os
import pathlib
import signal
import subprocess
import unittest.mock

import fixtures
import testtools

from ironic_python_agent_ext.bootc import leftovers
from ironic_python_agent_ext.bootc import podman
from lab import process


class AttendantsTest(testtools.TestCase):
    """Some are slow, some do not end."""

    def start(self, seconds: int, name: str = podman.CONTAINER
              ) -> subprocess.Popen[bytes]:
        """Run what looks like a conmon whose podman takes some time."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        program = folder / 'conmon'
        program.write_text(f'#!/bin/sh\nsleep {seconds} &\nwait\n')
        program.chmod(0o755)
        found = subprocess.Popen([program, '-n', name],
                                 start_new_session=True)
        self.addCleanup(self._stop, found)
        return found

    def _stop(self, found: subprocess.Popen[bytes]) -> None:
        if found.poll() is None:
            os.killpg(found.pid, signal.SIGKILL)
        found.wait()

    def test_one_that_goes_on_is_waited_for(self) -> None:
        found, other = self.start(1), self.start(60, 'of-somebody-else')
        # A child of its shell has the same name until it runs its program.
        process.await_condition(
            lambda: [found.pid] == [*podman.attendants()],
            'that it is found alone', timeout=60)
        leftovers._await_attendants()
        self.assertEqual(0, found.wait(10))
        self.assertIsNone(other.poll())

    def test_one_that_does_not_end_is_killed_with_its_podman(self) -> None:
        found = self.start(60)
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
