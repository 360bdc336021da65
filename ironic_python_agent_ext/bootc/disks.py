# SPDX-License-Identifier: Apache-2.0

"""The disk to install on, and a disk that may hold the image meanwhile.

Which disk is the root device, is Ironic's question: its hints decide.
"""

import os
import pathlib
import typing

from ironic_python_agent import errors as agent_errors
from ironic_python_agent import hardware
from ironic_python_agent import utils
from oslo_concurrency import processutils
from oslo_log import log

from ironic_ext.bootc import errors
from ironic_python_agent_ext.bootc import machine

LOG = log.getLogger(__name__)

_BLOCK = pathlib.Path('/sys/class/block')


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


def free(device: str) -> None:
    """Remove what an unfinished install left mapped onto a disk.

    LUKS volumes outlive the container that opened them, and keep bootc from
    wiping the disk.
    """
    name = os.path.basename(os.path.realpath(device))
    for holder in sorted([*_BLOCK.glob(f'{name}/holders/dm-*'),
                          *_BLOCK.glob(f'{name}/{name}*/holders/dm-*')]):
        try:
            mapping = (_BLOCK / holder.name / 'dm/name').read_text().strip()
            LOG.info('Removing %(mapping)s from %(disk)s',
                     {'mapping': mapping, 'disk': device})
            utils.execute('dmsetup', 'remove', '--retry', mapping)
        except (OSError, processutils.ProcessExecutionError) as exc:
            LOG.warning('%(disk)s stays in use: %(why)s',
                        {'disk': device, 'why': exc})


def _others(target: str) -> list[str]:
    disks: list[typing.Any] = hardware.dispatch_to_managers(
        'list_block_devices')
    return [disk.name for disk in disks
            if os.path.realpath(disk.name) != os.path.realpath(target)]


def _is_blank(device: str) -> bool:
    try:
        output = utils.execute('wipefs', '--noheadings', '--parsable',
                               device)[0]
    except (OSError, processutils.ProcessExecutionError):
        return False
    return not output.strip()
