# SPDX-License-Identifier: Apache-2.0

"""What a machine is told that reports: what was seen, not what was noted."""

import asyncio

import testtools

from ironic_ext.node import boot_state
from ironic_ext.server import errors
from ironic_ext.server.machines import boot_complete
from ironic_ext.server.machines import identity
from tests.unit.node import test_host as test_hosts

ONCE = {'boot_iso': 'live', 'ext_boot_mode': 'once'}
DONE = {**ONCE, 'ext_boot_completed_at': '2026-01-01T00:00:00Z'}


class BootCompleteTestCase(testtools.TestCase):

    def report(self, host, token='x'):
        """Return the status of the answer to a report of that host."""
        class Shared:
            def complete(self, host, generation, when):
                return host

            def now(self, host):
                return host

        class Finder:
            async def reporting(self, asked):
                return identity.Report(host, (0, 0),
                                       asked.token != 'ended')

        async def run(work, *arguments):
            return work(*arguments)

        resource = boot_complete.BootComplete(Finder(), Shared(), run)
        return asyncio.run(resource.post(identity.Asked(token=token))).status

    def host(self, info, interface='redfish-iso', **state):
        return test_hosts.host(
            instance_info=info, boot_interface=interface,
            boot=boot_state.BootState('once', **state))

    def test_what_was_not_seen_yet_is_accepted(self):
        self.assertEqual(202, self.report(self.host(DONE)))
        self.assertEqual(202, self.report(self.host(
            DONE, cause=boot_state.Cause.REPORT, asked_at=1)))

    def test_what_was_seen_is_done(self):
        self.assertEqual(204, self.report(self.host(
            DONE, cause=boot_state.Cause.REPORT, asked_at=1, disk_at=2)))

    def test_a_script_that_leads_to_the_disk_is_enough_and_claims_no_more(
            self):
        host = self.host(DONE, 'iso-sanboot', cause=boot_state.Cause.REPORT,
                         asked_at=1, ended_at=2)
        self.assertEqual(204, self.report(host))
        self.assertFalse(test_hosts.hosts.document(host, '1')[
            'status']['bootEnd']['diskIsBootDevice'])

    def test_where_no_conductor_ends_it_the_script_does(self):
        self.assertEqual(204, self.report(self.host(DONE, 'ipxe')))

    def test_a_report_of_a_live_system_changes_nothing(self):
        self.assertEqual(204, self.report(self.host(
            {**DONE, 'ext_boot_mode': 'forever'})))

    def test_a_token_whose_boot_is_over_is_told_what_has_become_of_it(self):
        self.assertEqual(202, self.report(self.host(DONE), 'ended'))
        self.assertEqual(204, self.report(self.host(
            DONE, cause=boot_state.Cause.REPORT, asked_at=1, disk_at=2),
            'ended'))
        self.assertEqual(204, self.report(self.host({}, 'ipxe'), 'ended'))
        self.assertRaises(errors.GoneError, self.report,
                          self.host(ONCE, 'ipxe'), 'ended')

    def test_without_a_token_nobody_is_believed(self):
        self.assertRaises(errors.UnauthorizedError, self.report,
                          self.host(DONE), token='')

    def test_the_host_says_how_far_it_is(self):
        host = self.host(DONE, cause=boot_state.Cause.REPORT, asked_at=1,
                         disk_at=2, disk_seen=True)
        self.assertEqual(
            {'cause': 'report', 'diskIsBootDevice': True, 'seen': True,
             'mediumIsGone': False},
            test_hosts.hosts.document(host, '1')['status']['bootEnd'])
        self.assertNotIn('bootEnd', test_hosts.hosts.document(
            self.host(ONCE), '1')['status'])

    def test_a_conductors_default_is_the_boot_mode(self):
        self.assertEqual('once', self.host({'boot_iso': 'x'}).boot_mode)
        self.assertEqual('forever', test_hosts.host(
            instance_info={'boot_iso': 'x'}).boot_mode)
