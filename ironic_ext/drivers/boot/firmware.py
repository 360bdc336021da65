# SPDX-License-Identifier: Apache-2.0

"""Which firmware a node's machine boots by, as far as that is known."""

import typing

from ironic.common import utils as ironic_utils
from ironic.drivers.modules import boot_mode_utils
from ironic.drivers.modules import deploy_utils
from ironic.drivers import utils as driver_utils

#: properties/cpu_arch -> what UEFI calls the machine (UEFI 2.10, section
#: 3.5.1.1). Firmware of 32 bits may well start 64 bit systems, so i386 says
#: nothing.
_MACHINES = {'x86_64': 'x64', 'amd64': 'x64', 'aarch64': 'aa64',
             'arm64': 'aa64', 'riscv64': 'riscv64'}


def of(node: typing.Any) -> str:
    """Return ``bios``, ``uefi``, ``uefi-x64``, ...; '' where not known.

    :raises: InvalidParameterValue when what is said of it makes no sense.
    """
    deploy_utils.validate_capabilities(node)
    mode = boot_mode_utils.get_boot_mode_for_deploy(node)
    if not (node.boot_mode or _is_said(node)):
        # Ironic's deploy_boot_mode may be [deploy]default_boot_mode, of a
        # machine that nobody could ask.
        return ''
    mode = mode or node.boot_mode
    if mode == 'uefi':
        machine = _MACHINES.get(str(node.properties.get('cpu_arch')).lower())
        return f'uefi-{machine}' if machine else 'uefi'
    return 'bios' if mode == 'bios' else ''


def _is_said(node: typing.Any) -> bool:
    """Tell whether somebody chose the boot mode, by any of Ironic's ways."""
    return bool(
        boot_mode_utils.is_secure_boot_requested(node)
        or ironic_utils.parse_instance_info_capabilities(node).get(
            'boot_mode')
        or node.instance_info.get('deploy_boot_mode')
        or driver_utils.get_node_capability(node, 'boot_mode'))
