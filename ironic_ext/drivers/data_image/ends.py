# SPDX-License-Identifier: Apache-2.0

"""A data image ends with what it belongs to: an instance, or the node.

Called in place of Ironic's methods that tear an instance down and delete a
node (see ironic_patches), and by the periodic task that finds nodes whose
management interface has left.
"""

import collections.abc
import functools
import types
import typing

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.conductor import task_manager
from oslo_log import log

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.data_image import source
from ironic_ext.drivers.data_image import worker
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import interfaces
from ironic_ext.media import delivery
from ironic_ext.media import medium as media

LOG = log.getLogger(__name__)

_WHAT = 'data image'


def tear_down(stock: collections.abc.Callable[..., typing.Any],
              conductor: typing.Any, task: typing.Any, *args: typing.Any,
              **kwargs: typing.Any) -> typing.Any:
    """Remove the image first, and tear the instance down in any case.

    :param stock: Ironic's method of the conductor.
    """
    try:
        worker.end_instance(task)
    except Exception as exc:
        # The reconciler comes back to it.
        LOG.warning('The data image of node %(node)s is not detached yet: '
                    '%(error)s', {'node': task.node.uuid, 'error': exc})
    return stock(conductor, task, *args, **kwargs)


def destroy(stock: collections.abc.Callable[..., typing.Any],
            node: typing.Any, *args: typing.Any, **kwargs: typing.Any
            ) -> typing.Any:
    """Withdraw and eject the image first: afterwards nobody knows of it.

    A BMC that does not answer is why some nodes are deleted: it is not
    waited for for ever.

    If the node is not deleted after all, the reconciler delivers it anew.

    :param stock: Ironic's method of the node.
    """
    ending = _withdrawn(node)
    if ending is not None:
        queue.conductors_own().await_work(ending)
    return stock(node, *args, **kwargs)


def end_left(uuid: str) -> None:
    """End the data image of a node whose management interface has left."""
    # Whether or not the node's new driver can be loaded here.
    try:
        with task_manager.acquire(
                ironic_context.get_admin_context(), uuid, shared=True,
                load_driver=False,
                purpose='ending a data image without interface') as task:
            dead = ejection.why_out_of_reach(
                task, data_image_record.media(task.node))
            task.upgrade_lock()
            record = data_image_record.load(task.node)
            if record is None or is_looked_after(task.node):
                return
            if record.medium is not None:
                _end(task, record.medium, dead)
            data_image_record.save(task.node, None)
            LOG.info('Node %(node)s has management interface %(now)s by now, '
                     'which knows no data images: its own is detached',
                     {'node': uuid, 'now': task.node.management_interface})
        queue.retries().worked(uuid, end_left)
    except exception.NodeLocked:
        LOG.debug('Node %s is locked; its data image is looked after '
                  'later', uuid)
    except exception.NodeNotFound:
        queue.retries().worked(uuid, end_left)
    except (exception.IronicException, delivery.DeliveryError,
            OSError) as exc:
        LOG.warning('The data image of node %(node)s, whose management '
                    'interface is another one by now, is not gone yet; it is '
                    'tried again in %(delay).0f s: %(error)s',
                    {'node': uuid, 'error': exc,
                     'delay': queue.retries().failed(uuid, end_left)})


def _end(task: typing.Any, medium: media.Medium,
         dead: drives.MediaError | None) -> None:
    try:
        source.withdraw(task, medium)
    finally:
        if dead is None:
            ejection.eject_withdrawn(
                task, data_image_record.media(task.node), _WHAT)
    if dead is not None:
        raise dead


def is_looked_after(row: typing.Any) -> bool:
    """Tell whether a node's management interface knows data images."""
    return interfaces.of(row, 'management') in ('redfish-ext',
                                                'idrac-redfish-ext')


def _withdrawn(node: typing.Any) -> collections.abc.Callable[[], None] | None:
    """Make a node's image unreadable; return what ejects it."""
    record = data_image_record.load(node)
    if record is None or record.medium is None:
        return None
    # What is done with media wants a task for its node alone.
    task = types.SimpleNamespace(node=node)
    try:
        source.withdraw(task, record.medium)
    except Exception as exc:
        LOG.warning('The data image of node %(node)s, which is deleted, '
                    'is not withdrawn: %(error)s',
                    {'node': node.uuid, 'error': exc})
    return functools.partial(ejection.eject_of_deleted, task,
                             data_image_record.media(node), _WHAT)
