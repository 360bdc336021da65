# SPDX-License-Identifier: Apache-2.0

"""The application as a whole, without a network."""

import concurrent.futures
import dataclasses
import ipaddress
import json
import unittest.mock

import bcrypt
import falcon.inspect
import fixtures
import jsonschema
from oslo_config import cfg
import testtools
from testtools import matchers

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext import conf as options
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server import app
from ironic_ext.server import errors
from ironic_ext.server.machines import guesses
from ironic_ext.server.machines import identity
from ironic_ext.server.mirror import host_index
from ironic_ext.server.rest import openapi
from ironic_ext.server.rest import policies
from tests.unit.node import test_host as test_hosts
from tests.unit.server import asgi

#: What people open, and programs only load.
_NOT_DESCRIBED = {'/', '/page/{name}', '/openapi.json', '/t/{token}'}


def make(**given):
    """Return parts, options and an index of an application."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([])
    for name, value in {'auth_strategy': 'noauth', **given}.items():
        conf.set_override(name, value, group='ext_server')
    index = host_index.HostIndex()
    pool = concurrent.futures.ThreadPoolExecutor(4)
    parts = [unittest.mock.Mock() for _number in range(10)]
    parts[2] = index
    return conf, app.Parts(*parts, pool, pool), index


class AppTestCase(testtools.TestCase):
    """Paths, and what is said of them."""

    def test_every_path_is_described(self):
        conf, parts, _index = make()
        found = {route.path for route in falcon.inspect.inspect_routes(
            app.operators(conf, parts, unittest.mock.Mock()))}
        found |= set(app.MACHINES)
        # One resource answers with and without its last slash.
        described = {'/t/{token}' if path == '/t/{token}/' else path
                     for path in openapi.description()['paths']}
        self.assertEqual(found - _NOT_DESCRIBED,
                         described - _NOT_DESCRIBED)

    def test_documents_are_as_described(self):
        cdrom = resources.parse({
            'kind': 'ISCSICdrom', 'metadata': {
                'name': 'a', 'labels': {'b': 'c'}, 'uid': 'd',
                'resourceVersion': '1', 'creationTimestamp': 'e'},
            'spec': {'url': 'http://example.com/a', 'description': 'f',
                     'bootConfigs': ['g'], 'readOnly': False},
            'status': {'phase': 'Ready', 'isoSize': 1, 'volumeId': 'h',
                       'system': 'n', 'bootLoaders': ['i'], 'bootPaths': ['m'],
                       'targetIQN': 'j',
                       'portalIP': 'k', 'portalPort': 3260, 'lun': 1,
                       'error': 'l'}})
        config = catalog.BootConfig(
            catalog.Metadata('a'), catalog.BootConfigSpec(
                'plain', {'b': 'c'}, 'b', True))
        host = test_hosts.host(last_error='x', instance_info={
            'boot_config': {'format': 'plain'},
            'ext_boot_completed_at': 'y'})
        for document in (resources.document(cdrom),
                         resources.document(config),
                         hosts.document(host, 'z')):
            jsonschema.validate(document, {
                **openapi.description(),
                '$ref': f'#/components/schemas/{document["kind"]}'})

    def test_a_policy_names_paths_that_there_are(self):
        described = openapi.description()['paths']
        for rule in policies.list_rules():
            for operation in getattr(rule, 'operations', ()):
                self.assertIn(operation['method'].lower(),
                              described[operation['path']])

    def test_before_ironic_answered_nothing_is_concluded(self):
        conf, parts, index = make()
        application = app.make(conf, parts)
        path = '/api/v1/baremetalhosts'
        self.assertEqual(503, asgi.ask(application, path).status)
        index.loaded.set()
        self.assertEqual([], asgi.ask(application, path).json['items'])

    def test_who_looks_whether_it_is_ready_logs_nothing(self):
        logged = self.useFixture(fixtures.FakeLogger())
        conf, parts, index = make()
        application = app.make(conf, parts)

        def statuses():
            return [asgi.ask(application, path).status
                    for path in ('/healthz', '/readyz')]

        self.assertEqual([200, 503], statuses())
        index.loaded.set()
        self.assertEqual([200, 200], statuses())
        index.problem = 'the login sees no nodes'
        found = asgi.ask(application, '/readyz')
        self.assertEqual((503, index.problem),
                         (found.status, found.json['message']))
        parts.catalog.revision.side_effect = catalog.DatabaseError('away')
        self.assertEqual([503, 503], statuses())
        self.assertEqual('', logged.output)

    def test_answers_are_counted(self):
        conf, parts, index = make()
        index.loaded.set()
        application = app.make(conf, parts)
        for path in ('/api/v1/baremetalhosts', '/nowhere',
                     '/ipxe?mac=52:54:00:00:00:99', '/healthz'):
            asgi.ask(application, path)
        self.assertEqual({('operator', 200): 1, ('operator', 404): 1,
                          ('machine', 200): 2}, dict(application.answered))

    def test_an_error_of_ours_tells_nothing_of_itself(self):
        self.useFixture(fixtures.FakeLogger())
        conf, parts, index = make()
        index.loaded.set()
        parts.catalog.revision.side_effect = KeyError('secret')
        application = app.make(conf, parts)
        with unittest.mock.patch.object(index, 'page',
                                        side_effect=KeyError('secret')):
            for path in ('/api/v1/baremetalhosts', '/healthz'):
                found = asgi.ask(application, path)
                self.assertEqual(500, found.status)
                self.assertEqual('Status', found.json['kind'])
                self.assertNotIn('secret', json.dumps(found.json))

    def test_a_token_is_not_logged_whatever_fails(self):
        logged = self.useFixture(fixtures.FakeLogger())
        conf, parts, index = make()
        application = app.make(conf, parts)
        token, _ends = tokens.Tokens([b'k' * 32]).new(test_hosts.UUID, 60)
        for failure in (KeyError('x'), errors.UnavailableError('x')):
            parts.signer.read.side_effect = failure
            for path in (f'/t/{token}/', f'/t/{token}/{token}',
                         f'/t//{token}/', f'/api/v1/bootconfig?token={token}'):
                self.assertLess(400, asgi.ask(application, path).status)
        self.assertIn('/t/TOKEN/', logged.output)
        self.assertNotIn(token, logged.output)

    def test_the_page_has_a_strict_policy_and_a_tag(self):
        conf, parts, _index = make()
        application = app.make(conf, parts)
        found = asgi.ask(application, '/')
        self.assertEqual(200, found.status)
        self.assertIn("default-src 'self'",
                      found.headers['content-security-policy'])
        again = asgi.ask(application, '/', headers=[
            ('If-None-Match', found.headers['etag'])])
        self.assertEqual((304, b''), (again.status, again.data))

    def test_headers_are_the_same_for_all(self):
        users = self.useFixture(fixtures.TempDir()).join('htpasswd')
        with open(users, 'wb') as file:
            file.write(b'u:' + bcrypt.hashpw(b'p', bcrypt.gensalt(4)))
        conf, parts, index = make(auth_strategy='http_basic',
                                  http_basic_auth_user_file=users)
        index.loaded.set()
        index.put(test_hosts.host())
        application = app.make(conf, parts)
        for path, method, status, cached in (
                ('/ipxe', 'GET', 400, 'no-store'),
                ('/ipxe?mac=52:54:00:00:00:77', 'GET', 200, 'no-store'),
                ('/api/v1/bootconfig', 'GET', 404, 'no-store'),
                ('/t/x/', 'GET', 404, 'no-store'),
                ('/t/', 'GET', 404, None),
                ('/healthz', 'GET', 200, None),
                ('/healthz', 'PUT', 405, None),
                ('/healthz', 'HEAD', 200, None),
                ('/readyz', 'GET', 200, None),
                ('/ipxe?mac=52:54:00:00:00:77', 'HEAD', 200, 'no-store'),
                ('/api/v1/bootconfig', 'HEAD', 404, 'no-store'),
                ('/api/v1/boot-complete', 'POST', 401, 'no-cache'),
                ('/api/v1/bootconfigs', 'GET', 401, 'no-cache'),
                ('/nowhere', 'GET', 404, None),
                ('/', 'GET', 200, 'no-cache')):
            found = asgi.ask(application, path, method)
            self.assertEqual(
                (status, cached, 'nosniff', str(len(found.data))),
                (found.status, found.headers.get('cache-control'),
                 found.headers['x-content-type-options'],
                 found.headers['content-length']), path)
            self.assertEqual(status == 401,
                             'www-authenticate' in found.headers, path)

    def test_what_is_answered_at_once_is_what_is_answered(self):
        conf, parts, index = make()
        index.loaded.set()
        index.put(test_hosts.host())
        application = app.make(conf, parts)
        for path, method in (
                ('/ipxe', 'GET'), ('/ipxe?mac=52:54:00:00:00:77', 'GET'),
                ('/ipxe?mac=52:54:00:00:00:77', 'HEAD'),
                ('/api/v1/bootconfig', 'GET'), ('/api/v1/bootconfig', 'PUT'),
                ('/api/v1/bootconfig?mac=a&mac=b', 'GET'), ('/t/', 'GET')):
            status, headers, data = application.at_once(
                asgi.scope(path, method))
            found = asgi.ask(application, path, method)
            self.assertEqual(
                (found.status, found.headers, found.data),
                (status, dict(line.split(': ', 1) for line
                              in headers.decode().splitlines()), data), path)

    def test_what_may_wait_is_not_answered_at_once(self):
        conf, parts, index = make()
        index.loaded.set()
        index.put(test_hosts.host(instance_info={'boot_config': {
            'format': 'kickstart', 'data': {'ks.cfg': 'reboot\n'}}}))
        application = app.make(conf, dataclasses.replace(
            parts, lessees=lambda address: self.fail('it waits')))
        for path, method in (
                ('/api/v1/bootconfig?mac=52:54:00:00:00:01', 'GET'),
                # Leases are looked up.
                ('/api/v1/bootconfig', 'GET'), ('/healthz', 'GET'),
                ('/api/v1/baremetalhosts', 'GET'), ('/', 'GET'),
                ('/api/v1/baremetalhosts?watch=true', 'GET')):
            self.assertIsNone(application.at_once(asgi.scope(path, method)),
                              path)

    def test_who_guesses_has_one_row_for_all_answers(self):
        conf, parts, index = make()
        index.loaded.set()
        application = app.make(conf, parts)
        waits = []

        async def sleep(seconds):
            waits.append(seconds)

        self.useFixture(fixtures.MockPatch(
            'ironic_ext.server.machines.guesses.asyncio.sleep', sleep))
        scope = asgi.scope('/ipxe?mac=52:54:00:00:00:77')
        free = 0
        while application.at_once(scope) is not None:
            free += 1
        # What has to wait is left to the application, which counts it.
        for _number in range(5):
            self.assertIsNone(application.at_once(scope))
        for _number in range(2):
            asgi.ask(application, '/ipxe?mac=52:54:00:00:00:77')
        self.assertIn(free - guesses.FREE, (0, 1))
        self.assertThat(waits, matchers.HasLength(2))
        self.assertLess(0, waits[0])
        self.assertLess(waits[0], guesses.EACH)
        self.assertLess(guesses.EACH / 2, waits[1] - waits[0])

    def test_a_parameter_that_is_given_twice_is_refused(self):
        conf, parts, index = make()
        index.loaded.set()
        application = app.make(conf, parts)
        for query in ('mac=a&mac=b', 'token=a&token=a', 'mac=' + 'a' * 5000):
            self.assertEqual(400, asgi.ask(
                application, f'/api/v1/bootconfig?{query}').status)

    def test_only_the_header_itself_tells_who_is_behind_a_proxy(self):
        conf, parts, index = make()
        index.loaded.set()
        index.put(test_hosts.host(extra={'boot_ips': '192.0.2.1'}))
        application = app.make(conf, dataclasses.replace(
            parts, rules=identity.Rules(
                proxies=[ipaddress.ip_network('192.0.2.99')])))
        for peer, headers, known in (
                ('192.0.2.99', [('X-Forwarded-For', '192.0.2.1')], True),
                # One line of each proxy; the last one is whom we know.
                ('192.0.2.99', [('X-Forwarded-For', '192.0.2.7'),
                                ('X-Forwarded-For', '192.0.2.1')], True),
                ('192.0.2.99', [('X-Forwarded-For', '192.0.2.1'),
                                ('X-Forwarded-For', '192.0.2.7')], False),
                ('192.0.2.99', [('X_Forwarded_For', '192.0.2.1')], False),
                ('192.0.2.8', [('X-Forwarded-For', '192.0.2.1')], False)):
            message = asgi.ask(application, '/api/v1/bootconfig',
                               headers=headers, peer=peer).json['message']
            self.assertEqual(known, 'server1 has no config' in message,
                             (peer, headers))
