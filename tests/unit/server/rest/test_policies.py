# SPDX-License-Identifier: Apache-2.0

"""Who may do what, by the defaults of the rules."""

import falcon.testing
from oslo_config import cfg
from oslo_policy import opts as policy_opts
import testtools

from ironic_ext import conf as options
from ironic_ext.server import errors
from ironic_ext.server.rest import access
from ironic_ext.server.rest import policies
from tests.unit.node import test_host as test_hosts

SYSTEM = {'HTTP_OPENSTACK_SYSTEM_SCOPE': 'all'}
#: Roles as Keystone has them: one implies those before it.
READER, MEMBER, MANAGER, ADMIN = (
    'reader', 'reader,member', 'reader,member,manager',
    'reader,member,manager,admin')
EVERYTHING = {policies.HOSTS_READ, policies.HOSTS_WRITE, policies.POWER,
              policies.TOKENS, policies.ADDRESS, policies.PROVISION,
              policies.CONSOLE}
CHANGES = EVERYTHING - {policies.ADDRESS}
#: Of a lessee, who has no console in Ironic either.
LENT = CHANGES - {policies.CONSOLE}
SWITCHES = {policies.HOSTS_READ, policies.POWER}
READS = {policies.HOSTS_READ}


class PolicyTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.guard = self.access()

    def access(self, **given):
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        policy_opts.set_defaults(conf)
        conf([], default_config_files=[])
        # Groups are one for all of a process.
        for group, name, value in (
                ('ext_server', 'auth_strategy', 'keystone'),
                *(('oslo_policy', *item) for item in given.items())):
            conf.set_override(name, value, group=group)
            self.addCleanup(conf.clear_override, name, group=group)
        return access.Access(conf)

    def request(self, roles, **environ):
        return falcon.Request({
            **falcon.testing.create_environ(), **environ,
            'HTTP_X_IDENTITY_STATUS': 'Confirmed', 'HTTP_X_ROLES': roles,
            'HTTP_X_USER_ID': 'u'})

    def may(self, roles, owner='', lessee='', guard=None, **environ):
        host = test_hosts.host(owner=owner, lessee=lessee)
        return {rule for rule in EVERYTHING if (guard or self.guard).allows(
            self.request(roles, **environ), rule, host)}

    def of(self, project):
        return {'HTTP_X_PROJECT_ID': project}

    def test_an_administrator_of_a_project_has_no_other_hosts(self):
        for owner, lessee in (('', ''), ('a', ''), ('a', 'b'), ('', 'b')):
            for roles in (READER, MEMBER, MANAGER, ADMIN, 'service'):
                self.assertEqual(set(), self.may(
                    roles, owner, lessee, **self.of('mine')))

    def test_owners_and_lessees_have_theirs_as_in_ironic(self):
        for roles, owners, lessees in (
                (READER, READS, READS), (MEMBER, CHANGES, SWITCHES),
                (MANAGER, CHANGES, LENT), (ADMIN, CHANGES, LENT),
                ('service', CHANGES, set()), ('', set(), set())):
            self.assertEqual(owners, self.may(
                roles, 'mine', 'other', **self.of('mine')), roles)
            self.assertEqual(lessees, self.may(
                roles, 'other', 'mine', **self.of('mine')), roles)

    def test_the_system_has_all_by_its_roles(self):
        for roles, expected in (
                (READER, READS), (MEMBER, CHANGES), (ADMIN, EVERYTHING),
                ('service', CHANGES)):
            for whose in ('', 'a'):
                self.assertEqual(expected, self.may(roles, whose, **SYSTEM),
                                 roles)

    def test_none_is_no_project(self):
        # What Python writes for nothing is no scope either.
        self.assertEqual(set(), self.may(ADMIN))
        self.assertEqual(set(), self.may(ADMIN, **self.of('None')))

    def test_lists_show_what_one_may_see(self):
        sees = self.guard.sees(self.request(READER, **self.of('mine')))
        self.assertEqual(
            [True, True, False, False],
            [sees(*whose) for whose in (
                ('mine', ''), ('x', 'mine'), ('x', 'y'), ('', ''))])

    def test_who_has_not_logged_in_sees_no_list(self):
        request = falcon.Request(falcon.testing.create_environ())
        self.assertRaises(errors.UnauthorizedError,
                          self.guard.sees(request), '', '')

    def test_the_rules_of_before_can_be_had_as_ironics_can(self):
        guard = self.access(enforce_new_defaults=False)
        self.assertEqual(EVERYTHING, self.may(
            ADMIN, 'a', 'b', guard, **self.of('mine')))
        self.assertEqual(set(), self.may(
            MEMBER, 'a', 'b', guard, **self.of('mine')))
