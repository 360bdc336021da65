# SPDX-License-Identifier: Apache-2.0

"""Which bytes of a download are still to be had, and by how many readers.

Plans only: no server. Readers take pieces in order, so that a
digest that follows the download never lags far behind it.
"""

import collections.abc
import dataclasses
import threading

from ironic_ext.images import service
from ironic_ext import spans

#: The end of an image whose size nobody knows.
UNKNOWN = 1 << 62
# A connection more has to make the download faster by this factor to stay.
_WORTH = 1.15
# Seconds that a rate is measured for, and before that for TCP to start.
_MEASURED = 0.35
_SETTLING = 0.25


@dataclasses.dataclass
class Piece:
    """Bytes that one reader fetches; ``start`` moves on as they arrive."""

    start: int
    end: int


class Missing:
    """The ranges of an image that nobody has fetched yet.

    :param ranges: as ``Target.begin`` returns them.
    """

    def __init__(self, ranges: collections.abc.Iterable[service.ByteRange]
                 ) -> None:
        self._lock = threading.Lock()
        self._free = spans.joined(
            (start, UNKNOWN if end < 0 else end) for start, end in ranges)

    def take(self, most: int = UNKNOWN) -> Piece | None:
        """Reserve the next bytes, at most ``most``; None if none is free."""
        with self._lock:
            if not self._free:
                return None
            (start, end), *others = self._free
            stop = min(end, start + most)
            self._free = spans.joined([(stop, end), *others])
            return Piece(start, stop)

    def take_within(self, start: int, end: int) -> list[Piece]:
        """Reserve what is free of the bytes between ``start`` and ``end``."""
        with self._lock:
            taken, left = [], []
            for low, high in self._free:
                inner = max(low, start), min(high, end)
                if inner[0] >= inner[1]:
                    left.append((low, high))
                    continue
                taken.append(Piece(*inner))
                left += [(low, inner[0]), (inner[1], high)]
            self._free = spans.joined(left)
            return taken

    def give_back(self, pieces: collections.abc.Iterable[Piece]) -> None:
        """Return what of some pieces was not fetched."""
        with self._lock:
            self._free = spans.joined((*self._free, *(
                (piece.start, piece.end) for piece in pieces)))

    def free(self) -> int:
        """Return the number of bytes that nobody has reserved."""
        with self._lock:
            return spans.total(self._free)


def parts(pieces: collections.abc.Iterable[Piece], offset: int,
          data: bytes) -> collections.abc.Iterator[
              tuple[Piece, int, service.Buffer]]:
    """Yield (piece, offset, bytes) for what of ``data`` is in the pieces."""
    for piece in pieces:
        low = max(piece.start, offset)
        high = min(piece.end, offset + len(data))
        if low >= high:
            continue
        if high - low == len(data):
            yield piece, low, data
        else:
            yield piece, low, memoryview(data)[low - offset:high - offset]


class Growth:
    """Finds the number of connections that is worth it, from rates.

    One connection fills a short or slow link; a second one only costs there.
    Over a link with latency each brings what its TCP window allows. So they
    are doubled as long as the download gets faster by it.

    :param most: connections.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._best = 0.0
        self._before = 1
        self.wanted = 1
        self.settled = most <= 1

    def settle(self) -> None:
        """Stay with what is."""
        self.settled = True

    def measured(self, rate: float) -> int:
        """Return how many connections are wanted, given the rate of now.

        :param rate: bytes per second with ``wanted`` connections.
        """
        if self.settled:
            return self.wanted
        if rate < self._best * _WORTH:
            self.wanted, self.settled = self._before, True
            return self.wanted
        self._best = rate
        self._before = self.wanted
        self.wanted = min(self._most, self.wanted * 2)
        self.settled = self.wanted == self._before
        return self.wanted


class Pace:
    """Measures a rate now and then, after TCP had time to start.

    :param now: seconds of a monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._settled = now + _SETTLING
        self._due: float | None = None
        self._before = 0

    def rate(self, received: int, now: float) -> float | None:
        """Return bytes per second when a measurement is done, else None.

        :param received: bytes in all.
        """
        if self._due is None:
            if now >= self._settled:
                self._before, self._due = received, now + _MEASURED
            return None
        if now < self._due:
            return None
        rate = (received - self._before) / (now - self._due + _MEASURED)
        self._settled, self._due = now + _SETTLING, None
        return rate
