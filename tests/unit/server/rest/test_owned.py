# SPDX-License-Identifier: Apache-2.0

"""Tests of the catalog's walls between projects, as REST has them."""

import dataclasses
import functools
import json
import unittest.mock

from oslo_policy import opts as policy_opts

from ironic_ext.catalog import iso_files
from ironic_ext.catalog import resources
from ironic_ext.server import app
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.rest import watches
from tests.unit.catalog import database
from tests.unit.node import test_host as test_hosts
from tests.unit.server import asgi
from tests.unit.server import test_app

CONFIGS, ISOS = '/api/v1/bootconfigs', '/api/v1/iscsi-cdroms'
_POLICY = {
    'ext_server:admin': 'role:admin', 'ext_server:reader': 'role:admin',
    'ext_server:catalog:update': 'role:member',
    'ext_server:catalog:get_data': 'role:member',
    'ext_server:catalog:all_projects': 'rule:ext_server:admin'}


class RestTestCase(database.CatalogTestCase):

    strategy = 'keystone'

    def setUp(self):
        super().setUp()
        policy = self.folder / 'policy.yaml'
        policy.write_text(json.dumps(_POLICY))
        conf, parts, index = test_app.make(auth_strategy=self.strategy)
        policy_opts.set_defaults(conf, policy_file=str(policy))
        index.loaded.set()
        self.index = index
        self.isos = self.folder / 'isos'
        self.isos.mkdir()
        parts = dataclasses.replace(
            parts, catalog=self.catalog,
            directory=iso_files.IsoDirectory(str(self.isos), 1 << 20))
        parts.mirror.feed.staleness = None
        parts.mirror.iso = functools.partial(
            self.catalog.find, resources.ISCSICdrom)
        # Keystone's middleware has its tests elsewhere; the headers that it
        # makes are given here.
        with unittest.mock.patch.object(
                app.access, 'guarded', lambda app, conf: app):
            self.app = app.make(conf, parts)

    def ask(self, project, path, body=None, method=None, roles='member'):
        """Ask as a member of a project; return (status, document)."""
        answer = asgi.ask(
            self.app, path, method or ('GET' if body is None else 'POST'), [
                ('X-Identity-Status', 'Confirmed'),
                ('X-Roles', f'reader,{roles}'), ('X-Project-Id', project),
                ('Content-Type', 'application/json')],
            b'' if body is None else json.dumps(body).encode())
        return answer.status, answer.json

    def admin(self, path, body=None, method=None):
        return self.ask('op', path, body, method, roles='admin,member')

    def add(self, who, name, **spec):
        return self.ask(who, CONFIGS, self.config(name, **spec))

    def config(self, name, **spec):
        return {'metadata': {'name': name}, 'spec': {
            'format': 'plain', 'data': {'a': 'secret'}, **spec}}

    def names(self, project):
        return [item['metadata']['name'] for item
                in self.ask(project, CONFIGS)[1]['items']]


class OwnedTestCase(RestTestCase):

    def test_what_is_new_belongs_to_its_project_alone(self):
        status, made = self.add('p', 'mine')
        self.assertEqual((201, 'p', False), (
            status, made['spec']['project'], made['spec']['shared']))
        self.assertEqual(['mine'], self.names('p'))
        self.assertEqual([], self.names('q'))

    def test_what_is_anothers_is_told_as_what_there_is_not(self):
        self.add('p', 'mine')
        for method, suffix, body in (
                ('GET', '', None), ('GET', '/preview', None),
                ('PATCH', '', {'spec': {}}), ('DELETE', '', None)):
            found = [self.ask('q', f'{CONFIGS}/{name}{suffix}', body, method)
                     for name in ('mine', 'none')]
            self.assertEqual([404, 404], [status for status, _ in found])
            first, second = (json.dumps(answer) for _status, answer in found)
            self.assertEqual(first.replace('mine', 'none'), second)

    def test_a_name_is_taken_and_nothing_is_overwritten(self):
        self.add('p', 'mine')
        self.assertEqual(409, self.add('q', 'mine')[0])
        self.assertEqual(409, self.ask(
            'q', f'{CONFIGS}/mine', self.config('mine'), 'PUT')[0])

    def test_what_is_shared_is_seen_and_not_changed_nor_read(self):
        self.admin(CONFIGS, self.config('common', shared=True))
        self.assertEqual(['common'], self.names('q'))
        status, found = self.ask('q', f'{CONFIGS}/common')
        self.assertEqual((200, '<redacted: 6 bytes>'),
                         (status, found['spec']['data']['a']))
        self.assertEqual(403, self.ask('q', f'{CONFIGS}/common/preview')[0])
        for method, body in (('PATCH', {'spec': {'primary': 'a'}}),
                             ('PUT', self.config('common')),
                             ('DELETE', None)):
            self.assertEqual(403, self.ask(
                'q', f'{CONFIGS}/common', body, method)[0])

    def test_nobody_gives_nor_shares_but_who_may(self):
        self.assertEqual(403, self.add('p', 'a', project='q')[0])
        self.assertEqual(403, self.add('p', 'a', shared=True)[0])
        self.add('p', 'a')
        for spec in ({'project': 'q'}, {'project': ''}, {'shared': True}):
            self.assertEqual(403, self.ask(
                'p', f'{CONFIGS}/a', {'spec': spec}, 'PATCH')[0], spec)
        self.assertEqual(200, self.admin(
            f'{CONFIGS}/a', {'spec': {'shared': True}}, 'PATCH')[0])
        self.assertEqual(['a'], self.names('q'))

    def test_whose_it_is_stays_when_a_file_does_not_say(self):
        self.admin(CONFIGS, self.config('a', shared=True, project='p',
                                        anyISO=True))
        status, found = self.admin(
            f'{CONFIGS}/a', self.config('a', primary='a'), 'PUT')
        self.assertEqual((200, True, 'p', True), (
            status, found['spec']['shared'], found['spec']['project'],
            found['spec']['anyISO']))

    def test_an_iso_of_anothers_file_is_refused(self):
        (self.isos / 'found.iso').touch()
        self.admin(ISOS, {'metadata': {'name': 'x'},
                          'spec': {'isoFile': 'x.iso'}})
        for spec in ({'isoFile': 'x.iso'}, {'isoFile': 'found.iso'},
                     {'url': 'file:///etc/passwd'},
                     {'url': 'http://127.0.0.1/'}):
            status, _answer = self.ask('q', ISOS, {
                'metadata': {'name': 'evil'}, 'spec': spec})
            self.assertIn(status, (403, 409), spec)
        self.assertEqual(201, self.ask('q', ISOS, {
            'metadata': {'name': 'mine'}, 'spec': {'isoFile': 'm.iso'}})[0])
        self.assertEqual(403, self.ask(
            'q', f'{ISOS}/mine', {'spec': {'isoFile': 'x.iso'}}, 'PATCH')[0])
        self.assertEqual(404, self.ask(
            'q', f'{ISOS}/x/upload', {}, 'PUT')[0])

    def put_host(self, number, owner, **info):
        self.index.put(test_hosts.host(
            uuid=f'{test_hosts.UUID[:-1]}{number}', name=f'server{number}',
            macs=(), owner=owner, instance_info=info))

    def test_who_uses_what_is_shared_is_told_to_who_may_see_them(self):
        self.admin(CONFIGS, self.config('common', shared=True, project='p'))
        self.put_host(1, 'p', boot_config='common')
        self.put_host(2, 'q', boot_config='common')
        status, found = self.ask('p', f'{CONFIGS}/common', method='DELETE')
        self.assertEqual(409, status)
        self.assertEqual(['BareMetalHost/default/server1'],
                         found['details']['referrers'])
        self.assertIn('what you may not see', found['message'])
        self.assertNotIn('server2', json.dumps(found))

    def test_isos_of_others_that_list_a_config_are_not_named(self):
        self.admin(CONFIGS, self.config('common', shared=True, project='p'))
        self.ask('q', ISOS, {'metadata': {'name': 'hidden'}, 'spec': {
            'isoFile': 'h.iso', 'bootConfigs': ['common']}})
        status, found = self.ask('p', f'{CONFIGS}/common', method='DELETE')
        self.assertEqual(409, status)
        self.assertNotIn('hidden', json.dumps(found))
        self.ask('p', ISOS, {'metadata': {'name': 'own'}, 'spec': {
            'isoFile': 'o.iso', 'bootConfigs': ['common']}})
        self.assertIn('ISCSICdrom/own', self.ask(
            'p', f'{CONFIGS}/common', method='DELETE')[1]['message'])

    def test_nobody_keeps_anothers_by_naming_it(self):
        self.add('p', 'mine')
        self.put_host(2, 'q', boot_config='mine')
        self.index.put(test_hosts.host(
            owner='q', lessee='p', instance_info={'boot_config': 'mine'}))
        self.assertEqual(200, self.ask(
            'p', f'{CONFIGS}/mine', method='DELETE')[0])

    def test_without_a_project_there_is_nothing(self):
        self.assertEqual(403, self.ask('', CONFIGS)[0])


class StandaloneTestCase(RestTestCase):

    strategy = 'noauth'

    def test_without_projects_all_is_shared(self):
        status, made = self.add('p', 'mine')
        self.assertEqual((201, None, True), (
            status, made['spec'].get('project'), made['spec']['shared']))


class WatchTestCase(database.CatalogTestCase):

    def test_a_watch_tells_what_is_there_for_its_project(self):
        self.catalog.create(database.config('a', project='q'))
        self.catalog.create(database.config('b', shared=True))
        self.catalog.replace(database.config('b', project='q'))
        self.catalog.replace(database.config('b', project='p'))
        selection = watches._Selection(watches.Source(
            'BootConfig', None, None, None, None, None,
            sees=lambda document: document['spec']['shared']
            or document['spec'].get('project') == 'p'))
        lines = [selection.line(feeds.Event(
            change.revision, change.type, change.kind,
            json.dumps(change.document).encode()))
            for change in self.catalog.changes(0).changes]
        found = [json.loads(line) for line in lines if line]
        self.assertEqual(
            [('ADDED', 'b'), ('DELETED', 'b'), ('ADDED', 'b')],
            [(one['type'], one['object']['metadata']['name'])
             for one in found])
        self.assertNotIn(b'"q"', b''.join(lines))
