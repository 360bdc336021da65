# SPDX-License-Identifier: Apache-2.0

"""A boot from virtual media ends: seen at the BMC and by the machine."""

import urllib.error
import urllib.request

from lab import hypervisor
from lab import process
from tests.e2e import base

HOSTS = '/api/v1/namespaces/default/baremetalhosts'


class BootEndTestCase(base.EndToEndTestCase):

    hardware = hypervisor.Hardware(disk=64 << 20)

    def setUp(self) -> None:
        super().setUp()
        self.lab.ironic.call(
            'PATCH', f'/v1/nodes/{self.node.identity}',
            [{'op': 'replace', 'path': '/management_interface',
              'value': 'redfish-ext'}])
        self.lab.start_boot_server()
        self.server = self.lab.boot_server
        process.await_condition(
            lambda: self.server.call(
                'GET', f'{HOSTS}/{self.node.name}').code == 200,
            f'the boot server to know {self.node.name}', timeout=300)

    def report_done(self) -> None:
        """Report that the installed system runs, as it would."""
        made = self.server.call('POST', f'{HOSTS}/{self.node.name}/token')
        token = made.json['path'].split('/')[2]
        answer = self.server.call('POST',
                                  f'/api/v1/boot-complete?token={token}')
        self.assertEqual(202, answer.code)
        process.await_condition(
            lambda: self.server.call(
                'POST', f'/api/v1/boot-complete?token={token}').code == 204,
            'the disk to be the boot device', timeout=120)

    def state(self) -> dict:
        return self.node.show()['driver_internal_info']['ext_boot']

    def await_state(self, field: str) -> None:
        process.await_condition(lambda: self.state()[field],
                                f'{field} of the end of the boot',
                                timeout=120)

    def boot_device(self) -> str:
        return self.lab.ironic.get(
            f'/v1/nodes/{self.node.identity}/management/boot_device'
        )['boot_device']

    def assert_unreadable(self, url: str) -> None:
        error = self.assertRaises(urllib.error.HTTPError,
                                  urllib.request.urlopen, url)
        self.assertEqual(404, error.code)

    def test_an_installer_that_has_reported_does_not_run_again(self):
        self.configure(ext_boot_mode='once')
        self.deploy()
        self.node.await_report()
        medium = self.lab.inserted_medium(self.node)
        self.assertEqual('cdrom', self.boot_device())

        self.report_done()
        self.await_state('disk_at')
        self.assertEqual('disk', self.boot_device())
        self.assertEqual(medium, self.lab.inserted_medium(self.node))

        self.lab.ironic.call(
            'PUT', f'/v1/nodes/{self.node.identity}/states/power',
            {'target': 'rebooting'})
        self.await_state('ended_at')
        self.assert_nothing_left()
        self.assert_unreadable(medium)
        process.await_condition(
            lambda: self.node.show()['power_state'] == 'power on',
            'the machine to be on again', timeout=120)
        self.assertEqual(1, len(self.node.machine.reports()))

        # Begun anew, it boots again.
        self.node.request('rebuild')
        self.node.await_state('active')
        self.node.await_report(seen=1)
        self.lab.ironic.call('DELETE',
                             f'/v1/nodes/{self.node.identity}/vmedia')
        self.await_state('ended_at')
        self.assertEqual('disk', self.boot_device())
        self.assert_nothing_left()
