# SPDX-License-Identifier: Apache-2.0

"""The boot server as a process in front of a real Ironic."""

import json
import pathlib
import subprocess
import tempfile

import fixtures
import testtools

from lab import bare_metal
from lab import process
from tests import boot_server

HOSTS = '/api/v1/namespaces/default/baremetalhosts'
ISOS, CONFIGS = '/api/v1/iscsi-cdroms', '/api/v1/bootconfigs'
#: Seconds: more than any step needs on a busy machine.
PATIENCE = 60
_FAKE = """
[DEFAULT]
enabled_hardware_types = fake-hardware
enabled_boot_interfaces = fake
enabled_deploy_interfaces = fake,ramdisk
enabled_management_interfaces = fake
enabled_power_interfaces = fake
enabled_vendor_interfaces = fake
"""


class _Servers(fixtures.Fixture):
    """A real Ironic with fake hardware, and the server before it."""

    def _setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='boot-server-ironic-')
        self.addCleanup(folder.cleanup)
        directory = pathlib.Path(folder.name)
        self.ironic = bare_metal.Ironic(
            directory, http_root=directory, http_url='http://127.0.0.1:1/',
            images=directory, extra=_FAKE)
        self.ironic.create_schema()
        self.addCleanup(self.ironic.stop)
        self.ironic.start()
        self.server = self.useFixture(boot_server.BootServer(
            self.ironic.url)).process


class RealIronicTestCase(testtools.TestCase):
    """Everything that an operator and a machine do, once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers = _Servers()
        cls.servers.setUp()
        cls.addClassCleanup(cls.servers.cleanUp)
        cls.ironic, cls.server = cls.servers.ironic, cls.servers.server

    def setUp(self):
        super().setUp()
        self.name = self.id().rpartition('.')[2][:40].replace('_', '-')
        self.mac = '52:54:00:' + ':'.join(
            f'{byte:02x}' for byte in self.name.encode()[-3:])

    def enroll(self, **fields):
        node = json.loads(self.ironic.call('POST', '/v1/nodes', {
            'driver': 'fake-hardware', 'name': self.name, **fields}))
        self.addCleanup(self.ironic.call, 'DELETE',
                        f'/v1/nodes/{node["uuid"]}')
        self.ironic.call('POST', '/v1/ports', {
            'node_uuid': node['uuid'], 'address': self.mac})
        self.await_host(lambda host: self.mac in host['status']['macs'])
        return node['uuid']

    def call(self, method, path, body=None, code=200, **headers):
        found = self.server.call(method, path, body, **headers)
        self.assertEqual(code, found.code, found.data)
        return found

    def await_host(self, condition):
        def look():
            found = self.server.call('GET', f'{HOSTS}/{self.name}')
            return found.code == 200 and condition(found.json)
        process.await_condition(look, 'the host', timeout=PATIENCE)

    def make_iso(self, *configs):
        """Upload an ISO and configs; a cleanup deletes them."""
        for name in configs:
            self.call('POST', CONFIGS, {
                'metadata': {'name': name}, 'spec': {
                    'format': 'kickstart', 'template': True,
                    'data': {'ks.cfg': 'text {{ name }} {{ mac }}\n',
                             'scripts/post.sh': 'echo done\n'},
                    'primary': 'ks.cfg'}}, 201)
            self.addCleanup(self.call, 'DELETE', f'{CONFIGS}/{name}')
        self.call('POST', ISOS, {
            'metadata': {'name': self.name},
            'spec': {'isoFile': self.name + '.iso',
                     'bootConfigs': configs}}, 201)
        self.addCleanup(self.call, 'DELETE', f'{ISOS}/{self.name}')
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / 'a').mkdir()
            subprocess.run(
                ['genisoimage', '-quiet', '-V', 'LIVE', '-o',
                 f'{folder}/x.iso', f'{folder}/a'], check=True)
            data = (pathlib.Path(folder) / 'x.iso').read_bytes()
        found = self.call('PUT', f'{ISOS}/{self.name}/upload', data,
                          Content_Type='application/octet-stream').json
        self.assertEqual(('Ready', 'LIVE', len(data)), (
            found['status']['phase'], found['status']['volumeId'],
            found['status']['isoSize']))

    def assign(self, **spec):
        return self.call('PATCH', f'{HOSTS}/{self.name}',
                         {'spec': spec}).json

    def test_a_machine_gets_what_was_assigned_by_one_patch(self):
        node = self.enroll()
        self.make_iso('first')
        self.call('PATCH', f'{ISOS}/{self.name}/status', {'status': {
            'targetIQN': 'iqn.2000-02.com.example:live',
            'portalIP': '192.0.2.1'}})
        self.assign(image=self.name, bootConfigRef='first')
        self.addCleanup(self.assign, image=None, bootConfigRef=None)
        # It lives in Ironic, for the conductor to boot from.
        info = self.ironic.get(f'/v1/nodes/{node}')['instance_info']
        self.assertEqual({'boot_iso': self.name, 'boot_config': 'first'},
                         info)
        found = self.call('GET', f'/api/v1/bootconfig?mac={self.mac}')
        self.assertEqual(f'text {self.name} {self.mac}\n', found.text)
        self.assertEqual('no-store', found.headers['Cache-Control'])
        self.assertEqual(
            f'#!ipxe\necho Booting {self.name} for {self.name} '
            f'({self.mac.upper()})\n'
            'sanboot iscsi:192.0.2.1:::1:iqn.2000-02.com.example:live\n',
            self.call('GET', f'/ipxe?mac={self.mac}').text)

    def test_a_plain_request_is_answered_like_any_other(self):
        self.enroll()
        self.make_iso('templated')
        self.call('POST', CONFIGS, {'metadata': {'name': 'plain'}, 'spec': {
            'format': 'kickstart', 'data': {'ks.cfg': 'text\n'}}}, 201)
        self.addCleanup(self.call, 'DELETE', f'{CONFIGS}/plain')
        self.call('PATCH', f'{ISOS}/{self.name}', {
            'spec': {'bootConfigs': ['templated', 'plain']}})
        self.addCleanup(self.call, 'PATCH', f'{ISOS}/{self.name}', {
            'spec': {'bootConfigs': ['templated']}})
        self.assign(image=self.name, bootConfigRef='plain')
        self.addCleanup(self.assign, image=None, bootConfigRef=None)
        for text in ('text\n', 'reboot\n'):
            # What is at hand is what was told last.
            self.call('PATCH', f'{CONFIGS}/plain', {
                'spec': {'data': {'ks.cfg': text}}})
            for path in ('/api/v1/bootconfig', '/ipxe'):
                # Written so, the second one takes the long way.
                plain, other, again = (
                    self.call('GET', f'{path}?mac={mac}') for mac in (
                        self.mac, self.mac.replace(':', '%3A'), self.mac))
                for found in (other, again):
                    self.assertEqual(plain.data, found.data)
                    self.assertEqual(*(
                        [(name, value) for name, value
                         in answer.headers.items() if name != 'Date']
                        for answer in (plain, found)))
                if path != '/ipxe':
                    self.assertEqual(text, plain.text)
        self.assign(bootConfigRef='templated')
        self.assertEqual(f'text {self.name} {self.mac}\n', self.call(
            'GET', f'/api/v1/bootconfig?mac={self.mac}').text)
        self.assign(bootConfigRef=None)
        self.call('GET', f'/api/v1/bootconfig?mac={self.mac}', code=404)

    def test_a_token_gives_the_config_and_ends_booting_once(self):
        self.enroll()
        self.make_iso('tokens')
        self.assign(image=self.name, bootConfigRef='tokens',
                    bootMode='once')
        self.addCleanup(self.assign, image=None, bootConfigRef=None)
        made = self.call('POST', f'{HOSTS}/{self.name}/token',
                         code=201).json
        text = f'text {self.name} {self.mac}\n'
        self.assertEqual(text, self.call('GET', made['path']).text)
        self.assertEqual('echo done\n', self.call(
            'GET', made['path'] + 'scripts/post.sh').text)
        self.call('GET', made['path'] + '../healthz', code=404)
        self.call('POST', '/api/v1/boot-complete', code=401)
        self.call('POST', f'/api/v1/boot-complete?mac={self.mac}', code=401)
        self.call('POST', f'/api/v1/boot-complete?token={made["token"]}',
                  code=204)
        self.assertIn('boots from its disk', self.call(
            'GET', f'/ipxe?mac={self.mac}').text)
        # What is over is told again, and read no more.
        self.call('GET', made['path'], code=410)
        self.call('POST', f'/api/v1/boot-complete?token={made["token"]}',
                  code=204)
        again = self.assign(bootMode='forever')
        self.assertNotIn('bootCompletedAt', again['status'])

    def test_what_changes_in_ironic_arrives_at_a_watch(self):
        version = self.call('GET', '/api/v1/baremetalhosts').json[
            'metadata']['resourceVersion']
        with self.server.watch('/api/v1/baremetalhosts',
                               resourceVersion=version) as watch:
            node = self.enroll()

            def of_node(event):
                return event['object']['metadata'].get('uid') == node

            watch.until(lambda event: event['type'] == 'ADDED'
                        and of_node(event))
            self.ironic.call('PATCH', f'/v1/nodes/{node}', [
                {'op': 'add', 'path': '/extra/boot_ips',
                 'value': ['192.0.2.77']}])
            watch.until(lambda event: of_node(event)
                        and event['object']['status']['ips']
                        == ['192.0.2.77'])
            self.call('PATCH', f'{HOSTS}/{self.name}',
                      {'spec': {'bootMode': 'once'}})
            event = watch.until(
                lambda event: of_node(event)
                and event['object']['spec']['bootMode'] == 'once')
            self.assertEqual('MODIFIED', event['type'])

    def test_a_node_that_was_deleted_goes(self):
        node = json.loads(self.ironic.call('POST', '/v1/nodes', {
            'driver': 'fake-hardware', 'name': self.name}))['uuid']
        self.await_host(lambda host: True)
        self.ironic.call('DELETE', f'/v1/nodes/{node}')
        process.await_condition(
            lambda: self.server.call(
                'GET', f'{HOSTS}/{self.name}').code == 404,
            'the host to go', timeout=PATIENCE)

    def test_power_is_switched_on_request_only(self):
        node = self.enroll()
        self.ironic.call('PUT', f'/v1/nodes/{node}/states/provision',
                         {'target': 'manage'})
        self.await_host(lambda host: host['status']['provisionState']
                        == 'manageable')
        self.call('POST', f'{HOSTS}/{self.name}/power',
                  {'target': 'power on'}, 202)
        self.await_host(lambda host: host['status']['power'] == 'power on')
        self.assign(bootMode='once')
        found = self.ironic.get(f'/v1/nodes/{node}')
        self.assertEqual(('power on', None), (
            found['power_state'], found['target_power_state']))
        self.call('POST', f'{HOSTS}/{self.name}/power',
                  {'target': 'explode'}, 400)

    def test_what_does_not_fit_is_refused_in_a_sentence(self):
        self.enroll()
        self.make_iso('fits')
        found = self.call('PATCH', f'{HOSTS}/{self.name}', {'spec': {
            'image': self.name, 'bootConfigRef': 'other'}}, 400).json
        self.assertEqual('Status', found['kind'])
        self.assertIn(f'does not fit ISO "{self.name}": it lists fits',
                      found['message'])

    def test_what_is_in_use_cannot_be_deleted(self):
        self.enroll()
        self.make_iso('used')
        self.assign(image=self.name, bootConfigRef='used')
        self.addCleanup(self.assign, image=None, bootConfigRef=None)
        user = f'BareMetalHost/default/{self.name}'
        found = self.call('DELETE', f'{ISOS}/{self.name}', code=409).json
        self.assertEqual([user], found['details']['referrers'])
        found = self.call('DELETE', f'{CONFIGS}/used', code=409).json
        self.assertEqual([user, f'ISCSICdrom/{self.name}'],
                         found['details']['referrers'])
        self.call('PATCH', f'{ISOS}/{self.name}',
                  {'spec': {'bootConfigs': []}}, 409)

    def test_a_change_of_what_somebody_else_changed_is_refused(self):
        self.enroll()
        path = f'{HOSTS}/{self.name}'
        tag = self.call('GET', path).headers['ETag']
        self.call('PATCH', path, {'spec': {'bootMode': 'once'}},
                  If_Match=tag)
        self.call('PATCH', path, {'spec': {'bootMode': 'forever'}}, 412,
                  If_Match=tag)
