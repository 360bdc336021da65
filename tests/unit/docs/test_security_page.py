# SPDX-License-Identifier: Apache-2.0

"""Tests that the pages on walls speak of policies and options there are."""

import re

import falcon
import falcon.testing
from oslo_config import cfg
from oslo_policy import opts as policy_opts
import testtools

from ironic_ext import conf as ext_conf
from ironic_ext.server import app
from ironic_ext.server.rest import access
from ironic_ext.server.rest import openapi
from ironic_ext.server.rest import policies
from tests.unit.docs import pages
from tests.unit.node import test_host as test_hosts
from tests.unit.server import asgi
from tests.unit.server import test_app

_PAGES = ('admin/security', 'admin/security-walls',
          'admin/security-boot-server')
_OPTION = re.compile(r'``\[(\w+)\](\w+)``')
_RULE = re.compile(r'``(ext_server:[a-z_:]+)``')


class SecurityPageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.page = '\n'.join(map(pages.read, _PAGES))
        conf = cfg.ConfigOpts()
        ext_conf.register_opts(conf)
        conf([], default_config_files=[])
        self.conf = conf

    def test_every_rule_of_the_policy_has_its_place_in_the_table(self):
        rules = {rule.name for rule in policies.list_rules()}
        self.assertEqual(rules, set(_RULE.findall(self.page)))

    def test_every_option_that_it_names_is_one(self):
        named = set(_OPTION.findall(self.page))
        own = {(group, name) for group, name in named
               if group.startswith('ext_')}
        self.assertTrue(own)
        self.assertEqual(set(), {
            (group, name) for group, name in own
            if group not in self.conf or name not in self.conf[group]})
        stock = {('DEFAULT', 'auth_strategy'),
                 ('DEFAULT', 'webserver_verify_ca'),
                 ('conductor', 'file_url_allowed_paths'),
                 ('oslo_policy', 'enforce_new_defaults'),
                 ('deploy', 'http_root'), ('pxe', 'tftp_root'),
                 ('pxe', 'images_path')}
        self.assertEqual(stock, named - own)

    def test_the_table_of_policies_is_what_the_rules_are(self):
        conf = self.conf
        policy_opts.set_defaults(conf)
        conf.set_override('auth_strategy', 'keystone', group='ext_server')
        self.addCleanup(conf.clear_override, 'auth_strategy',
                        group='ext_server')
        guard = access.Access(conf)
        host = test_hosts.host(owner='owner', lessee='lessee')
        scopes = ({'HTTP_OPENSTACK_SYSTEM_SCOPE': 'all'},
                  {'HTTP_X_PROJECT_ID': 'owner'},
                  {'HTTP_X_PROJECT_ID': 'lessee'})
        ladder = ('reader', 'member', 'manager', 'admin')

        def allows(rule, scope, *roles):
            return guard.allows(falcon.Request({
                **falcon.testing.create_environ(), **scope,
                'HTTP_X_IDENTITY_STATUS': 'Confirmed',
                'HTTP_X_ROLES': ','.join(roles)}), rule, host)

        def least(rule, scope):
            steps = [allows(rule, scope, *ladder[:number + 1])
                     for number in range(len(ladder))]
            self.assertEqual(sorted(steps), steps)
            found = [role for role, step in zip(ladder, steps) if step][:1]
            if allows(rule, scope, 'service'):
                found.append('service')
            return ', '.join(found) or r'\-'

        rows = re.findall(
            r'\* - ``(ext_server:hosts:\w+)``\n' + r' +- (.*)\n' * 3,
            self.page)
        self.assertEqual(7, len(rows))
        for rule, *said in rows:
            self.assertEqual([least(rule, scope) for scope in scopes], said,
                             rule)

    def test_strangers_see_what_the_page_says_they_see(self):
        conf, parts, index = test_app.make(auth_strategy='keystone')
        index.loaded.set()
        index.put(test_hosts.host(name='told-to-nobody'))
        application = app.make(conf, parts)
        for path in ('/openapi.json', '/', '/page/app.js', '/healthz',
                     '/readyz'):
            found = asgi.ask(application, path)
            self.assertEqual(200, found.status, path)
            self.assertNotIn(b'told-to-nobody', found.data)
        self.assertEqual(404, asgi.ask(application, '/metrics').status)
        # Everything else that is described asks who it is.
        for path, item in openapi.description()['paths'].items():
            if path in app.MACHINES or path == '/t/{token}/':
                continue
            for method in {'get', 'put', 'post', 'patch', 'delete'} & set(
                    item):
                found = asgi.ask(application, re.sub(r'{\w+}', 'x', path),
                                 method.upper())
                self.assertEqual(401, found.status, (method, path))

    def test_defaults_are_the_ones_that_it_tells(self):
        self.assertIsNone(self.conf.ext_images.owner_file_paths)
        self.assertEqual([], self.conf.ext_images.denied_networks)
        self.assertEqual([], self.conf.ext_images.allowed_networks)
        self.assertIsNone(self.conf.ext_server.machine_identity)
        self.assertIs(False, self.conf.ext_server.owners_declare_addresses)
        self.assertEqual('auto', self.conf.ext_boot.config_delivery)
