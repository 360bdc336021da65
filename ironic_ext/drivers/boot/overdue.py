# SPDX-License-Identifier: Apache-2.0

"""Boots that are over and have not ended: conductors see to them.

A BMC that does not answer must not keep its node from others: it is asked
before the node is locked, and less and less often.
"""

import typing

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.common import states
from ironic.conductor import task_manager
from oslo_log import log

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import end
from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.records import interfaces
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import medium as media
from ironic_ext.node import boot_state

LOG = log.getLogger(__name__)


def is_due(row: typing.Any) -> bool:
    """Tell whether it is time to do something for the end of a boot.

    :param row: an active node, or what a periodic task has read of one.
    """
    return _wants_end(row) and queue.retries().is_due(row.uuid, look)


def has_failed(row: typing.Any) -> bool:
    """Tell whether that did not work before."""
    return queue.retries().has_failed(row.uuid, look)


def look(uuid: str) -> None:
    """Let the machine of a node boot from its disk, if it is to do so."""
    try:
        with task_manager.acquire(
                ironic_context.get_admin_context(), uuid, shared=True,
                purpose='ending a boot from virtual media') as task:
            if not _is_ours(task):
                return
            drives.reach(task)
            task.upgrade_lock()
            if _is_ours(task):
                task.driver.boot.end_boot(task, instance.cause(task.node))
        queue.retries().worked(uuid, look)
    except exception.NodeLocked:
        LOG.debug('Node %s is locked; the end of its boot is looked after '
                  'later', uuid)
    except exception.NodeNotFound:
        queue.retries().worked(uuid, look)
    except exception.IronicException as exc:
        LOG.warning('Node %(node)s is to boot from its disk; it is tried '
                    'again in %(delay).0f s: %(error)s',
                    {'node': uuid, 'error': exc,
                     'delay': queue.retries().failed(uuid, look)})


def _is_ours(task: typing.Any) -> bool:
    return (task.node.provision_state == states.ACTIVE
            and _wants_end(task.node)
            and hasattr(task.driver.boot, 'end_boot'))


def has_medium(node: typing.Any) -> bool:
    """Tell whether a medium of the instance is on record of a node."""
    return any(medium.purpose is media.Purpose.INSTANCE
               for medium in node_media.load(node))


def _wants_end(row: typing.Any) -> bool:
    state = boot_state.of(row.driver_internal_info)
    if (interfaces.of(row, 'boot') != interfaces.REDFISH_ISO
            or state.ended_at or not instance.is_over(row)):
        return False
    if not state.is_ending:
        # What else is active boots from its disk anyway.
        return has_medium(row)
    return not state.disk_at or end.is_time(row, state)
