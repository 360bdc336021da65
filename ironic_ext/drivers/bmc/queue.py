# SPDX-License-Identifier: Apache-2.0

"""Works on many nodes at once, on one node of a BMC at a time.

What is done with a node is said by who submits it.
"""

import collections
import collections.abc
from concurrent import futures
import functools
import threading
import typing

from ironic.conf import CONF
from oslo_log import log

LOG = log.getLogger(__name__)

#: Called with the UUID of a node.
Work = collections.abc.Callable[[str], None]


class BmcQueue:
    """Takes nodes from any thread; work that waits is taken once.

    :param workers: threads.
    """

    def __init__(self, workers: int) -> None:
        self._lock = threading.Lock()
        # BMC -> what waits for it; what is at work is not among it.
        self._waiting: dict[str, collections.OrderedDict[
            tuple[str, Work], None]] = {}
        self._pool = futures.ThreadPoolExecutor(
            workers, thread_name_prefix='bmc')
        # BMCs that failed keep threads busy until they time out: nobody
        # else is to wait for that.
        self._slow_pool = futures.ThreadPoolExecutor(
            max(workers // 4, 1), thread_name_prefix='bmc-failed')

    def submit(self, node: str, bmc: str, work: Work,
               failed: bool = False) -> None:
        """Have a node worked on soon.

        :param node: UUID.
        :param bmc: nodes with the same are worked on one after the other.
        :param failed: whether it did not work before.
        """
        with self._lock:
            idle = bmc not in self._waiting
            self._waiting.setdefault(
                bmc, collections.OrderedDict())[node, work] = None
        if idle:
            pool = self._slow_pool if failed else self._pool
            pool.submit(self._serve, bmc)

    def later(self, work: collections.abc.Callable[[], None]) -> None:
        """Do something else that asks a BMC; it raises nothing."""
        self._slow_pool.submit(work)

    def _serve(self, bmc: str) -> None:
        while True:
            with self._lock:
                waiting = self._waiting[bmc]
                if not waiting:
                    del self._waiting[bmc]
                    return
                (node, work), _none = waiting.popitem(last=False)
            try:
                work(node)
            except Exception:
                LOG.exception('Node %s was not looked after', node)

    def stop(self) -> None:
        """Finish what is at work, and forget what waits."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting.clear()
        self._pool.shutdown()
        self._slow_pool.shutdown()


@functools.cache
def conductors_own() -> BmcQueue:
    """Return the queue of this process."""
    return BmcQueue(CONF.ext_data_image.workers)


def submit(node: typing.Any, work: Work, failed: bool = False) -> None:
    """Have a node worked on soon.

    :param node: with uuid and driver_info.
    :param failed: whether it did not work before.
    """
    conductors_own().submit(
        node.uuid, str((node.driver_info or {}).get('redfish_address')
                       or node.uuid), work, failed)
