# SPDX-License-Identifier: Apache-2.0

"""An ISO for a machine that runs already."""

import typing

from tempest import config
from tempest.lib import decorators

from ironic_ext_tempest_plugin import proofs
from ironic_ext_tempest_plugin.tests.scenario import base

CONF = config.CONF


class DataImageTest(base.NodeScenarioTest):
    """The vendor passthru method, with the management interface."""

    @classmethod
    def skip_checks(cls) -> None:
        """Skip where there is none."""
        super().skip_checks()
        if not CONF.ironic_ext.data_image:
            raise cls.skipException('[ironic_ext]data_image is not set')

    def boot(self) -> None:
        """Have a machine that runs."""
        argument = f'{CONF.ironic_ext.probe_argument}.data'
        watch = self.watch()
        self.deploy(kernel_append_params=argument)
        watch.prove(argument)

    def attach(self, **more: typing.Any) -> None:
        """Ask for the data image; it is detached in the end."""
        self.addCleanup(self.passthru, 'data_image', 'DELETE')
        self.passthru('data_image', 'PUT',
                      {'url': CONF.ironic_ext.data_image, **more})

    def await_phase(self, phase: str, reason: str = '') -> None:
        """Wait for a phase of its status.

        :param reason: part of what the status says of it.
        """
        proofs.await_condition(
            lambda: proofs.is_in_phase(
                self.passthru('data_image')['status'], phase, reason),
            f'the data image to be {phase}', CONF.ironic_ext.boot_timeout)

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f03')
    def test_it_comes_and_goes(self) -> None:
        """A running machine gets an ISO, which goes again."""
        self.boot()
        watch = self.watch()
        self.attach()
        self.await_phase('attached')
        if CONF.ironic_ext.data_image_text:
            watch.show(CONF.ironic_ext.data_image_text)
        self.passthru('data_image', 'DELETE')
        self.await_phase('detached')

    @decorators.idempotent_id('6f1c5c5e-5f0a-4c1d-9a44-1c4d0f6f1f08')
    def test_it_waits_for_a_reboot_that_is_asked_for(self) -> None:
        """It is ready before, and in the drive afterwards."""
        self.boot()
        self.attach(apply='on_reboot')
        self.await_phase('waiting', 'next started')
        watch = self.watch()
        self.reboot()
        self.await_phase('attached')
        if CONF.ironic_ext.data_image_text:
            watch.show(CONF.ironic_ext.data_image_text)
