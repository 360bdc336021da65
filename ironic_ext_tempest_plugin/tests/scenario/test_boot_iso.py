# SPDX-License-Identifier: Apache-2.0

"""A node boots its ISO with a kernel argument of its own."""

from tempest import config
from tempest.lib import decorators

from ironic_ext_tempest_plugin import config as options
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
        self.set_info('instance_info', kernel_append_params=again)
        watch = self.watch()
        self.ask('rebuild', base.States.ACTIVE)
        watch.prove(again)
        # One way out of it: no medium stays behind.
        self.undeploy()
        self.assertEqual([], self.passthru('boot_media')['media'])
        self.assertIsNone(self.passthru('next_boot')['bmc']['medium'])
        self.ask('manage', 'manageable')
        self.ask('provide', base.States.AVAILABLE)

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

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f06')
    def test_user_data_arrives(self) -> None:
        """The config drive is in the ISO, and the system there finds it."""
        if not (CONF.ironic_ext.shows_user_data
                and CONF.ironic_ext.proof == options.CONSOLE):
            raise self.skipException(
                '[ironic_ext]shows_user_data is not set, or proof is not '
                f'{options.CONSOLE}')
        text = f'{CONF.ironic_ext.probe_argument}.user-data'
        watch = self.watch()
        self.deploy(configdrive={
            'meta_data': {'hostname': 'tempest'},
            'user_data': f'#!/bin/sh\necho {text} >/dev/console\n'})
        watch.show(text)


class RescueTest(base.NodeScenarioTest):
    """An ISO of its own for the rescue, by redfish-iso."""

    #: Of the agent's kernel arguments, one that no instance has.
    _ARGUMENT = 'boot_method=vmedia'

    @classmethod
    def skip_checks(cls) -> None:
        """Skip where there is no such ISO."""
        super().skip_checks()
        if not CONF.ironic_ext.rescue_iso:
            raise cls.skipException('[ironic_ext]rescue_iso is not set')

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f07')
    def test_a_rescue_boots_its_iso_and_gives_the_node_back(self) -> None:
        """The agent has its arguments; then the instance boots again."""
        argument = f'{CONF.ironic_ext.probe_argument}.rescued'
        self.addCleanup(self.set_info, 'driver_info', rescue_iso=self.node[
            'driver_info'].get('rescue_iso'))
        self.set_info('driver_info', rescue_iso=CONF.ironic_ext.rescue_iso)
        watch = self.watch()
        # The other key would be the agent's arguments as well, in place of
        # those of driver_info.
        self.deploy(ramdisk_kernel_arguments=argument)
        watch.prove(argument)

        watch = self.watch()
        has_agent = CONF.ironic_ext.rescue_iso_has_agent
        self.ask('rescue', 'rescue' if has_agent else 'rescue wait',
                 rescue_password='tempest-7Hq2')
        if not has_agent:
            # An agent that calls has shown more than that.
            watch.prove(self._ARGUMENT, 'agent')

        watch = self.watch()
        if not has_agent:
            self.set_node_provision_state(self.node['uuid'], 'abort')
            # It is what is wanted here, and an error to who waits for it.
            self.wait_provisioning_state(
                self.node['uuid'], 'rescue failed',
                timeout=CONF.baremetal.active_timeout)
        self.ask('unrescue', base.States.ACTIVE)
        watch.prove(argument)
