# SPDX-License-Identifier: Apache-2.0

"""Upstream's tests with our classes: those of one kind, and how it is told.

``make upstream`` runs all.
"""

import pathlib
import subprocess
import sys

import testtools

from tests import ironic_series

_ROOT = pathlib.Path(__file__).parents[2]


class UpstreamTest(testtools.TestCase):

    def test_ironic_has_its_images_by_our_services(self):
        ironic_series.require_newer('all that these tests ask for')
        done = subprocess.run(
            [sys.executable, '-m', 'tests.upstream', 'images'], cwd=_ROOT,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout[-4000:]
                         + done.stderr[-2000:])
        self.assertIn(' of which 1 are expected', done.stdout)
