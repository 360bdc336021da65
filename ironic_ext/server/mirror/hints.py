# SPDX-License-Identifier: Apache-2.0

"""Nodes that are said to have changed: to be looked at, never believed.

Whoever hears of a change notes it here, in any thread, and does not wait; the
poller takes all of them at once. A node is there once, however often it is
said, and there is a bound.
"""

import collections.abc
import enum
import threading

#: Nodes that are noted at a time.
_MOST = 10000


class What(enum.Flag):
    """What is said of a node, on top of that it has changed."""

    NODE = 0
    #: Its ports have.
    PORTS = enum.auto()
    #: It is gone, or one of its ports is: no list of changes shows that.
    GONE = enum.auto()


class Hints:
    """What is to be looked at next. Thread-safe.

    :ivar heard: how many were noted so far.
    """

    def __init__(self, most: int = _MOST) -> None:
        """Begin with nothing.

        :param most: nodes to note at a time; more are found by the next
            look for changes.
        """
        self._most = most
        self._nodes: dict[str, What] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self.heard = 0

    def add(self, uuid: str, what: What = What.NODE) -> None:
        """Note a node."""
        with self._lock:
            self.heard += 1
            if uuid in self._nodes or len(self._nodes) < self._most:
                self._nodes[uuid] = self._nodes.get(uuid, What.NODE) | what
        self._news.set()

    def add_again(self, hinted: collections.abc.Mapping[str, What]) -> None:
        """Note what was taken and not looked at."""
        with self._lock:
            self._nodes = {**hinted, **self._nodes}
        if hinted:
            self._news.set()

    def take(self) -> dict[str, What]:
        """Return all that is noted, by UUID, and note it no more."""
        with self._lock:
            taken, self._nodes = self._nodes, {}
            self._news.clear()
        return taken

    def wait(self, seconds: float) -> None:
        """Wait so long, or until there is something, or :meth:`wake`."""
        self._news.wait(max(0.0, seconds))

    def wake(self) -> None:
        """Have nobody wait: it is time to go."""
        self._news.set()
