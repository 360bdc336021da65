# SPDX-License-Identifier: Apache-2.0

"""Clocks that are ahead."""

import json
import os
import pathlib
import subprocess
import sys
import time

import fixtures
import testtools

from tests.cluster import clocks

_AHEAD = 86400
#: 5 is CLOCK_REALTIME_COARSE of Linux.
_TOLD = """
import datetime, json, subprocess, sys, threading, time
began = time.monotonic()
threading.Event().wait(0.01)
print(json.dumps([
    time.time(), datetime.datetime.now().timestamp(),
    time.clock_gettime(5),
    float(subprocess.check_output(['date', '+%s'])),
    time.monotonic() - began]))
"""


class ClocksTestCase(testtools.TestCase):

    def test_a_process_and_its_children_are_ahead_and_wait_as_before(self):
        library = clocks.build(pathlib.Path(
            self.useFixture(fixtures.TempDir()).path))
        said = subprocess.run(
            [sys.executable, '-c', _TOLD], check=True, capture_output=True,
            env={**os.environ, **clocks.environment(library, _AHEAD)})
        *clock, waited = json.loads(said.stdout)
        for seconds in clock:
            self.assertLess(abs(seconds - time.time() - _AHEAD), 600)
        self.assertLess(waited, 600)
