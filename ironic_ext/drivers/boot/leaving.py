# SPDX-License-Identifier: Apache-2.0

"""A boot ends with the interface that made it, and with its node.

Ironic tells no interface that a node got another one, or another driver:
a periodic task of each boot interface of this suite looks for records
whose interface has left, and a change of Ironic itself (see ironic_patches)
asks when a node is deleted.
"""

import collections.abc
import functools
import types
import typing

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.conductor import task_manager
from ironic import objects
from oslo_log import log

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.boot import published_script as scripts
from ironic_ext.drivers.boot import sanboot_delivery
from ironic_ext.drivers.boot import secret_script
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import interfaces
from ironic_ext.drivers.records import media as node_media
from ironic_ext.drivers.records import sanboot as sanboot_record
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext import san

LOG = log.getLogger(__name__)

_WHAT = 'boot medium'
_MADE_BY = {media.Purpose.INSTANCE: interfaces.REDFISH_ISO,
            media.Purpose.AGENT: interfaces.REDFISH_ISO,
            media.Purpose.CONFIG_DRIVE: interfaces.REDFISH_ISO,
            media.Purpose.SANBOOT: interfaces.ISO_SANBOOT}
_FAILURES = (exception.IronicException, delivery.DeliveryError, san.SanError,
             OSError)


def sweep(manager: typing.Any) -> None:
    """Have the boots ended whose interface has left this conductor's nodes.

    BMCs are asked later, many at once: some do not answer.
    """
    for uuid, driver, _group, *fields in manager.iter_nodes(
            filters={'reserved': False},
            fields=['boot_interface', 'driver_info', 'instance_info',
                    'driver_internal_info']):
        row = types.SimpleNamespace(
            uuid=uuid, driver=driver, boot_interface=fields[0],
            driver_info=fields[1], instance_info=fields[2],
            driver_internal_info=fields[3])
        if _left(row) and queue.retries().is_due(uuid, end_left):
            queue.submit(row, end_left, failed=True)


def end_left(uuid: str) -> None:
    """End the boot of a node whose interface has left."""
    # Whether or not the node's new driver can be loaded here.
    try:
        with task_manager.acquire(
                ironic_context.get_admin_context(), uuid, shared=True,
                load_driver=False,
                purpose='ending the boot of an interface that has left'
        ) as task:
            dead = ejection.why_out_of_reach(
                task, _inserted(node_media.load(task.node)))
            task.upgrade_lock()
            left = _left(task.node)
            if left:
                _end(task, left, dead)
                LOG.info('Node %(node)s has boot interface %(now)s by now; '
                         'nothing is left of what %(left)s made',
                         {'node': uuid, 'left': ' and '.join(sorted(left)),
                          'now': task.node.boot_interface})
        queue.retries().worked(uuid, end_left)
    except exception.NodeLocked:
        LOG.debug('Node %s is locked; what is left of its boot is looked '
                  'after later', uuid)
    except exception.NodeNotFound:
        queue.retries().worked(uuid, end_left)
    except _FAILURES as exc:
        LOG.warning('What is left of a boot of node %(node)s, whose boot '
                    'interface is another one by now, is not gone yet; it '
                    'is tried again in %(delay).0f s: %(error)s',
                    {'node': uuid, 'error': exc,
                     'delay': queue.retries().failed(uuid, end_left)})


def destroy(stock: collections.abc.Callable[..., typing.Any],
            node: typing.Any, *args: typing.Any, **kwargs: typing.Any
            ) -> typing.Any:
    """Withdraw and eject boot images first: afterwards nobody knows them.

    A BMC that does not answer is why some nodes are deleted: it is not
    waited for for ever.

    :param stock: Ironic's method of the node.
    """
    ending = _withdrawn(node)
    if ending is not None:
        queue.conductors_own().await_work(ending)
    return stock(node, *args, **kwargs)


def _withdrawn(node: typing.Any) -> collections.abc.Callable[[], None] | None:
    """Make a node's boot unreadable; return what ejects its media."""
    if not (node_media.load(node) or sanboot_record.load(node)):
        return None
    # All that is needed of a task.
    task = types.SimpleNamespace(
        node=node, ports=objects.Port.list_by_node_id(
            ironic_context.get_admin_context(), node.id))
    try:
        _withdraw(task, node_media.load(node))
    except _FAILURES as exc:
        LOG.warning('The boot of node %(node)s, which is deleted, is not '
                    'withdrawn: %(error)s',
                    {'node': node.uuid, 'error': exc})
    inserted = _inserted(node_media.load(node))
    if not inserted:
        return None

    return functools.partial(ejection.eject_of_deleted, task, inserted,
                             _WHAT)


def _left(row: typing.Any) -> frozenset[str]:
    """Return the interfaces that have left, and left something behind."""
    made = {_MADE_BY[medium.purpose] for medium in node_media.load(row)
            if medium.purpose in _MADE_BY}
    if sanboot_record.load(row) is not None:
        made.add(interfaces.ISO_SANBOOT)
    now = interfaces.of(row, 'boot')
    if boot_record.exists(row):
        made.add(boot_record.load(row).interface or (
            'this suite' if now not in (
                interfaces.REDFISH_ISO, interfaces.ISO_SANBOOT) else now))
    return frozenset(made - {now})


def _end(task: typing.Any, left: frozenset[str],
         dead: drives.MediaError | None) -> None:
    """End what made the interfaces that have left.

    :param dead: why the BMC cannot be asked to eject anything.
    :raises: dead, and any of _FAILURES; nothing can be read any more then.
    """
    node = task.node
    going = [medium for medium in node_media.load(node)
             if _MADE_BY.get(medium.purpose) in left]
    try:
        _withdraw(task, going, sanboot=interfaces.ISO_SANBOOT in left)
    finally:
        if dead is None:
            _eject(task, _inserted(going))
    if dead is not None and _inserted(going):
        raise dead
    for medium in going:
        node_media.remove(node, medium.id)
    if interfaces.ISO_SANBOOT in left:
        sanboot_record.remove(node)
    if boot_record.load(node).interface != interfaces.of(node, 'boot'):
        # What its interface of now has begun goes on.
        boot_record.remove(node)


def _withdraw(task: typing.Any, going: collections.abc.Collection[
        media.Medium], sanboot: bool = True) -> None:
    """Make it unreadable, whether or not the BMC can be reached."""
    record = sanboot_record.load(task.node) if sanboot else None
    try:
        if record is not None:
            # Another interface may have written its own there by now.
            if scripts.is_written(task.node, record.script):
                scripts.remove(task)
            secret_script.forget(task.node)
            sanboot_delivery.release(task.node, record)
    finally:
        media_delivery.withdraw(task, going)


def _inserted(going: collections.abc.Iterable[media.Medium]
              ) -> list[media.Medium]:
    return [medium for medium in going
            if _MADE_BY.get(medium.purpose) == interfaces.REDFISH_ISO]


def _eject(task: typing.Any, going: collections.abc.Collection[media.Medium]
           ) -> None:
    if going:
        ejection.eject_withdrawn(task, going, _WHAT)
