# SPDX-License-Identifier: Apache-2.0

"""Works on the data images of many nodes at once, one node of a BMC at a time.

Which nodes are due is found by a periodic task of the management interface;
what is done with one of them is in worker.py.
"""

import collections
import collections.abc
from concurrent import futures
import functools
import threading
import typing

from ironic.common import context as ironic_context
from ironic.common import exception
from ironic.conductor import task_manager
from ironic.conf import CONF
from oslo_log import log

from ironic_ext.drivers.data_image import worker
from ironic_ext.drivers.records import data_image as data_image_record

LOG = log.getLogger(__name__)

Work = collections.abc.Callable[[str], None]


class Reconciler:
    """Takes nodes from any thread; a node that waits is taken once.

    :param work: called with the UUID of a node.
    :param workers: threads.
    """

    def __init__(self, work: Work, workers: int) -> None:
        self._work = work
        self._lock = threading.Lock()
        # BMC -> nodes that wait for it; one at work is not among them.
        self._waiting: dict[str, collections.OrderedDict[str, None]] = {}
        self._pool = futures.ThreadPoolExecutor(
            workers, thread_name_prefix='data-image')
        # BMCs that failed keep threads busy until they time out: nobody
        # else is to wait for that.
        self._slow_pool = futures.ThreadPoolExecutor(
            max(workers // 4, 1), thread_name_prefix='data-image-failed')

    def submit(self, node: str, bmc: str, failed: bool = False) -> None:
        """Have a node worked on soon.

        :param node: UUID.
        :param bmc: nodes with the same are worked on one after the other.
        :param failed: whether it did not work before.
        """
        with self._lock:
            idle = bmc not in self._waiting
            self._waiting.setdefault(
                bmc, collections.OrderedDict())[node] = None
        if idle:
            pool = self._slow_pool if failed else self._pool
            pool.submit(self._serve, bmc)

    def later(self, work: collections.abc.Callable[[], None]) -> None:
        """Do something else that asks a BMC; it raises nothing."""
        self._slow_pool.submit(work)

    def _serve(self, bmc: str) -> None:
        while True:
            with self._lock:
                nodes = self._waiting[bmc]
                if not nodes:
                    del self._waiting[bmc]
                    return
                node, _none = nodes.popitem(last=False)
            try:
                self._work(node)
            except Exception:
                LOG.exception('The data image of node %s was not looked '
                              'after', node)

    def stop(self) -> None:
        """Finish what is at work, and forget what waits."""
        with self._lock:
            for nodes in self._waiting.values():
                nodes.clear()
        self._pool.shutdown()
        self._slow_pool.shutdown()


@functools.cache
def conductors_own() -> Reconciler:
    """Return the reconciler of this process."""
    return Reconciler(_reconcile, CONF.ext_data_image.workers)


def submit(node: typing.Any, failed: bool = False) -> None:
    """Have the data image of a node looked after soon."""
    conductors_own().submit(
        node.uuid, str(node.driver_info.get('redfish_address') or node.uuid),
        failed)


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
