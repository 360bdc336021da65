# SPDX-License-Identifier: Apache-2.0

"""The disk to install on, and a disk that may hold the image meanwhile.

Which disk is the root device, is Ironic's question: its hints decide.
"""

import os
import typing

from ironic_python_agent import errors as agent_errors
from ironic_python_agent import hardware
from ironic_python_agent import utils
from oslo_concurrency import processutils

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import machine


def root_device() -> str:
    """Return the path of the disk that Ironic's hints lead to.

    :raises: NoDiskError
    """
    try:
        return str(hardware.dispatch_to_managers('get_os_install_device',
                                                 permit_refresh=True))
    except agent_errors.DeviceNotFound as exc:
        raise errors.NoDiskError(
            f'there is no disk to install on: {exc.details}') from exc


def blank_disk(target: str) -> str | None:
    """Return the largest disk that holds nothing, besides the target."""
    found = [(machine.block_size(device), device) for device in _others(target)
             if _is_blank(device)]
    return max(found)[1] if found else None


def require_not_skipped(device: str) -> None:
    """Refuse a disk that the node's skip_block_devices wants left alone.

    :raises: StoreError
    """
    wanted = os.path.realpath(device)
    known = {os.path.realpath(disk.name) for disk in hardware.
             dispatch_to_managers('list_block_devices')}
    if wanted in known and wanted not in map(os.path.realpath, _allowed()):
        raise errors.StoreError(
            f'disk {device} is in skip_block_devices of the node\'s '
            'properties, and cannot hold the image')


def _allowed() -> list[str]:
    """Return the disks that the node's skip_block_devices leaves over."""
    node = hardware.get_cached_node()
    disks: list[typing.Any] = (
        hardware.dispatch_to_managers('list_block_devices')
        if node is None else hardware.dispatch_to_managers(
            'list_block_devices_check_skip_list', node))
    return [disk.name for disk in disks]


def _others(target: str) -> list[str]:
    return [disk for disk in _allowed()
            if os.path.realpath(disk) != os.path.realpath(target)]


def _is_blank(device: str) -> bool:
    try:
        output = utils.execute('wipefs', '--noheadings', '--parsable',
                               device)[0]
    except (OSError, processutils.ProcessExecutionError):
        return False
    return not output.strip()
