# SPDX-License-Identifier: Apache-2.0

"""When a host is somebody else's."""

import testtools

from ironic_ext.server.mirror import tenancy
from tests.unit.node import test_host as test_hosts


class TenancyTestCase(testtools.TestCase):

    def has_ended(self, before, after, interface='ipxe'):
        return tenancy.has_ended(*(test_hosts.host(
            boot_interface=interface, **fields) for fields in (
                before, after)))

    def test_a_host_that_is_torn_down_or_deployed_again_is(self):
        for before, after in (
                ('active', 'deleting'), ('active', 'available'),
                ('active', 'cleaning'), ('active', 'deploying'),
                ('rescue', 'deleting'), ('deploy failed', 'deleting'),
                ('wait call-back', 'cleaning')):
            self.assertTrue(self.has_ended(
                {'provision_state': before}, {'provision_state': after}),
                (before, after))

    def test_a_host_that_goes_on_is_not(self):
        for before, after in (
                ('active', 'active'), ('active', 'rescuing'),
                ('deploying', 'active'), ('deploy failed', 'deploying'),
                ('manageable', 'cleaning'), ('cleaning', 'available'),
                ('available', 'deploying'), ('deleting', 'cleaning'),
                ('active', 'service wait')):
            self.assertFalse(self.has_ended(
                {'provision_state': before}, {'provision_state': after}),
                (before, after))

    def test_what_was_torn_down_between_two_looks_is(self):
        self.assertTrue(self.has_ended(
            {'provision_updated_at': '2026-01-01T00:00:00'},
            {'provision_updated_at': '2026-01-01T00:00:02'}))
        self.assertFalse(self.has_ended(
            *[{'provision_updated_at': '2026-01-01T00:00:00'}] * 2))

    def test_another_project_is_somebody_else(self):
        for field in ('owner', 'lessee', 'instance_uuid'):
            self.assertTrue(self.has_ended({field: 'a'}, {field: 'b'}))

    def test_what_a_conductor_ends_is_its_own_to_say(self):
        self.assertFalse(self.has_ended(
            {'provision_state': 'active'}, {'provision_state': 'deleting'},
            'redfish-iso'))
