# SPDX-License-Identifier: Apache-2.0

"""A scenario with a node that tempest.conf names."""

import typing

from ironic_tempest_plugin.common import waiters
from ironic_tempest_plugin.tests.api.admin import api_microversion_fixture
from ironic_tempest_plugin.tests.scenario import baremetal_manager
from tempest import config

from ironic_ext_tempest_plugin import config as options
from ironic_ext_tempest_plugin import proofs
from ironic_ext_tempest_plugin.services import passthru

CONF = config.CONF

States = baremetal_manager.BaremetalProvisionStates


class NodeScenarioTest(baremetal_manager.BaremetalScenarioTest):
    """Deploys a node, and gives it back as it was."""

    min_microversion = '1.81'
    #: Options: the node, what it boots, and where its console is.
    node_option = 'node'
    image_option = 'iso'
    console_option = 'console_file'

    @classmethod
    def skip_checks(cls) -> None:
        """Skip where no node is named."""
        super().skip_checks()
        for name in (cls.node_option, cls.image_option):
            if not CONF.ironic_ext[name]:
                raise cls.skipException(f'[ironic_ext]{name} is not set')

    @classmethod
    def resource_setup(cls) -> None:
        """Find the node."""
        super().resource_setup()
        cls.node = cls.get_node(CONF.ironic_ext[cls.node_option],
                                api_version=cls.min_microversion)

    def setUp(self) -> None:
        """Speak the version in which nodes have names and interfaces."""
        super().setUp()
        self.useFixture(api_microversion_fixture.APIMicroversionFixture(
            self.min_microversion))

    def image(self) -> dict[str, typing.Any]:
        """Return what instance_info says of the image."""
        image = {'boot_iso': CONF.ironic_ext.iso}
        if CONF.ironic_ext.iso_checksum:
            image['boot_iso_checksum'] = CONF.ironic_ext.iso_checksum
        return image

    def deploy(self, configdrive: object = None, **info: typing.Any) -> None:
        """Deploy the node; it is undeployed in the end.

        :param info: values of instance_info besides the image.
        """
        self.set_info('instance_info', **self.image(), **info)
        self.addCleanup(self.undeploy)
        self.ask(States.ACTIVE, States.ACTIVE, configdrive=configdrive)

    def set_info(self, field: str, **values: typing.Any) -> None:
        """Set keys of a field; None removes one."""
        self.update_node(self.node['uuid'], [
            {'op': 'remove', 'path': f'/{field}/{name}'} if value is None
            else {'op': 'add', 'path': f'/{field}/{name}', 'value': value}
            for name, value in values.items()])

    def undeploy(self) -> None:
        """Give the node back, if it is not yet."""
        if self.get_node(self.node['uuid'])['provision_state'] not in (
                States.AVAILABLE, States.MANAGEABLE):
            self.ask(States.DELETED, States.AVAILABLE)

    def ask(self, target: str, state: str, **more: object) -> None:
        """Ask for a provision state and wait for what comes of it."""
        self.set_node_provision_state(self.node['uuid'], target, **more)
        self.wait_provisioning_state(
            self.node['uuid'], state,
            timeout=CONF.baremetal.active_timeout)

    def reboot(self) -> None:
        """Restart the machine, and wait until that is done."""
        self._ask_for_power('rebooting')
        waiters.wait_for_bm_node_status(
            self.baremetal_client, node_id=self.node['uuid'],
            attr='target_power_state', status=None,
            timeout=CONF.baremetal.power_timeout)

    @baremetal_manager.retry_on_conflict
    def _ask_for_power(self, target: str) -> None:
        self.baremetal_client.set_node_power_state(self.node['uuid'], target)

    @baremetal_manager.retry_on_conflict
    def passthru(self, method: str, http_method: str = 'GET',
                 body: object = None) -> typing.Any:
        """Call a method of the node's vendor interface.

        Waits for the node's lock, as clients do.
        """
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
        path = CONF.ironic_ext[test.console_option]
        if path and CONF.ironic_ext.proof == options.CONSOLE:
            self._console = proofs.Console(path)

    def prove(self, argument: str, purpose: str = 'instance') -> None:
        """Wait for the proof that the machine has an argument.

        :param purpose: of the medium that it boots from.
        :raises: TimeoutException
        """
        test = self._test
        if self._console is not None:
            self.show(argument)
        elif CONF.ironic_ext.proof == options.BOOT_MEDIA:
            proofs.await_condition(
                lambda: proofs.requests_of(
                    test.passthru('boot_media')['media'], purpose),
                'a request for the medium', CONF.ironic_ext.boot_timeout)
        else:
            test.assertTrue(test.passthru('next_boot')['bmc']['medium'])

    def show(self, text: str) -> None:
        """Wait until the serial console shows a text, if it is looked at.

        :raises: TimeoutException
        """
        console = self._console
        if console is not None:
            proofs.await_condition(
                lambda: console.shows(text), f'"{text}" on the serial '
                'console', CONF.ironic_ext.boot_timeout)
