# SPDX-License-Identifier: Apache-2.0

"""Where a boot stands, by what the owner says and a conductor has seen."""

import testtools

from ironic_ext.node import boot_state
from ironic_ext.node.boot_state import Cause

ISO = {'boot_iso': 'http://192.0.2.1/live.iso'}
DONE = {'ext_boot_completed_at': '2026-01-01T00:00:00Z'}


class BootStateTestCase(testtools.TestCase):

    def test_what_is_kept_is_what_is_read(self):
        state = boot_state.BootState('once', Cause.REPORT, 1.5, 2.5, 0, True)
        self.assertEqual(state, boot_state.of(
            {boot_state.KEY: state.to_json()}))

    def test_what_was_never_written_has_no_end(self):
        for info in (None, {}, {boot_state.KEY: 'x'},
                     {boot_state.KEY: {'mode': 1, 'cause': [], 'asked_at':
                                       'x'}}):
            self.assertEqual(boot_state.BootState(), boot_state.of(info))

    def test_a_config_that_installs_boots_once_unless_said(self):
        self.assertEqual('once', boot_state.mode({}, installs=True))
        self.assertEqual('forever', boot_state.mode({}))
        self.assertEqual('forever', boot_state.mode(
            {'ext_boot_mode': 'forever'}, installs=True))

    def test_a_report_ends_a_boot_that_is_for_once(self):
        state = boot_state.BootState('once')
        self.assertIsNone(boot_state.cause(ISO, state))
        self.assertEqual(Cause.REPORT, boot_state.cause({**ISO, **DONE},
                                                        state))

    def test_a_report_does_not_end_a_live_system(self):
        self.assertIsNone(boot_state.cause({**ISO, **DONE},
                                           boot_state.BootState()))
        self.assertIsNone(boot_state.cause(
            {**ISO, **DONE, 'ext_boot_mode': 'forever'},
            boot_state.BootState('once')))

    def test_a_node_without_an_iso_boots_from_its_disk(self):
        self.assertEqual(Cause.LOCAL_BOOT, boot_state.cause(
            {}, boot_state.BootState()))

    def test_an_end_stays_until_the_next_deployment(self):
        self.assertEqual(Cause.EJECT, boot_state.cause(
            ISO, boot_state.BootState(cause=Cause.EJECT)))
