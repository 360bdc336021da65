# SPDX-License-Identifier: Apache-2.0

"""An installed system fetches its config at its first boot from disk.

A machine whose boot is over, and that is to boot from its disk, still gets
the config that is assigned to it, by the address that it asks from. Ignition's
own validator reads what curl got.
"""

import pathlib
import subprocess

import testtools

from lab import boot_iso
from tests import boot_server
from tests.functional import one_boot_server
from tests import ironic_stand_in

_CACHE = pathlib.Path(__file__).resolve().parents[2] / '.cache'
_MACHINE, _OTHER = '192.0.2.5', '192.0.2.6'
_CONFIG = '{"ignition": {"version": "3.3.0"}, "storage": {"files": []}}'
#: What Ignition asks for (its documentation of HTTP fetches).
_ACCEPT = 'application/vnd.coreos.ignition+json;version=3.3.0, */*;q=0.1'
_NAME = 'builder-target'


class FirstBootFetchTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.ironic = self.useFixture(ironic_stand_in.IronicStandIn())
        self.ironic.known.add(
            'node-7', '52:54:00:00:00:01', extra={'boot_ips': [_MACHINE]},
            instance_info={'ext_boot_mode': 'once',
                           'ext_boot_completed_at': '2026-01-01T00:00:00Z'},
            driver_internal_info={'ext_boot': {
                'mode': 'once', 'cause': 'report', 'asked_at': 1.0,
                'disk_at': 2.0, 'disk_seen': True, 'ended_at': 3.0}})
        self.server = self.useFixture(boot_server.BootServer(
            self.ironic.url, identity='address',
            options='auth_strategy = noauth\n'
                    'trusted_proxies = 127.0.0.1/32')).process

    def call(self, method, path, body, code):
        answer = self.server.call(method, path, body)
        self.assertEqual(code, answer.code, answer.text)
        return answer

    def fetch(self, address):
        """Fetch as the machine of an address; return status and body."""
        # A proxy says the address: this process has none of that network.
        done = subprocess.run(
            ['curl', '-s', '-H', f'X-Forwarded-For: {address}',
             '-H', f'Accept: {_ACCEPT}', '-w', '\n%{http_code}',
             f'{self.server.url}/api/v1/bootconfig'],
            capture_output=True, text=True, check=True, timeout=60)
        body, _, code = done.stdout.rpartition('\n')
        return int(code), body

    def test_by_its_address_and_after_the_end_of_its_boot(self):
        self.call('POST', one_boot_server.CONFIGS, {
            'metadata': {'name': _NAME}, 'spec': {
                'format': 'ignition', 'data': {'config.ign': _CONFIG}}}, 201)
        host = f'{one_boot_server.HOSTS}/node-7'
        self.call('PATCH', host, {
            'spec': {'image': 'localboot', 'bootConfigRef': _NAME}}, 200)
        self.assertEqual('It will boot from its disk.', self.call(
            'GET', host, None, 200).json['status']['nextBoot']['text'])

        # More than once: a first boot that breaks off begins again.
        for _attempt in range(2):
            code, config = self.fetch(_MACHINE)
            self.assertEqual(200, code, config)
            validator = boot_iso.unpacked(_CACHE, 'ignition') / (
                'usr/bin/ignition-validate')
            judged = subprocess.run(
                [str(validator), '-'], input=config, capture_output=True,
                text=True)
            self.assertEqual(0, judged.returncode, judged.stderr)
        self.assertNotEqual(200, self.fetch(_OTHER)[0])
