# SPDX-License-Identifier: Apache-2.0

"""A node boots its ISO with a kernel argument of its own."""

from tempest import config
from tempest.lib import decorators

from ironic_ext_tempest_plugin import proofs
from ironic_ext_tempest_plugin.tests.scenario import base

CONF = config.CONF


class BootIsoTest(base.NodeScenarioTest):
    """The ramdisk deploy interface, with redfish-iso."""

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f01')
    def test_boot_rebuild_and_undeploy(self) -> None:
        """The machine has its argument; another one after a rebuild."""
        argument = CONF.ironic_ext.probe_argument
        watch = self.watch()
        self.deploy(kernel_append_params=argument)
        watch.prove(argument)
        shown = self.passthru('next_boot')
        self.assertIsNone(shown['error'])
        self.assertTrue(shown['bmc']['medium'])
        again = f'{argument}.again'
        self.update_node(self.node['uuid'], [
            {'op': 'add', 'path': '/instance_info/kernel_append_params',
             'value': again}])
        watch = self.watch()
        self.ask('rebuild', base.States.ACTIVE)
        watch.prove(again)
        # One way out of it: no medium stays behind.
        self.undeploy()
        self.assertEqual([], self.passthru('boot_media')['media'])
        self.assertIsNone(self.passthru('next_boot')['bmc']['medium'])
        self.ask('manage', 'manageable')
        self.ask('provide', base.States.AVAILABLE)

    def undeploy(self) -> None:
        """Give the node back, if it is not yet."""
        if self.get_node(self.node['uuid'])['provision_state'] not in (
                base.States.AVAILABLE, base.States.MANAGEABLE):
            super().undeploy()

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f02')
    def test_a_boot_for_once_ends(self) -> None:
        """After its end the disk is next, and the medium is gone."""
        argument = f'{CONF.ironic_ext.probe_argument}.once'
        watch = self.watch()
        self.deploy(kernel_append_params=argument, ext_boot_mode='once')
        watch.prove(argument)
        found = self.passthru('boot_media', 'DELETE')
        self.assertEqual(('disk', True),
                         (found['boot_device'], found['ejected']))
        shown = self.passthru('next_boot')
        self.assertEqual('disk', shown['device'])
        self.assertIsNone(shown['bmc']['medium'])

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f03')
    def test_a_data_image_comes_and_goes(self) -> None:
        """A running machine gets an ISO, which goes again."""
        if not CONF.ironic_ext.data_image:
            raise self.skipException('[ironic_ext]data_image is not set')
        self.deploy()
        self.addCleanup(self.passthru, 'data_image', 'DELETE')
        self.passthru('data_image', 'PUT',
                      {'url': CONF.ironic_ext.data_image})
        proofs.await_condition(
            lambda: self.passthru('data_image')['status']['phase']
            == 'attached',
            'the data image to be attached', CONF.ironic_ext.boot_timeout)
        self.passthru('data_image', 'DELETE')
        proofs.await_condition(
            lambda: self.passthru('data_image')['status']['phase']
            == 'detached',
            'the data image to be gone', CONF.ironic_ext.boot_timeout)
