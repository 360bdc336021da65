# SPDX-License-Identifier: Apache-2.0

"""What was read of a medium: merged from reports, shown to an operator.

Pure values; :mod:`.records` keeps them.
"""

import dataclasses

from ironic_ext.media.stream import contract
from ironic_ext import spans

Ranges = tuple[spans.Span, ...]

#: Ranges that are kept of one medium. Beyond, the smallest gaps close.
MAX_RANGES = 1024
#: Seconds that the rate is computed over.
_WINDOW = 10.0


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

    def plus(self, report: contract.ReadReport) -> 'Reads':
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
            ranges=spans.joined(
                (*self.ranges, *report.ranges), MAX_RANGES),
            client=(report.client if self.last_at is None
                    or last >= self.last_at else self.client),
            window_at=window_at, window_sent=window_sent + report.sent)

    @property
    def distinct(self) -> int:
        """Bytes that were read at least once."""
        return spans.total(self.ranges)

    def rate(self, now: float) -> float:
        """Return bytes per second of late, 0 when nothing is read now."""
        if (self.last_at is None or self.window_at is None
                or now - self.last_at > _WINDOW):
            return 0.0
        return self.window_sent / max(self.last_at - self.window_at, 1.0)
