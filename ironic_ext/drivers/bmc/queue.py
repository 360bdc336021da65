# SPDX-License-Identifier: Apache-2.0

"""Works on many nodes at once, on one node of a BMC at a time.

What is done with a node is said by who submits it.
"""

import collections
import collections.abc
from concurrent import futures
import functools
import random
import threading
import time
import typing

from ironic.conf import CONF
from oslo_log import log

from ironic_ext.data_image import reconcile

LOG = log.getLogger(__name__)

#: Called with the UUID of a node.
Work = collections.abc.Callable[[str], None]
#: Seconds for a BMC that somebody waits for: two such times are less than the
#: minute that Ironic's API waits for a conductor.
PATIENCE = 20.0


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

    def await_work(self, work: collections.abc.Callable[[], None],
                   patience: float = PATIENCE) -> None:
        """Do something else that asks a BMC; it raises nothing.

        :param patience: seconds to wait for its end, which it is not bound
            by.
        """
        futures.wait([self._slow_pool.submit(work)], timeout=patience)

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


class Retries:
    """When work on a node that failed is tried again.

    As long as the process lives: whoever comes after it tries at once. The
    times are those of failed attachments.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Failures since the last success, and not before when.
        self._failed: dict[tuple[str, Work], tuple[int, float]] = {}

    def is_due(self, node: str, work: Work) -> bool:
        """Tell whether it is time for a node, by its UUID."""
        return (self._failed.get((node, work), (0, 0.0))[1]
                <= time.monotonic())

    def has_failed(self, node: str, work: Work) -> bool:
        """Tell whether it did not work before."""
        return (node, work) in self._failed

    def failed(self, node: str, work: Work) -> float:
        """Note a failure; return the seconds until the next try."""
        backoff = reconcile.Backoff(CONF.ext_data_image.backoff_base,
                                    CONF.ext_data_image.backoff_ceiling)
        with self._lock:
            failures = self._failed.get((node, work), (0, 0.0))[0] + 1
            delay = backoff.delay(failures, random.random())
            self._failed[node, work] = failures, time.monotonic() + delay
        return delay

    def worked(self, node: str, work: Work) -> None:
        """Note that nothing is left to be tried again."""
        with self._lock:
            self._failed.pop((node, work), None)


@functools.cache
def retries() -> Retries:
    """Return what failed in this process."""
    return Retries()


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
