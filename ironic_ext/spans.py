# SPDX-License-Identifier: Apache-2.0

"""Sorted byte ranges, each the first byte and the one past the last.

Pure values, of whatever the bytes are.
"""

import collections.abc

Span = tuple[int, int]


def joined(ranges: collections.abc.Iterable[Span],
           limit: int | None = None) -> tuple[Span, ...]:
    """Return ranges sorted, without overlaps; those that touch are one.

    :param ranges: in any order; empty ones are left out.
    :param limit: when there are more, the smallest gaps are closed.
    """
    out: list[Span] = []
    for first, end in sorted(ranges):
        if out and first <= out[-1][1]:
            if end > out[-1][1]:
                out[-1] = out[-1][0], end
        elif end > first:
            out.append((first, end))
    if limit is None or len(out) <= limit:
        return tuple(out)
    gaps = sorted(range(1, len(out)),
                  key=lambda index: out[index][0] - out[index - 1][1])
    closed = set(gaps[:len(out) - limit])
    kept = [out[0]]
    for index in range(1, len(out)):
        if index in closed:
            kept[-1] = kept[-1][0], out[index][1]
        else:
            kept.append(out[index])
    return tuple(kept)


def total(ranges: collections.abc.Iterable[Span]) -> int:
    """Return the bytes in ranges that do not overlap."""
    return sum(end - first for first, end in ranges)


class Spans:
    """Byte ranges that grow, apart from one another.

    :ivar spans: sorted; those that touch are one.
    """

    def __init__(self, ranges: collections.abc.Iterable[Span] = ()) -> None:
        self.spans = joined(ranges)

    def add(self, first: int, end: int) -> None:
        """Add the bytes from ``first`` to before ``end``."""
        spans = self.spans
        if spans and spans[-1][1] == first < end:
            # As a rule: what arrives goes on where the last part ended.
            self.spans = (*spans[:-1], (spans[-1][0], end))
        else:
            self.spans = joined((*spans, (first, end)))

    @property
    def total(self) -> int:
        """Bytes in all of them."""
        return total(self.spans)

    @property
    def head(self) -> int:
        """Bytes that are there from the first one on."""
        return self.spans[0][1] if self.spans and not self.spans[0][0] else 0

    def missing(self, size: int) -> list[Span]:
        """Return the ranges of the first ``size`` bytes that are not."""
        found = []
        offset = 0
        for first, end in self.spans:
            if first > offset:
                found.append((offset, first))
            offset = end
        if offset < size:
            found.append((offset, size))
        return found
