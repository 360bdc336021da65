# SPDX-License-Identifier: Apache-2.0

"""Tests for --version."""

import contextlib
import io

import testtools

from ironic_ext.cli import boot_server
from ironic_ext.cli.doctor import command as doctor
from ironic_ext.cli import images
from ironic_ext.cli import media_server
from ironic_ext.cli import state
from ironic_ext.cli import targets
from ironic_ext.cli import version


class VersionTestCase(testtools.TestCase):

    def test_programs_print_it(self):
        for program in (boot_server.load, media_server.load, doctor.main,
                        images.main, state.main, targets.main):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                end = self.assertRaises(SystemExit, program, ['--version'])
            self.assertIn(end.code, (0, None))
            self.assertTrue(
                printed.getvalue().strip().endswith(version.text()),
                (program.__module__, printed.getvalue()))
