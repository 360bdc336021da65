# SPDX-License-Identifier: Apache-2.0

"""The main job: the machine boots the ISO with the node's own config."""

import json
import pathlib
import tempfile

from lab import hypervisor
from tests.e2e import base


class DeployTestCase(base.EndToEndTestCase):

    def deploy_by_command(self):
        """Deploy as a user does; return what the machine reports."""
        self.node.set_instance_info(
            boot_iso=f'file://{self.lab.iso}',
            kernel_append_params=base.ARGUMENT,
            boot_iso_files=json.dumps(base.FILES))
        self.node.request('deploy', '--config-drive',
                          self.config_drive_file())
        self.node.await_state('active')
        return self.node.await_report()

    def assert_everything_arrived(self, report):
        self.assertEqual(self.firmware.value, report.firmware)
        self.assert_config_arrived(report)
        meta_data = json.loads(report.files[base.META_DATA])
        self.assertEqual(base.HOSTNAME, meta_data['hostname'])
        self.assertIn('openstack/latest/user_data', report.files)
        self.assertEqual(1, len(self.lab.published()))
        self.assertIsNotNone(self.lab.inserted_medium(self.node))

    def undeploy_by_command(self):
        self.node.request('undeploy')
        self.node.await_state('available')
        self.assert_nothing_left()
        self.assertFalse(self.node.machine.is_on())


class BiosDeployTestCase(DeployTestCase):

    firmware = hypervisor.Firmware.BIOS

    def test_a_config_arrives_then_another_and_undeploy_leaves_nothing(self):
        self.assert_everything_arrived(self.deploy_by_command())
        first, = self.lab.published()

        # Its config drive is an image, made by the command of a directory.
        self.node.say(kernel_append_params='e2e.colour=blue')
        self.node.request('rebuild', '--config-drive', self.directory())
        self.node.await_state('active')
        report = self.node.await_report(seen=1)
        self.assertIn('e2e.colour=blue', report.command_line.split())
        self.assertNotIn(base.ARGUMENT, report.command_line.split())
        self.assertEqual('e2e-rebuilt', json.loads(
            report.files[base.META_DATA])['hostname'])
        second, = self.lab.published()
        self.assertNotEqual(first, second)
        self.assertEqual(
            second.name,
            self.lab.inserted_medium(self.node).rpartition('/')[2])
        self.undeploy_by_command()

        # Not below the directory that Ironic publishes into.
        self.node.say(
            boot_iso=f'{self.lab.web.image_url}/{self.lab.iso.name}',
            kernel_append_params='e2e.colour=red')
        self.deploy()
        report = self.node.await_report(seen=2)
        arguments = report.command_line.split()
        self.assertIn('e2e.colour=red', arguments)
        self.assertNotIn(base.ARGUMENT, arguments)
        self.assertNotIn('e2e.colour=blue', arguments)
        self.assertEqual({}, report.files)
        third, = self.lab.published()
        self.assertNotIn(third, (first, second))

    def directory(self):
        """Return a directory that is a config drive."""
        drive = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        latest = drive / 'openstack/latest'
        latest.mkdir(parents=True)
        (latest / 'meta_data.json').write_text(
            json.dumps({'uuid': 'e2e', 'hostname': 'e2e-rebuilt'}))
        return str(drive)


class UefiDeployTestCase(DeployTestCase):

    firmware = hypervisor.Firmware.UEFI

    def test_a_config_arrives_and_undeploy_leaves_nothing(self):
        self.assert_everything_arrived(self.deploy_by_command())
        self.undeploy_by_command()
