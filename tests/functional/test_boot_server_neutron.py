# SPDX-License-Identifier: Apache-2.0

"""Machines that are known by what Neutron has given them."""

import http.server
import json
import threading
import urllib.parse

import testtools

from tests import boot_server
from tests import ironic_stand_in

MAC, IP = '52:54:00:00:00:01', '192.0.2.5'
VIF = 'f2d9a1de-0000-4000-8000-000000000001'


class _Neutron(http.server.BaseHTTPRequestHandler):
    """As much of its API as is asked for."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        wanted = query.get('fixed_ips', '').removeprefix('ip_address=')
        body = json.dumps({'ports': [
            {'id': port, 'mac_address': mac}
            for port, mac, address in self.server.ports
            if address == wanted]}).encode()
        self.send_response(200 if url.path == '/v2.0/ports' else 404)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class NeutronTestCase(testtools.TestCase):
    """A server before Ironic and Neutron."""

    def setUp(self):
        super().setUp()
        self.neutron = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                       _Neutron)
        self.neutron.ports = []
        self.addCleanup(self.neutron.server_close)
        self.addCleanup(self.neutron.shutdown)
        threading.Thread(target=self.neutron.serve_forever,
                         daemon=True).start()
        self.ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        node = self.ironic.known.add('server1', MAC,
                                     instance_info={'boot_config': 'c'})
        port, = [port for port in self.ironic.known.ports.values()
                 if port['node_uuid'] == node]
        port['internal_info'] = {'tenant_vif_port_id': VIF}
        self.server = self.useFixture(boot_server.BootServer(
            self.ironic.url, options=(
                'auth_strategy = noauth\ntrusted_proxies = 127.0.0.9/32\n'
                'use_neutron = true\nneutron_endpoint = '
                f'http://127.0.0.1:{self.neutron.server_address[1]}'))
        ).process
        self.assertEqual(201, self.server.call(
            'POST', '/api/v1/bootconfigs', {
                'metadata': {'name': 'c'}, 'spec': {
                    'format': 'kickstart',
                    'data': {'ks.cfg': 'text\n'}}}).code)

    def ask(self, address):
        return self.server.call('GET', '/api/v1/bootconfig',
                                source='127.0.0.9', X_Forwarded_For=address)

    def test_a_machine_is_known_by_the_address_of_its_port(self):
        self.neutron.ports = [
            (VIF, MAC, IP),
            # Somebody's own port with that MAC is nobody's machine.
            ('other', MAC, '192.0.2.6')]
        self.assertEqual('text\n', self.ask(IP).text)
        self.assertEqual(404, self.ask('192.0.2.6').code)
        self.assertEqual(404, self.ask('192.0.2.7').code)

    def test_a_neutron_that_is_gone_is_told(self):
        self.neutron.shutdown()
        self.neutron.server_close()
        found = self.ask(IP)
        self.assertEqual(503, found.code)
        self.assertIn('Neutron does not tell', found.json['message'])
        # A MAC is not enough where addresses decide.
        self.assertEqual(503, self.server.call(
            'GET', f'/api/v1/bootconfig?mac={MAC}').code)
