# SPDX-License-Identifier: Apache-2.0

"""The deploy agent's steps for bootable containers.

Besides the step of its own it serves the one that stock Ironic's deploy
interface ``bootc`` asks for.
"""

import base64
import binascii
import typing

from ironic_python_agent import hardware
from oslo_log import log

from ironic_ext.bootc import errors
from ironic_ext.bootc import options as bootc_options
from ironic_ext.bootc import request as requests
from ironic_python_agent_ext.bootc import agent_commands
from ironic_python_agent_ext import extension

LOG = log.getLogger(__name__)

#: Stock Ironic's step (ironic/drivers/modules/agent.py, BootcAgentDeploy).
STOCK_STEP = 'execute_bootc_install'
_STOCK_LUKS = 'bootc_tpm2_luks'

Node = dict[str, typing.Any]
Ports = list[dict[str, typing.Any]]


class BootcHardwareManager(hardware.HardwareManager):
    """Installs bootable containers on any machine."""

    HARDWARE_MANAGER_NAME = 'BootcHardwareManager'
    HARDWARE_MANAGER_VERSION = '1'

    def evaluate_hardware_support(self) -> int:
        """Go before the stock manager, which has a step of the same name."""
        agent_commands.mask_logs()
        return int(hardware.HardwareSupport.SERVICE_PROVIDER)

    def get_deploy_steps(self, node: Node, ports: Ports
                         ) -> list[dict[str, typing.Any]]:
        """Return both steps; deploy interfaces and templates call them."""
        return [
            {'step': requests.STEP, 'priority': 0, 'interface': 'deploy',
             'reboot_requested': False, 'argsinfo': requests.ARGSINFO},
            {'step': STOCK_STEP, 'priority': 0, 'interface': 'deploy',
             'reboot_requested': False}]

    def get_service_steps(self, node: Node, ports: Ports
                          ) -> list[dict[str, typing.Any]]:
        """Return the same: a service may install a machine anew."""
        return self.get_deploy_steps(node, ports)

    def bootc_install(self, node: Node, ports: Ports,
                      **arguments: typing.Any) -> str:
        """Install a bootable container, the conductor's or by hand.

        :raises: InstallFailed
        """
        if 'sealed' not in arguments:
            arguments = of_node(node, arguments)
        return extension.running().run(arguments)

    def execute_bootc_install(self, node: Node, ports: Ports,
                              image_source: str,
                              configdrive: str | None = None,
                              oci_pull_secret: str | None = None) -> str:
        """Do what stock Ironic asks for.

        :raises: InstallFailed
        """
        try:
            arguments = of_stock(node, image_source, configdrive,
                                 oci_pull_secret)
        except errors.BootcError as exc:
            raise agent_commands.InstallFailed(exc) from exc
        return extension.running().run(arguments)


def of_node(node: Node, given: dict[str, typing.Any]
            ) -> dict[str, typing.Any]:
    """Complete what a person gave the step from the node."""
    wanted = node.get('instance_info') or {}
    found = dict(given)
    if found.get('image') is None:
        found['image'] = wanted.get('image_source')
    options = found.get('options')
    if options is None or isinstance(options, dict):
        found['options'] = {**(wanted.get('bootc') or {}), **(options or {})}
    if found.get('configdrive') is None and isinstance(
            wanted.get('configdrive'), str):
        found['configdrive'] = wanted['configdrive']
    found.setdefault('node_uuid', node.get('uuid') or '')
    return found


def of_stock(node: Node, image_source: str, configdrive: str | None,
             pull_secret: str | None) -> dict[str, typing.Any]:
    """Return the arguments that stock Ironic's stand for."""
    wanted = node.get('instance_info') or {}
    options = dict(wanted.get('bootc') or {})
    if wanted.get('bootc_authorized_keys'):
        options.setdefault('authorized_keys', wanted['bootc_authorized_keys'])
    if bootc_options.stock_flag(_STOCK_LUKS, wanted.get(_STOCK_LUKS)):
        options.setdefault('block_setup', 'tpm2-luks')
    return {'image': image_source, 'options': options,
            'configdrive': configdrive, 'node_uuid': node.get('uuid') or '',
            'pull_secret': pull_secret and _decoded(pull_secret)}


def _decoded(secret: str) -> str:
    """Take off the base64 that stock Ironic adds to whatever there is."""
    try:
        return base64.b64decode(secret, validate=True).decode()
    except (binascii.Error, UnicodeError):
        return secret
