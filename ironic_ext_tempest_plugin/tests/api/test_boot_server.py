# SPDX-License-Identifier: Apache-2.0

"""The boot server's API: configs, hosts, and who may what."""

import typing

from tempest import config
from tempest.lib.common.utils import data_utils
from tempest.lib import decorators
from tempest import test

from ironic_ext_tempest_plugin.services import boot_server

CONF = config.CONF

_CONFIGS = '/api/v1/bootconfigs'
_HOSTS = '/api/v1/baremetalhosts'


class BootServerTest(test.BaseTestCase):
    """Asked by an administrator of the system, a reader and a stranger."""

    credentials = ['system_admin', 'system_reader', 'primary']

    @classmethod
    def skip_checks(cls) -> None:
        """Skip where there is no boot server."""
        super().skip_checks()
        if not CONF.ironic_ext.boot_server_url:
            raise cls.skipException(
                '[ironic_ext]boot_server_url is not set')

    @classmethod
    def setup_clients(cls) -> None:
        """Make a client for each role, and one without a login."""
        super().setup_clients()
        cls.admin = cls._client(cls.os_system_admin)
        cls.reader = cls._client(cls.os_system_reader)
        cls.member = cls._client(cls.os_primary)
        cls.stranger = cls._client(None)

    @classmethod
    def _client(cls, manager: typing.Any) -> boot_server.BootServerClient:
        return boot_server.BootServerClient(
            CONF.ironic_ext.boot_server_url,
            manager.auth_provider.get_token() if manager else '',
            verify=not (CONF.identity
                        .disable_ssl_certificate_validation),
            ca_certs=CONF.identity.ca_certificates_file)

    def made(self) -> str:
        """Return the name of a new config."""
        name = str(data_utils.rand_name('tempest')).lower()
        found = self.admin.call('POST', _CONFIGS, {
            'metadata': {'name': name},
            'spec': {'format': 'kickstart', 'data': {'ks.cfg': 'text\n'}}})
        self.assertEqual(201, found.code, found.text)
        self.addCleanup(self.admin.call, 'DELETE', f'{_CONFIGS}/{name}')
        return name

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f11')
    def test_a_config_is_made_shown_and_removed(self) -> None:
        """What is made is there, until it is removed."""
        name = self.made()
        found = self.admin.call('GET', f'{_CONFIGS}/{name}')
        self.assertEqual((200, {'ks.cfg': 'text\n'}),
                         (found.code, found.json['spec']['data']))
        self.assertEqual(200, self.admin.call(
            'DELETE', f'{_CONFIGS}/{name}').code)
        self.assertEqual(404, self.admin.call(
            'GET', f'{_CONFIGS}/{name}').code)

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f12')
    def test_a_bad_config_is_refused_with_its_line(self) -> None:
        """The place of what is wrong is told."""
        found = self.admin.call('POST', _CONFIGS, {
            'metadata': {'name': data_utils.rand_name('tempest').lower()},
            'spec': {'format': 'ignition', 'data': {'config.ign': '{'}}})
        self.assertEqual(400, found.code)
        self.assertIn('config.ign', found.text)

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f13')
    def test_hosts_are_the_nodes(self) -> None:
        """The node of the scenarios is a host."""
        if not CONF.ironic_ext.node:
            raise self.skipException('[ironic_ext]node is not set')
        found = self.admin.call('GET', _HOSTS)
        self.assertEqual(200, found.code)
        names = {value for host in found.json['items'] for value in (
            host['metadata']['name'], host['metadata']['uid'])}
        self.assertIn(CONF.ironic_ext.node, names)
        self.assertNotIn('driver_info', found.text)

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f14')
    def test_roles_may_what_the_policy_says(self) -> None:
        """Readers change nothing, strangers see nothing."""
        if not CONF.ironic_ext.boot_server_has_policy:
            raise self.skipException('the boot server asks nobody who it is')
        name = self.made()
        for client, code in ((self.admin, 200), (self.reader, 200),
                             (self.stranger, 401)):
            self.assertEqual(code, client.call('GET', _CONFIGS).code)
        for client, code in ((self.reader, 403), (self.stranger, 401)):
            self.assertEqual(code, client.call(
                'DELETE', f'{_CONFIGS}/{name}').code)
        self.assertNotEqual(200, self.member.call(
            'DELETE', f'{_CONFIGS}/{name}').code)

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f15')
    def test_it_is_ready(self) -> None:
        """It tells everybody that it is, and nothing else."""
        for path in ('/healthz', '/readyz'):
            found = self.stranger.call('GET', path)
            self.assertEqual((200, 'ok\n'), (found.code, found.text))
