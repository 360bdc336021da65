# SPDX-License-Identifier: Apache-2.0

"""Who may do what in the boot server, in front of a real Keystone."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

import testtools

from lab import process
from tests import boot_server
from tests.functional import keystone
from tests import ironic_stand_in
from tests.journeys import boot_page

HOSTS = '/api/v1/baremetalhosts'
HOST = '/api/v1/namespaces/default/baremetalhosts/server1'
CONFIGS = '/api/v1/bootconfigs'
SECRET = 'rootpw hunter2\n'
_MIDDLEWARE = f"""\
[keystone_authtoken]
www_authenticate_uri = {{url}}
auth_type = password
auth_url = {{url}}
username = admin
password = {keystone.PASSWORD}
# Seconds: no more than a test waits for.
token_cache_time = 2
project_name = admin
user_domain_id = default
project_domain_id = default
"""


class _Services:
    """What all tests here share."""

    def __init__(self, started):
        """Start it.

        :param started: starts a fixture, returns it, and stops it at last.
        """
        self.keystone = started(keystone.Keystone()).process
        self.keystone.add_user('viewer', 'reader', system=True)
        self.keystone.add_user('member', 'member')
        for name, role in (('tenant', 'admin'), ('leaving', 'reader'),
                           ('robot', 'service')):
            if name == 'tenant':
                self.keystone.create('project', name=name)
            self.keystone.add_user(name, role, project='tenant')
        ironic = started(ironic_stand_in.IronicStandIn())
        self.known = ironic.known
        # One trusted project, and one that is not.
        ironic.known.add('server1', '52:54:00:00:00:01',
                         owner=self.keystone.project('admin'))
        ironic.known.add('theirs', '52:54:00:00:00:02',
                         owner=self.keystone.project('tenant'))
        ironic.known.add('nobodys', '52:54:00:00:00:03')
        self.server = started(boot_server.BootServer(
            ironic.url, options='auth_strategy = keystone\n'
                                'judge_interval = 1',
            extra=_MIDDLEWARE.format(url=self.keystone.url))).process
        self.keystone.add_endpoint('baremetal-boot', self.server.url)
        self.admin = self.keystone.token(project_name='admin')
        self.viewer = self.keystone.token('viewer', system_scope='all')
        self.member = self.keystone.token('member', project_name='admin')
        self.tenant = self.keystone.token('tenant', project_name='tenant')
        self.robot = self.keystone.token('robot', project_name='tenant')
        self.system = self.keystone.token(system_scope='all')


def setUpModule():
    """Start what the tests share."""
    def started(fixture):
        fixture.setUp()
        unittest.addModuleCleanup(fixture.cleanUp)
        return fixture

    services = _Services(started)
    KeystoneTestCase.services = PageTestCase.services = services


class KeystoneTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        for name, value in vars(self.services).items():
            setattr(self, name, value)

    def call(self, token, method, path, body=None, **headers):
        if token:
            headers['X_Auth_Token'] = token
        return self.server.call(method, path, body, **headers)

    def config(self):
        """Create a config as the administrator; return its path."""
        path = f'{CONFIGS}/{self.id().rpartition(".")[2][:50]}'
        made = self.call(self.admin, 'POST', CONFIGS, {
            'metadata': {'name': path.rpartition('/')[2]}, 'spec': {
                'format': 'kickstart', 'data': {'ks.cfg': SECRET}}})
        self.assertEqual(201, made.code, made.text)
        self.addCleanup(self.call, self.admin, 'DELETE', path)
        return path

    def test_without_a_token_there_is_nothing_but_a_hint(self):
        for method, path in (('GET', HOSTS), ('GET', CONFIGS),
                             ('PATCH', HOST), ('GET', HOSTS + '?watch=true')):
            answer = self.call('', method, path, {})
            self.assertEqual(401, answer.code, path)
            self.assertIn('Keystone', answer.headers['WWW-Authenticate'])

    def test_a_token_that_is_none_is_refused(self):
        for token in ('forged', self.admin[:-4] + 'AAAA'):
            self.assertEqual(401, self.call(token, 'GET', HOSTS).code)

    def test_who_claims_to_be_an_administrator_is_nobody(self):
        claims = {'X_Identity_Status': 'Confirmed', 'X_Roles': 'admin',
                  'X_User_Id': 'x', 'X_Project_Id': 'x',
                  'X_System_Scope': 'all', 'OpenStack_System_Scope': 'all'}
        self.assertEqual(401, self.call('', 'GET', HOSTS, **claims).code)
        found = self.call(self.member, 'GET', HOSTS, **claims)
        self.assertEqual(['server1'], [item['metadata']['name']
                                       for item in found.json['items']])

    def test_an_administrator_may_read_and_write(self):
        path = self.config()
        self.assertIn(SECRET, self.call(
            self.admin, 'GET', path).json['spec']['data']['ks.cfg'])
        self.assertEqual(200, self.call(self.admin, 'PATCH', HOST, {
            'spec': {'bootMode': 'once'}}).code)
        self.assertEqual('once', self.call(
            self.admin, 'GET', HOST).json['spec']['bootMode'])

    def test_a_reader_of_the_system_sees_all_but_secrets_and_writes_none(
            self):
        path = self.config()
        for listed in (HOSTS, CONFIGS, HOST):
            self.assertEqual(200, self.call(self.viewer, 'GET', listed).code)
        self.assertNotIn('hunter2', self.call(self.viewer, 'GET', path).text)
        for method, where, body in (
                ('PATCH', HOST, {'spec': {'bootMode': 'once'}}),
                ('POST', f'{HOST}/power', {'target': 'power on'}),
                ('POST', f'{HOST}/token', {}),
                ('POST', CONFIGS, {'metadata': {'name': 'x'}}),
                ('DELETE', path, None)):
            answer = self.call(self.viewer, method, where, body)
            self.assertEqual(403, answer.code, where)
        self.assertEqual(200, self.call(self.admin, 'GET', path).code)

    def names(self, token):
        found = self.call(token, 'GET', HOSTS)
        self.assertEqual(200, found.code, found.text)
        return [item['metadata']['name'] for item in found.json['items']]

    def test_who_is_of_a_project_sees_its_hosts_alone(self):
        everything = ['nobodys', 'server1', 'theirs']
        for token, expected in (
                (self.admin, ['server1']), (self.member, ['server1']),
                (self.tenant, ['theirs']), (self.robot, ['theirs']),
                (self.viewer, everything), (self.system, everything)):
            self.assertEqual(expected, self.names(token))

    def test_a_tenants_administrator_switches_own_hosts_alone(self):
        for name, codes in (('theirs', (200, 202, 201)),
                            ('server1', (404, 404, 404)),
                            ('nobodys', (404, 404, 404))):
            path = HOST.replace('server1', name)
            self.assertEqual(codes, tuple(
                self.call(self.tenant, method, where, body).code
                for method, where, body in (
                    ('PATCH', path, {'spec': {'bootMode': 'once'}}),
                    ('POST', f'{path}/power', {'target': 'power on'}),
                    ('POST', f'{path}/token', {}))), name)
            self.assertEqual(codes[0], self.call(
                self.tenant, 'GET', path).code)
            shown = self.call(
                self.tenant, 'POST', f'/api/v1/preview?host={name}', {
                    'metadata': {'name': 'x'}, 'spec': {
                        'format': 'kickstart', 'template': True,
                        'data': {'ks.cfg': 'text {{ mac }}\n'}}})
            self.assertEqual(codes[0], shown.code, shown.text)

    def test_the_service_role_changes_hosts_of_its_project(self):
        path = HOST.replace('server1', 'theirs')
        self.assertEqual(200, self.call(self.robot, 'PATCH', path, {
            'spec': {'bootMode': 'forever'}}).code)
        self.assertEqual(404, self.call(self.robot, 'PATCH', HOST, {
            'spec': {'bootMode': 'once'}}).code)
        # Of the catalog it sees what is for its project.
        mine = self.config().rpartition('/')[2]
        self.assertNotIn(mine, self.call(self.robot, 'GET', CONFIGS).text)
        self.assertIn(mine, self.call(self.viewer, 'GET', CONFIGS).text)

    def test_an_address_is_for_the_system_to_declare(self):
        wanted = {'spec': {'ip': '192.0.2.7'}}
        self.assertEqual(403, self.call(self.admin, 'PATCH', HOST,
                                        wanted).code)
        found = self.call(self.system, 'PATCH', HOST, wanted)
        self.addCleanup(self.call, self.system, 'PATCH', HOST,
                        {'spec': {'ip': None}})
        self.assertEqual('192.0.2.7', found.json['spec']['ip'])
        # What is there already can be said by whoever may say the rest.
        self.assertEqual(200, self.call(self.admin, 'PATCH', HOST,
                                        wanted).code)
        self.assertEqual(403, self.call(self.admin, 'PATCH', HOST, {
            'spec': {'ip': None}}).code)

    def watch(self, token):
        connection = self.server.connection()
        self.addCleanup(connection.close)
        connection.request('GET', f'{HOSTS}?watch=true', headers={
            'X-Auth-Token': token})
        answer = connection.getresponse()
        self.addCleanup(answer.close)
        self.assertEqual(200, answer.status)
        return answer

    def forget(self, node, name):
        """Remove a node, and wait until no other test can see it."""
        self.known.remove(node)
        process.await_condition(
            lambda: name not in self.names(self.system), 'the node to go',
            timeout=120)

    def test_a_watch_tells_of_what_one_may_see(self):
        answer = self.watch(self.tenant)
        first = json.loads(answer.readline())
        self.assertEqual('theirs', first['object']['metadata']['name'])
        node = self.known.add('coming', '52:54:00:00:00:04')
        self.addCleanup(self.forget, node, 'coming')
        self.known.change(node, owner=self.keystone.project('tenant'))
        self.addCleanup(self.forget, self.known.add(
            'other', owner=self.keystone.project('admin')), 'other')
        while True:
            line = json.loads(answer.readline())
            if line['type'] != 'BOOKMARK':
                break
        self.assertEqual(('ADDED', 'coming'), (
            line['type'], line['object']['metadata']['name']))
        # To somebody else it goes.
        self.known.change(node, owner=self.keystone.project('admin'))
        while line['type'] != 'DELETED':
            line = json.loads(answer.readline())
        self.assertEqual('coming', line['object']['metadata']['name'])

    def test_a_watch_ends_with_the_right(self):
        answer = self.watch(self.keystone.token(
            'leaving', project_name='tenant'))
        json.loads(answer.readline())
        self.keystone.remove_role('leaving', 'reader', 'tenant')
        lines = [json.loads(line) for line in answer]
        self.assertEqual(('ERROR', 401), (
            lines[-1]['type'], lines[-1]['object']['code']))

    def test_a_watch_needs_a_token_and_goes_on_with_one(self):
        answer = self.watch(self.viewer)
        self.assertEqual('nobodys', json.loads(
            answer.readline())['object']['metadata']['name'])

    def test_machines_need_no_token_of_keystone(self):
        answer = self.call('', 'GET', '/ipxe?mac=52:54:00:00:00:01')
        self.assertEqual(200, answer.code)
        self.assertTrue(answer.text.startswith('#!ipxe'))

    def test_clients_find_the_server_and_log_in(self):
        path = self.config()
        for command in (('openstack', 'baremetal'), ('baremetal',)):
            result = subprocess.run(
                [str(pathlib.Path(sys.executable).parent / command[0]),
                 *command[1:], 'boot', 'config', 'list', '-f', 'json'],
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                env={**{key: value for key, value in os.environ.items()
                        if not key.startswith('OS_')},
                     'OS_AUTH_URL': self.keystone.url,
                     'OS_USERNAME': 'admin',
                     'OS_PASSWORD': keystone.PASSWORD,
                     'OS_PROJECT_NAME': 'admin',
                     'OS_USER_DOMAIN_ID': 'default',
                     'OS_PROJECT_DOMAIN_ID': 'default',
                     'OS_IDENTITY_API_VERSION': '3'})
            self.assertEqual('', result.stderr, command)
            self.assertIn(path.rpartition('/')[2], [
                row['name'] for row in json.loads(result.stdout)])


class PageTestCase(boot_page.PageTestCase):
    """The page asks for a token, which no request needs before."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = boot_page.start_browser()
        cls.addClassCleanup(cls.browser.quit)
        cls.server = cls.services.server

    def setUp(self):
        super().setUp()
        # A tab of its own: what one knows, the next does not.
        self.browser.switch_to.new_window('tab')
        self.addCleanup(self.browser.switch_to.window,
                        self.browser.window_handles[0])
        self.addCleanup(self.browser.close)
        self.browser.get(self.server.url)

    def log_in(self, token):
        field = self.field('Token of Keystone')
        field.clear()
        field.send_keys(token)
        self.click('Log in', 'dialog button')

    def test_who_logs_in_sees_the_hosts_live(self):
        self.log_in(self.services.admin)
        self.await_text('#connection', 'Live')
        self.control('ISO of server1')
        self.assertEqual([], self.browser.find_elements('tag name', 'dialog'))
        # The next view asks for nothing.
        self.find('nav a', 'Configs').click()
        self.find('main h1', 'Configs')
        self.await_text('#connection', 'Live')

    def test_a_token_that_is_no_good_is_an_error_in_the_dialog(self):
        self.log_in('forged')
        self.await_text('dialog [role="alert"]', 'does not take this token')
        self.log_in(self.services.viewer)
        self.await_text('#connection', 'Live')

    def test_who_does_not_log_in_is_told_so_and_can_do_it_later(self):
        self.click('Cancel', 'dialog button')
        self.await_text('#connection', 'Not up to date: give a token')
        self.await_text('main', 'There are no hosts to show: give a token')
        self.click('Log in', 'header button')
        self.log_in(self.services.viewer)
        self.await_text('#connection', 'Live')
        self.control('ISO of server1')

    def test_who_may_only_read_is_told_so_by_the_server(self):
        self.log_in(self.services.viewer)
        self.press('Switch on server1')
        self.click('Switch on', 'dialog button')
        self.await_text('dialog [role="alert"]', 'forbids it')
