# SPDX-License-Identifier: Apache-2.0

"""What Metal3's operator asks of Ironic, in the words it has compiled in.

It names the hardware type and the interfaces of Ironic itself. Ironic, sushy
and the emulator's Redfish are real, the machine is not.
"""

from collections.abc import Mapping
import json
import urllib.error

import testtools

from lab import process
from tests.functional import fake_site
from tests import isos

MAC = '52:54:00:aa:00:07'
_CONFIG = """
[DEFAULT]
enabled_firmware_interfaces = redfish,no-firmware
enabled_raid_interfaces = redfish,no-raid
enabled_inspect_interfaces = agent,no-inspect
enabled_management_interfaces = redfish,redfish-ext
enabled_vendor_interfaces = redfish,redfish-ext
[ext_boot]
replace_stock = redfish-virtual-media
publish_subdir = redfish
[ext_data_image]
reconcile_interval = 1
[ext_images]
cache_dir = {directory}/cache
[ext_media]
delivery = file
"""
# Here, since Ironic's base of unit tests keeps tests from running commands.
_ISO = isos.shared('hybrid')


class ReplayTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        site = self.useFixture(fake_site.FakeSite(
            'redfish-virtual-media,redfish-iso', _CONFIG))
        self.root, self.url = site.root, site.url
        self.emulator, self.ironic = site.emulator, site.ironic
        for name in ('live.iso', 'data.iso'):
            (self.root / name).write_bytes(_ISO.read_bytes())
        self.system = self.emulator.new_system()

    def call(self, method: str, path: str, body: object = None,
             status: int = 0) -> bytes:
        """Call the API; a node that is busy is asked again, as BMO does."""
        answer = b''

        def answered() -> bool:
            nonlocal answer
            try:
                answer = self.ironic.call(method, path, body)
            except urllib.error.HTTPError as error:
                said = error.read().decode()
                if error.code == 409:
                    return False
                self.assertEqual(status, error.code, said)
            return True

        process.await_condition(answered, f'{method} {path}', timeout=120,
                                interval=0.5)
        return answer

    def node(self) -> Mapping[str, object]:
        return self.ironic.get(self.path)

    def provision(self, target: str, state: str, **more: object) -> None:
        self.call('PUT', f'{self.path}/states/provision',
                  {'target': target, **more})

        def reached() -> bool:
            node = self.node()
            self.assertNotIn('failed', str(node['provision_state']),
                             node['last_error'])
            return node['provision_state'] == state

        process.await_condition(reached, f'the node to be {state}',
                                timeout=240, interval=0.5)

    def power(self, target: str) -> None:
        self.call('PUT', f'{self.path}/states/power', {'target': target})
        process.await_condition(
            lambda: self.node()['power_state'] == target, target,
            timeout=120)

    def patch(self, **values: object) -> None:
        self.call('PATCH', self.path, [
            {'op': 'add', 'path': f'/{key.replace("__", "/")}',
             'value': value} for key, value in values.items()])

    def media(self) -> list[Mapping[str, object]]:
        return json.loads(self.call('GET', f'{self.path}/vmedia'))

    def await_inserted(self, wanted: bool) -> None:
        """Wait as BMO does: until "inserted" agrees."""
        process.await_condition(
            lambda: any(slot['inserted'] for slot in self.media()) == wanted,
            f'a data image to be {"in" if wanted else "out"}', timeout=120)

    def published(self) -> list[str]:
        return sorted(path.name for path in self.root.rglob('*')
                      if not path.is_dir()
                      and path.name not in ('live.iso', 'data.iso'))

    def test_a_live_iso_and_a_data_image(self):
        self.call('GET', '/v1/')
        self.call('GET', '/v1/nodes/ns~h', status=404)
        info = {'redfish_address': self.emulator.url,
                'redfish_username': 'u', 'redfish_password': 'p',
                'redfish_system_id': f'/redfish/v1/Systems/{self.system}'}
        node = json.loads(self.call('POST', '/v1/nodes', {
            'name': 'ns~h', 'driver': 'redfish',
            'boot_interface': 'redfish-virtual-media',
            'firmware_interface': 'redfish', 'raid_interface': 'redfish',
            'inspect_interface': 'agent', 'driver_info': info,
            'properties': {'capabilities': 'boot_mode:uefi',
                           'cpu_arch': 'x86_64'}}))
        self.path = f'/v1/nodes/{node["uuid"]}'
        self.call('POST', '/v1/ports', {
            'node_uuid': node['uuid'], 'address': MAC, 'pxe_enabled': True})
        self.provision('manage', 'manageable')
        self.patch(automated_clean=False)
        self.provision('provide', 'available')
        self.patch(
            instance_uuid='8f0b9e37-2f0a-4f8e-9a43-5d2b6a0c7e11',
            instance_info__capabilities={}, instance_info__root_device={},
            instance_info__boot_iso=f'{self.url}/live.iso',
            deploy_interface='ramdisk',
            driver_info__force_persistent_boot_device='Default')
        validated = json.loads(self.call('GET', f'{self.path}/validate'))
        for interface in ('boot', 'deploy'):
            self.assertTrue(validated[interface]['result'], validated)
        self.provision('active', 'active', configdrive={})

        # This suite's boot interface did it, by the name of Ironic's own.
        boot, = self.emulator.inserted(self.system).values()
        # Its image serves nothing else where virtual media have TLS.
        self.assertIn('/redfish/', boot)
        self.assertTrue((self.root / 'redfish' / boot.rpartition('/')[2])
                        .exists())
        self.assertEqual([boot.rpartition('/')[2]], self.published())
        shown = self.node()
        self.assertEqual(
            ('redfish', 'redfish-virtual-media', 'redfish'),
            (shown['driver'], shown['boot_interface'],
             shown['management_interface']))
        # Nothing is written that the operator would reset.
        self.assertEqual(
            {*info, 'force_persistent_boot_device'},
            set(shown['driver_info']))

        self.power('power off')
        # A live system's own medium is none that a client could eject.
        self.assertEqual([False] * 3, [slot['inserted']
                                       for slot in self.media()])
        self.call('POST', f'{self.path}/vmedia', {
            'device_type': 'cdrom', 'image_url': f'{self.url}/data.iso'})
        self.await_inserted(True)
        self.power('power on')
        self.assertEqual(2, len(self.emulator.inserted(self.system)))
        self.call('DELETE', f'{self.path}/vmedia?device_types=cdrom')
        self.await_inserted(False)
        self.assertEqual([boot], list(
            self.emulator.inserted(self.system).values()))

        self.provision('deleted', 'available')
        self.assertEqual({}, self.emulator.inserted(self.system))
        self.assertEqual([], self.published())
        self.call('DELETE', self.path)
        self.call('GET', self.path, status=404)
