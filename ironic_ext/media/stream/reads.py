# SPDX-License-Identifier: Apache-2.0

"""Who read what: ranges of bytes, gathered until somebody asks."""

import collections.abc
import dataclasses
import time

from ironic_ext.media import medium
from ironic_ext.media.stream import contract
from ironic_ext import spans

#: Ranges noted of one reader before they are joined in between.
_MANY = 1 << 14
#: Ranges of one report. A mounted ISO is read in some hundred places.
MAX_RANGES = 512


def merged(reports: collections.abc.Iterable[contract.ReadReport]
           ) -> list[contract.ReadReport]:
    """Return one report for each medium and reader."""
    found: dict[tuple[str, str], list[contract.ReadReport]] = {}
    for report in reports:
        found.setdefault((report.medium_id, report.client), []).append(report)
    return [same[0] if len(same) == 1 else dataclasses.replace(
        same[-1],
        first_at=min(report.first_at for report in same),
        last_at=max(report.last_at for report in same),
        sent=sum(report.sent for report in same),
        requests=sum(report.requests for report in same),
        ranges=spans.joined(
            (span for report in same for span in report.ranges),
            MAX_RANGES)) for same in found.values()]


class Reader:
    """One client's reading of one medium, on one connection.

    :ivar requests: begun since the last report.
    :ivar first_at: seconds since the epoch when that began.
    """

    __slots__ = ('requests', 'first_at', '_stream', '_client', '_unreported',
                 '_last_at', '_sent', '_ranges')

    def __init__(self, stream: medium.Stream, client: str,
                 unreported: list['Reader']) -> None:
        self._stream = stream
        self._client = client
        self._unreported = unreported
        self._clear(time.time())

    def _clear(self, now: float) -> None:
        self.first_at = self._last_at = now
        self.requests = self._sent = 0
        self._ranges: list[spans.Span] = []

    def add(self, first: int, end: int) -> None:
        """Note that the bytes from first to end were sent."""
        ranges = self._ranges
        if not ranges:
            self._unreported.append(self)
        self._last_at = time.time()
        self._sent += end - first
        if ranges and ranges[-1][1] == first:
            ranges[-1] = ranges[-1][0], end
        else:
            ranges.append((first, end))
            if len(ranges) > _MANY:
                ranges[:] = spans.joined(ranges, _MANY // 2)

    def report(self) -> contract.ReadReport:
        """Return what is unreported; then nothing is."""
        found = contract.ReadReport(
            self._stream.id, self.first_at, self._last_at, self._sent,
            spans.joined(self._ranges, MAX_RANGES), self.requests,
            self._client, self._stream.node, self._stream.size)
        self._clear(self._last_at)
        return found


class ReadLog:
    """What the connections of one worker sent since the last drain."""

    def __init__(self) -> None:
        self._unreported: list[Reader] = []

    def reader(self, stream: medium.Stream, client: str) -> Reader:
        """Return a new reader."""
        return Reader(stream, client, self._unreported)

    def drain(self) -> list[contract.ReadReport]:
        """Return a report for each medium and client, and begin anew."""
        found = merged(reader.report() for reader in self._unreported)
        self._unreported.clear()
        return found
