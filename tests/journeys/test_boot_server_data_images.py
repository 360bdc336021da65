# SPDX-License-Identifier: Apache-2.0

"""Data images of hosts, through the boot server as a process."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import testtools

from ironic_ext.server.rest import openapi
from lab import bare_metal
from lab import process
from tests import boot_server
from tests import file_server
from tests.functional import fake_emulator
from tests import ironic_stand_in

HOST = '/api/v1/namespaces/default/baremetalhosts/server1'
URL = 'https://example.com/tools.iso'
#: Seconds: more than any step needs on a busy machine.
PATIENCE = 180
_IRONIC = """
[DEFAULT]
enabled_management_interfaces = redfish,redfish-ext
"""


class DataImageTestCase(testtools.TestCase):
    """What an operator asks for, and what others see of it."""

    def setUp(self):
        super().setUp()
        self.ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        self.node = self.ironic.known.add('server1', '52:54:00:00:00:01')
        fixture = self.useFixture(boot_server.BootServer(
            self.ironic.url, extra='[DEFAULT]\ndebug = true\n'))
        self.server, self.directory = fixture.process, fixture.directory

    def patch(self, data_image, code=200, **headers):
        found = self.server.call(
            'PATCH', HOST, {'spec': {'dataImage': data_image}}, **headers)
        self.assertEqual(code, found.code, found.data)
        return found.json

    def test_it_is_set_changed_and_removed_and_keeps_its_secret(self):
        wanted = {'url': URL + '?sig=s1gnature', 'username': 'metal',
                  'password': 'pa55word', 'insecure': True}
        found = self.patch(wanted)
        self.assertEqual(
            {'url': URL, 'username': 'metal', 'insecure': True},
            {key: found['spec']['dataImage'].get(key)
             for key in ('url', 'username', 'insecure')})
        self.assertEqual('pending', found['status']['dataImage']['phase'])
        jsonschema.validate(found, {
            **openapi.SCHEMAS['BareMetalHost'],
            'components': {'schemas': openapi.SCHEMAS}})
        self.assertEqual(wanted, self.ironic.known.data_images[self.node])
        self.patch({'insecure': False}, 400)
        self.patch({'url': 'https://example.com/other.iso',
                    'username': None, 'insecure': None})
        self.assertEqual(
            'https://example.com/other.iso',
            self.ironic.known.data_images[self.node]['url'])
        self.assertNotIn('username',
                         self.ironic.known.data_images[self.node])
        found = self.patch(None)
        self.assertNotIn('dataImage', found['spec'])
        self.assertIsNone(self.ironic.known.data_images[self.node])
        log = ''.join(path.read_text(errors='replace')
                      for path in self.directory.glob('*.log'))
        self.assertIn('listens', log)
        for secret in ('s1gnature', 'pa55word'):
            self.assertNotIn(secret, log)

    def test_what_a_conductor_refuses_changes_nothing(self):
        found = self.patch({'url': 'http://u:p@example.com/x.iso'}, 400)
        self.assertIn('credentials', found['message'])
        self.assertNotIn('u:p', json.dumps(found))
        found = self.server.call('PATCH', HOST, {'spec': {
            'bootMode': 'once', 'dataImage': {'urll': URL}}})
        self.assertEqual(400, found.code)
        self.assertIn('url', found.json['message'])
        self.assertEqual('forever', self.server.call(
            'GET', HOST).json['spec']['bootMode'])

    def test_what_becomes_of_it_arrives_at_a_watch(self):
        self.patch({'url': URL})
        with self.server.watch('/api/v1/baremetalhosts') as watch:
            info = self.ironic.known.nodes[self.node]['driver_internal_info']
            record = info['ext_data_image']
            self.ironic.known.change(self.node, driver_internal_info={
                'ext_data_image': {**record, 'status': {
                    **record['status'], 'phase': 'failed', 'errors': 1,
                    'error': 'no drive is free'}}})
            event = watch.until(
                lambda event: event['object'].get('status', {}).get(
                    'dataImage', {}).get('phase') == 'failed')
        self.assertEqual({'count': 1, 'message': 'no drive is free'},
                         event['object']['status']['dataImage']['error'])

    def test_of_two_changes_of_what_was_seen_one_wins(self):
        tag = self.server.call('GET', HOST).headers['ETag']
        self.patch({'url': URL}, If_Match=tag)
        self.patch({'url': URL + '2'}, 412, If_Match=tag)

    def test_a_node_without_data_images_is_told(self):
        self.ironic.known.nodes[self.node]['vendor_interface'] = 'no-vendor'
        found = self.patch({'url': URL}, 409)
        self.assertIn('redfish-ext', found['message'])


class RealConductorTestCase(testtools.TestCase):
    """A real Ironic, and a BMC whose machine is made up."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix='boot-server-data-')
        self.addCleanup(folder.cleanup)
        directory = pathlib.Path(folder.name)
        for name in ('bmc', 'ironic', 'web'):
            (directory / name).mkdir()
        self.emulator = self.start(fake_emulator.FakeEmulator(
            directory / 'bmc'))
        self.ironic = bare_metal.Ironic(
            directory / 'ironic', http_root=directory,
            http_url='http://127.0.0.1:1/', images=directory, extra=_IRONIC)
        self.ironic.create_schema()
        self.start(self.ironic)
        self.server = self.useFixture(boot_server.BootServer(
            self.ironic.url)).process
        (directory / 'web' / 'tools.iso').write_bytes(bytes(1 << 16))
        web = self.useFixture(file_server.FileServer(directory / 'web'))
        self.url = f'{web.url}/tools.iso'

    def start(self, service):
        self.addCleanup(service.stop)
        service.start()
        return service

    def enroll(self, **fields):
        """Return the machine of a node that can have data images."""
        system = self.emulator.new_system()
        node = json.loads(self.ironic.call('POST', '/v1/nodes', {
            'driver': 'redfish-ext', 'name': 'server1', 'driver_info': {
                'redfish_address': self.emulator.url,
                'redfish_system_id': f'/redfish/v1/Systems/{system}'},
            'management_interface': 'redfish-ext',
            'vendor_interface': 'redfish-ext', **fields}))
        self.ironic.call('PUT', f'/v1/nodes/{node["uuid"]}/states/provision',
                         {'target': 'manage'})
        self.await_host(lambda host: host['status']['provisionState']
                        == 'manageable')
        return system

    def await_host(self, condition):
        def look():
            found = self.server.call('GET', HOST)
            return (found.code == 200 and condition(found.json)
                    and found.json)
        return process.await_condition(look, 'the host', timeout=PATIENCE)

    def patch(self, data_image):
        # Another task may have the node for a moment.
        return process.await_condition(
            lambda: (answer := self.server.call('PATCH', HOST, {
                'spec': {'dataImage': data_image}})).code != 409 and answer,
            'the lock of the node', timeout=PATIENCE)

    def test_it_goes_into_the_machine_and_out_again(self):
        system = self.enroll()
        found = self.patch({'url': 'ftp://example.com/x.iso'})
        self.assertEqual(400, found.code, found.data)
        self.assertIn('Ironic refuses', found.json['message'])
        found = self.patch({'url': self.url, 'delivery': 'bmc'})
        self.assertEqual(200, found.code, found.data)
        seen = self.await_host(
            lambda host: host['status'].get('dataImage', {}).get('phase')
            == 'attached')
        self.assertEqual(
            (self.url, True, 'Cd', self.url),
            (seen['spec']['dataImage']['url'],
             seen['status']['dataImage']['inserted'],
             seen['status']['dataImage']['slot'],
             seen['status']['dataImage']['attachedImage']['url']))
        self.assertEqual({'Cd'}, set(self.emulator.inserted(system)))
        found = self.patch(None)
        self.assertEqual(200, found.code, found.data)
        self.await_host(lambda host: 'dataImage' not in host['spec']
                        and not self.emulator.inserted(system))

    def test_a_doctor_finds_what_is_wrong_with_a_node(self):
        self.enroll(boot_interface='redfish-iso', deploy_interface='ramdisk',
                    instance_info={'boot_iso': 'no-such-iso'})

        def examined(name='server1'):
            done = subprocess.run(
                [pathlib.Path(sys.executable).parent / 'ironic-ext-doctor',
                 '--json', name], capture_output=True, text=True,
                env={**os.environ, 'OS_AUTH_TYPE': 'none',
                     'OS_ENDPOINT': self.ironic.url}, timeout=PATIENCE)
            return done, json.loads(done.stdout or '{}')

        done, found = examined()
        self.assertEqual((1, 'validate'),
                         (done.returncode, found.get('look_at')), done)
        steps = {step['step']: step for step in found['steps']}
        self.assertIn('instance_info', steps['validate']['said'])
        self.assertEqual('ok', steps['drives']['state'], steps)
        self.assertIn('empty', steps['drives']['said'])
        self.assertEqual(
            {'open'}, {steps[step]['state'] for step in (
                'delivery', 'reading', 'token', 'end')}, steps)
        done, _found = examined('nobody')
        self.assertEqual(1, done.returncode)
        self.assertIn('nobody', done.stderr)
