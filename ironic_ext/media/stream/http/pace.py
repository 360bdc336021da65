# SPDX-License-Identifier: Apache-2.0

"""Whether a reader takes what it asked for, and fast enough.

What counts is what the peer acknowledged. A large socket buffer takes
megabytes at once, and becomes writable again long after a slow reader took
the first bytes of it.
"""


class Pace:
    """The progress of one connection's reader; seconds are monotonic."""

    __slots__ = ('_window', '_min_rate', '_since', '_before', '_taken')

    def __init__(self, now: float, window: float, min_rate: int) -> None:
        """Begin to count, now.

        :param window: seconds over which the rate is taken.
        :param min_rate: bytes per second.
        """
        self._window = window
        self._min_rate = min_rate
        self._since = now
        self._before = 0
        self._taken = -1

    def rest(self, now: float, taken: int) -> None:
        """Nothing is under way: whatever comes next begins now."""
        self._since = now
        self._before = taken

    def is_due(self, now: float) -> bool:
        """Tell whether a window is over."""
        return now - self._since >= self._window

    def advances(self, taken: int) -> bool:
        """Tell whether anything was taken since the last call."""
        before, self._taken = self._taken, taken
        return taken > before

    def is_slow(self, now: float, taken: int) -> bool:
        """Tell whether the window that is over was below the rate."""
        if not self.is_due(now):
            return False
        slow = taken - self._before < self._min_rate * (now - self._since)
        self.rest(now, taken)
        return slow
