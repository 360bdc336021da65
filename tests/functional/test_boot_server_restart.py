# SPDX-License-Identifier: Apache-2.0

"""A boot server that starts again while Ironic is away."""

import time
import urllib.request

import testtools

from lab import process
from tests import boot_server
from tests import ironic_stand_in

CONFIGS, HOSTS = '/api/v1/bootconfigs', '/api/v1/baremetalhosts'
MAC = '52:54:00:00:00:01'


class RestartTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.ironic = ironic_stand_in.IronicStandIn()
        self.ironic.setUp()
        self.node = self.ironic.known.add('server1', MAC)
        self.metrics_port = process.free_port()
        fixture = self.useFixture(boot_server.BootServer(
            self.ironic.url, keeps_hosts=True, identity='mac',
            options='auth_strategy = noauth\n'
                    f'metrics_port = {self.metrics_port}'))
        self.server, self.directory = fixture.process, fixture.directory

    def machine(self):
        return self.server.call('GET', f'/api/v1/bootconfig?mac={MAC}')

    def annotations(self):
        return self.server.call('GET', HOSTS).json['metadata'].get(
            'annotations', {})

    def test_machines_are_answered_from_what_was_known(self):
        self.server.call('POST', CONFIGS, {
            'metadata': {'name': 'ks'}, 'spec': {
                'format': 'kickstart', 'data': {'ks.cfg': 'its own\n'}}})
        self.ironic.known.change(self.node, instance_info={
            'boot_config': 'ks'})
        process.await_condition(
            lambda: self.machine().code == 200, 'its config', timeout=60)
        self.assertEqual({}, self.annotations())
        self.server.stop()
        self.ironic.cleanUp()
        self.server.start()
        began = time.monotonic()
        self.assertEqual('its own\n', self.machine().text)
        self.assertLess(time.monotonic() - began, 10)
        self.assertIn('ironic-ext/stale-since', self.annotations())
        self.assertEqual(200, self.server.call('GET', '/healthz').code)
        with urllib.request.urlopen(
                f'http://127.0.0.1:{self.metrics_port}/metrics',
                timeout=60) as answer:
            page = answer.read().decode()
        self.assertIn('ironic_ext_boot_ready 1.0', page)
        stale = float(page.partition(
            '\nironic_ext_boot_hosts_stale_seconds ')[2].split()[0])
        self.assertGreater(stale, 0)
