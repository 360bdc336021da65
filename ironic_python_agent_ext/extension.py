# SPDX-License-Identifier: Apache-2.0

"""Commands of the deploy agent for bootable containers."""

import typing

from ironic_python_agent import errors as agent_errors
from ironic_python_agent.extensions import base
from oslo_config import cfg
from oslo_log import log

from ironic_ext.bootc import errors
from ironic_ext.bootc import request as requests
from ironic_python_agent_ext.bootc import agent_commands
from ironic_python_agent_ext.bootc import disks
from ironic_python_agent_ext.bootc import install

CONF = cfg.CONF
LOG = log.getLogger(__name__)


class BootcExtension(base.BaseAgentExtension):
    """The agent's commands ``bootc.*``."""

    def __init__(self, agent: typing.Any = None) -> None:
        super().__init__(agent=agent)
        agent_commands.mask_logs()

    # The arguments are those of InstallRequest.arguments().
    @base.async_command('install')
    def install(self, **arguments: typing.Any) -> str:
        """Install a bootable container on the root device.

        :returns: a sentence that says so.
        :raises: InstallFailed
        """
        return self.run(arguments)

    def run(self, arguments: dict[str, typing.Any]) -> str:
        """Do what the command, or a deploy step, was asked for.

        :param arguments: of the command.
        :raises: InstallFailed
        """
        command = agent_commands.RunningCommand(self.agent)
        command.hide_secrets()
        try:
            if CONF.disable_bootc_deploy:
                raise errors.BootcError(
                    'this ramdisk deploys no bootable containers '
                    '(disable_bootc_deploy)')
            request = requests.InstallRequest.parse(
                arguments, getattr(self.agent, 'agent_token', None))
            reporter = agent_commands.Reporter(command, LOG.info)
            return install.Install(request, disks.root_device(), reporter
                                   ).run()
        except errors.BootcError as exc:
            raise agent_commands.InstallFailed(exc) from exc


def running() -> BootcExtension:
    """Return the agent's own instance, or one without an agent."""
    try:
        return typing.cast(BootcExtension, base.get_extension('bootc'))
    except (KeyError, agent_errors.ExtensionError):
        return BootcExtension()
