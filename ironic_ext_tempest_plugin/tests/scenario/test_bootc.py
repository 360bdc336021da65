# SPDX-License-Identifier: Apache-2.0

"""A bootable container is installed on a node's disk, and started."""

import typing

from tempest import config
from tempest.lib import decorators

from ironic_ext_tempest_plugin.tests.scenario import base

CONF = config.CONF


class BootcTest(base.NodeScenarioTest):
    """The deploy interface bootc-ext, by the agent."""

    node_option = 'bootc_node'
    image_option = 'bootc_image'
    console_option = 'bootc_console_file'

    def image(self) -> dict[str, typing.Any]:
        """Return what instance_info says of the container."""
        image = {'image_source': CONF.ironic_ext.bootc_image}
        if CONF.ironic_ext.bootc_pull_secret:
            image['image_pull_secret'] = CONF.ironic_ext.bootc_pull_secret
        return image

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f0b')
    def test_it_is_installed_and_starts_with_an_argument(self) -> None:
        """The node is active, and its disk boots."""
        argument = f'{CONF.ironic_ext.probe_argument}.bootc'
        watch = self.watch()
        self.deploy(bootc={'kargs': [argument]})
        self.wait_power_state(self.node['uuid'], 'power on')
        watch.show(argument)
