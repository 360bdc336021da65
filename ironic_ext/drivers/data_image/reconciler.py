# SPDX-License-Identifier: Apache-2.0

"""Has the data images of many nodes looked after at once.

Which nodes are due is found by a periodic task of the management interface;
what is done with one of them is in worker.py.
"""

import typing

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.conductor import task_manager
from oslo_log import log

from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.data_image import worker
from ironic_ext.drivers.records import data_image as data_image_record

LOG = log.getLogger(__name__)


def submit(node: typing.Any, failed: bool = False) -> None:
    """Have the data image of a node looked after soon."""
    queue.submit(node, _reconcile, failed)


def _reconcile(node: str) -> None:
    try:
        with task_manager.acquire(
                ironic_context.get_admin_context(), node, shared=True,
                purpose='reconciling the data image') as task:
            # It may have been submitted while it was at work, or have got
            # another interface.
            if (data_image_record.is_due(task.node)
                    and hasattr(task.driver.management, 'attach_data_image')):
                worker.run(task)
    except exception.NodeLocked:
        LOG.debug('Node %s is locked; its data image is looked after '
                  'later', node)
    except exception.NodeNotFound:
        LOG.debug('Node %s is gone', node)
