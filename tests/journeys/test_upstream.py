# SPDX-License-Identifier: Apache-2.0

"""Upstream's tests with our classes: those that take seconds.

``make upstream`` runs all.
"""

import pathlib
import subprocess
import sys

import testtools

from tests import ironic_series

_ROOT = pathlib.Path(__file__).parents[2]


class UpstreamTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        ironic_series.require_newer('all that these tests ask for')

    def run_tests(self, project):
        """Run the tests of a project, of which one is expected to differ."""
        done = subprocess.run(
            [sys.executable, '-m', 'tests.upstream', project], cwd=_ROOT,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout[-4000:]
                         + done.stderr[-2000:])
        self.assertIn(' of which 1 are expected', done.stdout)

    def test_ironic_has_its_images_by_our_services(self):
        self.run_tests('images')

    def test_the_agent_has_our_hardware_manager_before_its_own(self):
        self.run_tests('agent')
