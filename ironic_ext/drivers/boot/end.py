# SPDX-License-Identifier: Apache-2.0

"""The end of a boot: the machine boots from its disk from now on.

First the boot device, which a machine that restarts a moment later finds;
then the medium. An installer may report from its last script and still run
from the medium, so that waits for the next power action that Ironic sees,
or for [ext_boot]eject_after, unless somebody says that it may go at once.
Each step is read back before it is put on record.
"""

import collections.abc
import dataclasses
import time
import typing

from ironic.common import boot_devices
from ironic.common import exception
from ironic.common import states
from ironic.conductor import utils as manager_utils
from ironic.conf import CONF
from ironic.drivers.modules import noop_mgmt
from oslo_log import log

from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.node import boot_state

LOG = log.getLogger(__name__)

Withdraw = collections.abc.Callable[[typing.Any], None]


def ask(node: typing.Any, cause: boot_state.Cause) -> boot_state.BootState:
    """Put on record that the boot of a node is over."""
    state = boot_record.load(node)
    if state.cause is None:
        state = dataclasses.replace(state, cause=cause,
                                    asked_at=time.time())
        boot_record.ask_end(node, state)
        LOG.info('The boot of node %(node)s is over (%(cause)s)',
                 {'node': node.uuid, 'cause': cause.value})
    return state


def go_on(task: typing.Any, withdraw: Withdraw, *, at_once: bool = False
          ) -> boot_state.BootState:
    """Go as far towards the end of a boot as it is time for.

    :param withdraw: ejects the medium and makes the image unreadable;
        raises unless it has seen that.
    :param at_once: whether the medium may go although the machine runs.
    :raises: IronicException when the BMC does not do, or does not show,
        what is needed. The record has how far it went.
    """
    node = task.node
    state = boot_record.load(node)
    if not state.is_ending:
        return state
    if not state.disk_at:
        try:
            seen = set_disk(task)
        except exception.IronicException as exc:
            if state.cause is not boot_state.Cause.EJECT:
                raise
            # Who has it ejected wants that of a machine without a disk, too.
            withdraw(task)
            close(node, disk_seen=False)
            raise exception.IronicException(
                f'the medium of node {node.uuid} is ejected, but its BMC does '
                f'not make the disk its boot device ({exc}): set one that it '
                'has, by "openstack baremetal node boot device set"'
            ) from exc
        state = dataclasses.replace(state, disk_at=time.time(),
                                    disk_seen=seen)
        boot_record.save(node, state)
    if at_once or is_time(node, state):
        withdraw(task)
        state = dataclasses.replace(state, ended_at=time.time())
        boot_record.save(node, state)
        LOG.info('Node %s boots from its disk now, and its boot medium is '
                 'gone', node.uuid)
    return state


def close(node: typing.Any, *, disk_seen: bool) -> None:
    """Put on record that nothing of a boot is left.

    :param disk_seen: whether the disk was seen as boot device; without that
        nothing is said of it.
    """
    now = time.time()
    boot_record.save(node, dataclasses.replace(
        boot_record.load(node), disk_at=now if disk_seen else 0,
        disk_seen=disk_seen, ended_at=now))


def is_time(node: typing.Any, state: boot_state.BootState) -> bool:
    """Tell whether the medium of a boot that is over may go, or has gone.

    A conductor that died may have got no further than to eject it.

    :param node: with power_state and driver_internal_info.
    """
    return (state.cause is boot_state.Cause.EJECT
            or state.cause is boot_state.Cause.LOCAL_BOOT
            or node.power_state == states.POWER_OFF
            or not node_media.load(node)
            or time.time() >= state.asked_at + CONF.ext_boot.eject_after)


def set_disk(task: typing.Any) -> bool:
    """Have the machine boot from its disk, and see that it is to.

    :returns: whether that was seen: some managements show no boot device.
    :raises: IronicException
    """
    if isinstance(task.driver.management, noop_mgmt.NoopManagement):
        return False
    manager_utils.node_set_boot_device(task, boot_devices.DISK,
                                       persistent=True)
    return see_device(task, boot_devices.DISK)


def see_device(task: typing.Any, device: str) -> bool:
    """Look whether a machine is to boot from a device.

    :returns: False when its management does not show the boot device.
    :raises: IronicException when it shows another one
    """
    shown = task.driver.management.get_boot_device(task).get('boot_device')
    if not shown:
        LOG.warning('The boot device of node %(node)s was set to "%(device)s"'
                    ', and its management interface does not show it',
                    {'node': task.node.uuid, 'device': device})
        return False
    if shown != device:
        raise exception.IronicException(
            f'the BMC of node {task.node.uuid} took "{device}" as boot '
            f'device and shows "{shown}": set it by hand, or reset the BMC')
    return True
