# SPDX-License-Identifier: Apache-2.0

"""Who gets into the boot server: by an address, a password, a token."""

import os
import pathlib

import bcrypt
import fixtures

from lab import process
from tests.functional import one_boot_server
from tests.functional.one_boot_server import config
from tests.functional.one_boot_server import CONFIGS
from tests.functional.one_boot_server import MAC
from tests.functional.one_boot_server import PATIENCE
from tests.functional import openstack_client


class SourceAddressTestCase(one_boot_server.OneServerTestCase):
    """Loopback has many addresses to come from."""

    def setUp(self):
        super().setUp()
        self.server.call('POST', CONFIGS, config('mine'))

    def test_only_a_trusted_proxy_speaks_for_others(self):
        self.ironic.known.change(
            self.node, extra={'boot_ips': ['192.0.2.1']},
            instance_info={'boot_config': 'mine'})
        asked = {'X_Forwarded_For': '192.0.2.1'}
        process.await_condition(
            lambda: self.server.call('GET', '/api/v1/bootconfig',
                                     source='127.0.0.9', **asked
                                     ).code == 200,
            'the address', timeout=PATIENCE)
        self.call('GET', '/api/v1/bootconfig', code=404,
                  source='127.0.0.8', **asked)

    def test_two_hosts_with_one_address_get_nothing(self):
        for name in ('twin1', 'twin2'):
            node = self.ironic.known.add(
                name, extra={'boot_ips': ['192.0.2.2']},
                instance_info={'boot_config': 'mine'})
            self.addCleanup(self.ironic.known.remove, node)
        found = process.await_condition(
            lambda: (answer := self.server.call(
                'GET', '/api/v1/bootconfig', source='127.0.0.9',
                X_Forwarded_For='192.0.2.2')).code == 409 and answer,
            'the twins', timeout=PATIENCE)
        # Neither is told of the other.
        self.assertNotIn('twin', found.text)

    def test_an_inspection_tells_the_address(self):
        node = self.ironic.known.add(
            'inspected', instance_info={'boot_config': 'mine'},
            inspection_finished_at='2026-01-01T00:00:00+00:00')
        self.addCleanup(self.ironic.known.remove, node)
        self.ironic.known.inventories[node] = {'inventory': {'interfaces': [
            {'ipv4_address': '192.0.2.3'}]}}
        process.await_condition(
            lambda: self.server.call(
                'GET', '/api/v1/bootconfig', source='127.0.0.9',
                X_Forwarded_For='192.0.2.3').code == 200,
            'the address', timeout=PATIENCE)


class BasicTestCase(one_boot_server.OneServerTestCase):
    """A server with passwords."""

    @classmethod
    def setUpClass(cls):
        folder = fixtures.TempDir()
        folder.setUp()
        cls.addClassCleanup(folder.cleanUp)
        path = os.path.join(folder.path, 'htpasswd')
        hashed = bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()
        pathlib.Path(path).write_text(f'admin:{hashed}\n')
        cls.options = ('auth_strategy = http_basic\n'
                       f'http_basic_auth_user_file = {path}')
        super().setUpClass()

    def test_operators_need_a_password(self):
        found = self.call('GET', CONFIGS, code=401)
        self.assertTrue(found.headers['WWW-Authenticate'].startswith('Basic'))
        self.call('GET', CONFIGS, code=401,
                  Authorization='Basic YWRtaW46d3Jvbmc=')
        self.call('GET', CONFIGS, code=401, Authorization='Basic x')
        self.call('GET', CONFIGS, code=401, X_Identity_Status='Confirmed',
                  X_Roles='admin')
        self.call('GET', CONFIGS, Authorization='Basic YWRtaW46c2VjcmV0')

    def test_clients_log_in_with_it(self):
        for password, code in (('secret', 0), ('wrong', 1)):
            environment = {
                'OS_AUTH_TYPE': 'http_basic', 'OS_USERNAME': 'admin',
                'OS_PASSWORD': password, 'OS_ENDPOINT': self.ironic.url,
                'IRONIC_BOOT_SERVER_URL': self.server.url}
            for run in (openstack_client.run,
                        openstack_client.run_standalone):
                found = run(environment, 'host', 'boot', 'list', '-f', 'json')
                self.assertEqual(code, found.returncode, found.stderr)
                self.assertEqual(code, found.stderr.count(
                    'give a user and password'), found.stderr)

    def test_machines_and_the_page_need_none(self):
        self.call('GET', '/')
        self.call('GET', '/openapi.json')
        self.call('GET', '/api/v1/bootconfig', code=404)
        self.call('GET', f'/ipxe?mac={MAC}')


class KeystoneTestCase(one_boot_server.OneServerTestCase):
    """A server that asks Keystone, which is not there."""

    options = ('auth_strategy = keystone\n'
               '[keystone_authtoken]\nauth_type = password\n'
               'auth_url = http://127.0.0.1:1\nusername = x\n'
               'password = x\nproject_name = x\nuser_domain_id = x\n'
               'project_domain_id = x')

    def test_nobody_gets_in_without_a_token(self):
        self.call('GET', CONFIGS, code=401)
        self.call('GET', CONFIGS, code=401, X_Identity_Status='Confirmed',
                  X_Roles='admin', X_Role='admin', X_User_Id='x')
        self.call('GET', f'/ipxe?mac={MAC}')

    def test_a_token_that_nobody_can_check_is_none(self):
        found = self.server.call('GET', CONFIGS, X_Auth_Token='x' * 32)
        self.assertIn(found.code, (401, 503))
