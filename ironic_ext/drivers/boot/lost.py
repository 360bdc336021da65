# SPDX-License-Identifier: Apache-2.0

"""Boot media that got lost: a BMC that was reset, or ejects at a power-off.

A medium is put back as long as its boot has not ended: before Ironic starts
a machine, and by a periodic task. What cannot be put back is on record.
"""

import collections.abc
import dataclasses
import random
import time
import typing

from ironic.common import boot_devices
from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.common import states
from ironic.conductor import task_manager
from ironic.conductor import utils as manager_utils
from ironic.conf import CONF
from oslo_log import log

from ironic_ext.data_image import reconcile
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.boot import boot_medium
from ironic_ext.drivers.boot import config_medium
from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import records as media_records

LOG = log.getLogger(__name__)

_FAILURES = (exception.IronicException, delivery.DeliveryError,
             media_records.RecordsError, OSError)
SetDevice = collections.abc.Callable[[typing.Any, str, bool], None]

_EVENT = 'boot medium'
_MAX_ERROR = 1000


class LostError(exception.IronicException):
    """A medium cannot be put back; one sentence that says what to do."""


def is_due(row: typing.Any) -> bool:
    """Tell whether it is time to look whether a machine has its medium.

    :param row: an active node, or what a periodic task has read of one.
    """
    return (bool(_kept(row))
            and boot_record.load(row).next_look <= time.time())


def look(uuid: str) -> None:
    """See that the machine of an active node has its medium."""
    try:
        with task_manager.acquire(
                ironic_context.get_admin_context(), uuid, shared=True,
                purpose='looking after the boot medium') as task:
            node = task.node
            if (node.provision_state == states.ACTIVE
                    and not node.maintenance and is_due(node)
                    and hasattr(task.driver.boot, 'keep_medium')):
                task.driver.boot.keep_medium(task)
    except exception.NodeLocked:
        LOG.debug('Node %s is locked; its boot medium is looked after '
                  'later', uuid)
    except exception.NodeNotFound:
        LOG.debug('Node %s is gone', uuid)


def keep(task: typing.Any, set_device: SetDevice) -> None:
    """See that a machine has its medium, and put it back if it got lost.

    That is done if it is sure to be the very same image and no other medium
    is in the way. Where it is still to boot, it becomes the boot device
    again. What fails is put on record.

    :param task: its lock is upgraded if there is something to do.
    :param set_device: takes the task, the device, and whether it stays.
    :raises: NodeLocked
    """
    node = task.node
    known = _kept(node)
    if not known:
        return
    beside = [] if instance.is_over(node) else config_medium.of(node)
    lost = back = False
    try:
        lost = not drives.shown(task, known)
        drive_lost = bool(beside) and not drives.shown(task, beside)
        if lost or drive_lost:
            task.upgrade_lock()
            if _kept(task.node) != known:
                # Somebody was faster; there will be another look.
                return
        if lost:
            _boot_from(task, _put_back(task, known), set_device)
            back, lost = True, False
        if drive_lost:
            config_medium.put_back(task, beside)
    except exception.NodeLocked:
        raise
    except _FAILURES as exc:
        _failed(task, lost, exc)
        return
    _found(task, back)


def _kept(node: typing.Any) -> list[media.Medium]:
    """Return the media that the machine must have; the newest counts."""
    wanted = {media.Purpose.AGENT}
    if not instance.is_over(node):
        wanted.add(media.Purpose.INSTANCE)
    return [medium for medium in node_media.load(node)
            if medium.purpose in wanted]


def _put_back(task: typing.Any, known: list[media.Medium]) -> media.Medium:
    """Insert the newest of the media that can still be read.

    :raises: LostError, and any of _FAILURES
    """
    deliveries = media_delivery.for_node(task)
    if not drives.free_slot_left(task):
        raise LostError(
            'its boot medium is not in a drive, and no drive is free: eject '
            'what is in there, and it is put back')
    for medium in reversed(known):
        # A stream gets a new URL, by which nobody reads it yet.
        found = deliveries.find(medium,
                                media_delivery.lifetime(medium.purpose))
        if found is not None:
            LOG.warning('The boot medium of node %s is gone; inserting it '
                        'again', task.node.uuid)
            boot_medium.insert(task, found)
            return medium
    raise LostError(
        'its boot medium is not in its drive, and this conductor does not '
        'have it. The node boots its ISO again after a rebuild')


def _boot_from(task: typing.Any, medium: media.Medium,
               set_device: SetDevice) -> None:
    """Make a medium the boot device again, if it is still to boot."""
    node = task.node
    stays = (medium.purpose is media.Purpose.INSTANCE
             and instance.stays(node, boot_record.load(node).mode))
    if not stays and node.provision_state == states.ACTIVE:
        # It has had its boot.
        return
    # Whatever the BMC shows: some forget by which drive that was.
    set_device(task, boot_devices.CDROM, stays)


def _found(task: typing.Any, back: bool) -> None:
    """Put on record that the machine has its medium.

    :param back: whether it was put back just now.
    """
    state = boot_record.load(task.node)
    if state.lost_at or state.error:
        task.upgrade_lock()
        boot_record.save(task.node, dataclasses.replace(
            boot_record.load(task.node), lost_at=0, error='', errors=0,
            next_look=0))
    if back or state.lost_at:
        _tell(task, 'it got lost, and is in its drive again')


def _failed(task: typing.Any, lost: bool, exc: Exception) -> None:
    task.upgrade_lock()
    state = boot_record.load(task.node)
    error = (str(exc) or type(exc).__name__)[:_MAX_ERROR]
    errors = state.errors + 1
    now = time.time()
    delay = reconcile.Backoff(
        CONF.ext_data_image.backoff_base,
        CONF.ext_data_image.backoff_ceiling).delay(errors, random.random())
    if boot_record.exists(task.node):
        boot_record.save(task.node, dataclasses.replace(
            state, lost_at=(state.lost_at or now) if lost else state.lost_at,
            error=error, errors=errors, next_look=now + delay))
    LOG.warning('The boot medium of node %(node)s cannot be looked after, '
                'for the %(count)s. time; the next try is in %(delay).0f s: '
                '%(error)s',
                {'node': task.node.uuid, 'count': errors, 'delay': delay,
                 'error': error})
    if lost and not state.lost_at:
        _tell(task, f'lost: {error}')


def _tell(task: typing.Any, what: str) -> None:
    """Write to the node's history; last_error is not ours."""
    LOG.info('Boot medium of node %(node)s: %(what)s',
             {'node': task.node.uuid, 'what': what})
    manager_utils.node_history_record(
        task.node, event=f'Boot medium: {what}', event_type=_EVENT,
        user=task.context.user_id)
