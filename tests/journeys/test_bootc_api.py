# SPDX-License-Identifier: Apache-2.0

"""A bootable container and its secrets, as Ironic's API shows them."""

import base64
import json
import pathlib

import fixtures
import testtools

from lab import bare_metal
from tests.functional import registry
from tests import oci_images

SECRET_WORDS = ('SecretWord', 'SecretProxy', base64.b64encode(
    b'me:SecretWord').decode())


class BootcApiTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.registry = self.useFixture(registry.Registry(
            {'me': 'SecretWord'}))
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.ironic = bare_metal.Ironic(
            folder, http_root=folder, http_url='http://127.0.0.1:1',
            images=folder, boot_interfaces='redfish-virtual-media',
            deploy_interfaces='bootc-ext',
            extra='[agent]\nmanage_agent_boot = False\n')
        self.ironic.create_schema()
        self.addCleanup(self.ironic.stop)
        self.ironic.start()

    def reason(self):
        """Return why the deploy interface refuses the node, or None."""
        found = self.ironic.get('/v1/nodes/node-7/validate')['deploy']
        return None if found['result'] else found['reason']

    def say(self, **instance_info):
        self.ironic.call('PATCH', '/v1/nodes/node-7', [
            {'op': 'add', 'path': f'/instance_info/{name}', 'value': value}
            for name, value in instance_info.items()])

    def test_a_node_is_validated_and_shows_no_secret(self):
        amd, arm = (oci_images.image(architecture=name)
                    for name in ('amd64', 'arm64'))
        self.registry.push('os', oci_images.index(amd, arm), '1')
        self.ironic.call('POST', '/v1/nodes', {
            'name': 'node-7', 'driver': 'redfish-ext',
            'properties': {'cpu_arch': 'x86_64'}, 'driver_info': {
                'redfish_address': 'https://192.0.2.1',
                'redfish_system_id': '/redfish/v1/Systems/1',
                'redfish_username': 'me', 'redfish_password': 'SecretWord',
                'bootc_ca': self.registry.ca,
                'bootc_proxy': 'http://me@192.0.2.2',
                'bootc_proxy_password': 'SecretProxy',
                'bootc_no_proxy': '127.0.0.1'}})
        self.say(image_source=f'oci://{self.registry.host}/os:1')
        self.assertIn('wants credentials', self.reason())
        self.say(image_pull_secret='me:SecretWord',
                 bootc={'filesytem': 'xfs'})
        self.assertIn('did you mean "filesystem"?', self.reason())
        for scheme in ('oci', 'docker'):
            self.say(image_source=f'{scheme}://{self.registry.host}/os:1',
                     bootc={'filesystem': 'xfs'})
            self.assertIsNone(self.reason())
        properties = self.ironic.get('/v1/drivers/redfish-ext/properties')
        self.assertIn('bootc_ca', properties)
        node = json.dumps(self.ironic.get('/v1/nodes/node-7'))
        self.ironic.stop()
        log = self.ironic.ironic_log.read_text()
        for word in SECRET_WORDS:
            self.assertNotIn(word, node)
            self.assertNotIn(word, log)
