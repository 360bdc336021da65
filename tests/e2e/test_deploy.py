# SPDX-License-Identifier: Apache-2.0

"""The main job: the machine boots the ISO with the node's own config."""

import json
import pathlib
import tempfile

from lab import hypervisor
from tests.e2e import base


class DeployTests:
    """The same deploy, whatever the firmware."""

    def test_config_reaches_the_machine_and_undeploy_leaves_nothing(self):
        self.configure()
        self.deploy('--config-drive', self.config_drive_file())
        report = self.node.await_report()
        self.assertEqual(self.firmware.value, report.firmware)
        self.assert_config_arrived(report)
        meta_data = json.loads(report.files[base.META_DATA])
        self.assertEqual(base.HOSTNAME, meta_data['hostname'])
        self.assertIn('openstack/latest/user_data', report.files)
        self.assertEqual(1, len(self.lab.published()))
        self.assertIsNotNone(self.lab.inserted_medium(self.node))

        self.undeploy()
        self.assert_nothing_left()
        self.assertFalse(self.node.machine.is_on())


class BiosDeployTestCase(DeployTests, base.EndToEndTestCase):

    firmware = hypervisor.Firmware.BIOS

    def test_a_rebuild_boots_with_the_new_config_and_one_published_file(self):
        self.configure()
        self.deploy()
        self.node.await_report()
        first, = self.lab.published()

        self.node.set_instance_info(kernel_append_params='e2e.colour=blue')
        self.node.request('rebuild')
        self.node.await_state('active')
        report = self.node.await_report(seen=1)
        self.assertIn('e2e.colour=blue', report.command_line.split())
        self.assertNotIn(base.ARGUMENT, report.command_line.split())
        second, = self.lab.published()
        self.assertNotEqual(first, second)
        self.assertEqual(
            second.name,
            self.lab.inserted_medium(self.node).rpartition('/')[2])

        self.undeploy()
        self.assert_nothing_left()

    def test_a_deploy_after_undeploy_boots_with_the_new_config_alone(self):
        self.configure()
        self.deploy()
        self.node.await_report()
        first, = self.lab.published()
        self.undeploy()

        self.node.set_instance_info(
            boot_iso=f'file://{self.lab.iso}',
            kernel_append_params='e2e.colour=blue')
        self.deploy()
        report = self.node.await_report(seen=1)
        self.assertIn('e2e.colour=blue', report.command_line.split())
        self.assertNotIn(base.ARGUMENT, report.command_line.split())
        self.assertEqual({}, report.files)
        second, = self.lab.published()
        self.assertNotEqual(first, second)

    def test_an_iso_over_http_and_an_iso9660_config_drive_work_alike(self):
        # Not below the directory that Ironic publishes into.
        self.node.set_instance_info(
            boot_iso=f'{self.lab.web.image_url}/{self.lab.iso.name}',
            kernel_append_params=base.ARGUMENT)
        drive = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        latest = drive / 'openstack/latest'
        latest.mkdir(parents=True)
        (latest / 'meta_data.json').write_text(
            json.dumps({'uuid': 'e2e', 'hostname': base.HOSTNAME}))
        self.deploy('--config-drive', str(drive))
        report = self.node.await_report()
        self.assertIn(base.ARGUMENT, report.command_line.split())
        self.assertIn(base.HOSTNAME, report.files[base.META_DATA])


class UefiDeployTestCase(DeployTests, base.EndToEndTestCase):

    firmware = hypervisor.Firmware.UEFI
