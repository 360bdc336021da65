# SPDX-License-Identifier: Apache-2.0

"""How slow a server may be before a download is given up."""

import collections

# Looks that a window has: what is older than a window by one of them
# counts no more.
_LOOKS = 10


class Floor:
    """The least average rate over any window of a download.

    :param rate: bytes a second; 0 means any.
    :param window: seconds.
    :param now: seconds, monotonic.
    """

    def __init__(self, rate: float, window: float, now: float) -> None:
        self._rate = rate
        self._window = window
        self._looks = collections.deque([(now, 0)])

    def holds(self, received: int, now: float) -> bool:
        """Tell whether the server is fast enough.

        :param received: bytes of the download so far.
        :param now: seconds, monotonic.
        """
        looks = self._looks
        if not self._rate or now - looks[-1][0] < self._window / _LOOKS:
            return True
        looks.append((now, received))
        while len(looks) > 1 and now - looks[1][0] >= self._window:
            looks.popleft()
        since, before = looks[0]
        passed = now - since
        return passed < self._window or received - before >= (
            self._rate * passed)
