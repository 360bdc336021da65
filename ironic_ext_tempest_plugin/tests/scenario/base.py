# SPDX-License-Identifier: Apache-2.0

"""A scenario with the node that tempest.conf names."""

import typing

from ironic_tempest_plugin.tests.api.admin import api_microversion_fixture
from ironic_tempest_plugin.tests.scenario import baremetal_manager
from tempest import config

from ironic_ext_tempest_plugin import config as options
from ironic_ext_tempest_plugin import proofs
from ironic_ext_tempest_plugin.services import passthru

CONF = config.CONF

States = baremetal_manager.BaremetalProvisionStates


class NodeScenarioTest(baremetal_manager.BaremetalScenarioTest):
    """Deploys the node, and gives it back as it was."""

    min_microversion = '1.81'

    @classmethod
    def skip_checks(cls) -> None:
        """Skip where no node is named."""
        super().skip_checks()
        for name in ('node', 'iso'):
            if not CONF.ironic_ext[name]:
                raise cls.skipException(f'[ironic_ext]{name} is not set')

    @classmethod
    def resource_setup(cls) -> None:
        """Find the node."""
        super().resource_setup()
        cls.node = cls.get_node(CONF.ironic_ext.node,
                                api_version=cls.min_microversion)

    def setUp(self) -> None:
        """Speak the version in which nodes have names and interfaces."""
        super().setUp()
        self.useFixture(api_microversion_fixture.APIMicroversionFixture(
            self.min_microversion))

    def deploy(self, **info: typing.Any) -> None:
        """Deploy the node; it is undeployed in the end.

        :param info: values of instance_info besides the ISO.
        """
        wanted = {'boot_iso': CONF.ironic_ext.iso, **info}
        if CONF.ironic_ext.iso_checksum:
            wanted['boot_iso_checksum'] = CONF.ironic_ext.iso_checksum
        self.update_node(self.node['uuid'], [
            {'op': 'add', 'path': f'/instance_info/{name}', 'value': value}
            for name, value in wanted.items()])
        self.addCleanup(self.undeploy)
        self.ask(States.ACTIVE, States.ACTIVE)

    def undeploy(self) -> None:
        """Give the node back."""
        self.ask(States.DELETED, States.AVAILABLE)

    def ask(self, target: str, state: str) -> None:
        """Ask for a provision state and wait for what comes of it."""
        self.set_node_provision_state(self.node['uuid'], target)
        self.wait_provisioning_state(
            self.node['uuid'], state,
            timeout=CONF.baremetal.active_timeout)

    def passthru(self, method: str, http_method: str = 'GET',
                 body: object = None) -> typing.Any:
        """Call a method of the node's vendor interface."""
        return passthru.call(self.baremetal_client, self.node['uuid'],
                             method, http_method, body)

    def watch(self) -> 'Watch':
        """Begin to look at the machine, before it boots."""
        return Watch(self)


class Watch:
    """Looks whether the machine boots what it is given."""

    def __init__(self, test: NodeScenarioTest) -> None:
        """Begin; what was shown before does not count."""
        self._test = test
        self._console = None
        if CONF.ironic_ext.proof == options.CONSOLE:
            self._console = proofs.Console(CONF.ironic_ext.console_file)

    def prove(self, argument: str) -> None:
        """Wait for the proof that the machine has an argument.

        :raises: TimeoutException
        """
        console, test = self._console, self._test
        if console is not None:
            proofs.await_condition(
                lambda: console.shows(argument), f'"{argument}" on the '
                'serial console', CONF.ironic_ext.boot_timeout)
        elif CONF.ironic_ext.proof == options.BOOT_MEDIA:
            proofs.await_condition(
                lambda: proofs.requests_of(
                    test.passthru('boot_media')['media']),
                'a request for the medium', CONF.ironic_ext.boot_timeout)
        else:
            test.assertTrue(test.passthru('next_boot')['bmc']['medium'])
