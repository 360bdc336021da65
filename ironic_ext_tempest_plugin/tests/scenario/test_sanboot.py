# SPDX-License-Identifier: Apache-2.0

"""A node boots its ISO over the network, by iPXE."""

from tempest import config
from tempest.lib import decorators

from ironic_ext_tempest_plugin.tests.scenario import base

CONF = config.CONF


class SanbootTest(base.NodeScenarioTest):
    """The ramdisk deploy interface, with iso-sanboot."""

    node_option = 'sanboot_node'
    console_option = 'sanboot_console_file'

    def require_boot(self, transport: str) -> None:
        """See the machine's argument, and that no medium stays behind."""
        if transport not in CONF.ironic_ext.sanboot_transports:
            raise self.skipException(
                f'[ironic_ext]sanboot_transports has no {transport}')
        argument = f'{CONF.ironic_ext.probe_argument}.{transport}'
        watch = self.watch()
        self.deploy(kernel_append_params=argument,
                    sanboot_transport=transport)
        # Of a machine that nobody looks at this is all that is known.
        self.wait_power_state(self.node['uuid'], 'power on')
        watch.show(argument)
        self.undeploy()
        self.wait_power_state(self.node['uuid'], 'power off')

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f09')
    def test_it_boots_by_iscsi(self) -> None:
        """From a target that was made for it."""
        self.require_boot('iscsi')

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f0a')
    def test_it_boots_by_http(self) -> None:
        """From the media server."""
        self.require_boot('http')
