# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What was read of a medium: merged from reports, shown to an operator.

Pure values; :mod:`.records` keeps them.
"""

import collections.abc
import dataclasses
import heapq

from ironic_ext.media.stream import catalogue

Ranges = tuple[tuple[int, int], ...]

#: Ranges that are kept of one medium. Beyond, the smallest gaps close.
MAX_RANGES = 1024
#: Seconds that the rate is computed over.
_WINDOW = 10.0


def merged(*lists: collections.abc.Iterable[tuple[int, int]],
           limit: int = MAX_RANGES) -> Ranges:
    """Join sorted lists of ranges (first, one past the last) to one.

    :param limit: how many ranges are left at most; small gaps count as
        read then.
    """
    out: list[tuple[int, int]] = []
    for first, end in heapq.merge(*lists):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((first, end))
    surplus = len(out) - limit
    if surplus > 0:
        gaps = set(heapq.nsmallest(
            surplus, range(1, len(out)),
            key=lambda index: out[index][0] - out[index - 1][1]))
        closed: list[tuple[int, int]] = []
        for index, (first, end) in enumerate(out):
            if index in gaps:
                closed[-1] = (closed[-1][0], end)
            else:
                closed.append((first, end))
        out = closed
    return tuple(out)


@dataclasses.dataclass(frozen=True)
class Reads:
    """What was read of a medium until now.

    :ivar first_at: seconds since the epoch, None if it was never read.
    :ivar last_at: the same of the last byte.
    :ivar sent: bytes, repeated ones included.
    :ivar requests: answered requests that carried bytes.
    :ivar ranges: which bytes.
    :ivar client: address that read last.
    :ivar window_at: since when ``window_sent`` bytes were sent.
    """

    first_at: float | None = None
    last_at: float | None = None
    sent: int = 0
    requests: int = 0
    ranges: Ranges = ()
    client: str = ''
    window_at: float | None = None
    window_sent: int = 0

    def plus(self, report: catalogue.ReadReport) -> 'Reads':
        """Return these reads and those of a report together."""
        first, last = report.first_at, report.last_at
        window_at, window_sent = self.window_at, self.window_sent
        if window_at is None or last - window_at > _WINDOW:
            window_at, window_sent = first, 0
        return Reads(
            first_at=first if self.first_at is None
            else min(first, self.first_at),
            last_at=last if self.last_at is None
            else max(last, self.last_at),
            sent=self.sent + report.sent,
            requests=self.requests + report.requests,
            ranges=merged(self.ranges, report.ranges),
            client=(report.client if self.last_at is None
                    or last >= self.last_at else self.client),
            window_at=window_at, window_sent=window_sent + report.sent)

    @property
    def distinct(self) -> int:
        """Bytes that were read at least once."""
        return sum(end - first for first, end in self.ranges)

    def rate(self, now: float) -> float:
        """Return bytes per second of late, 0 when nothing is read now."""
        if (self.last_at is None or self.window_at is None
                or now - self.last_at > _WINDOW):
            return 0.0
        return self.window_sent / max(self.last_at - self.window_at, 1.0)
