# SPDX-License-Identifier: Apache-2.0

"""How far a download is: for the log, and for whoever watches."""

import collections
import collections.abc
import contextlib
import dataclasses
import logging
import threading
import time

from ironic_ext.images import errors

LOG = logging.getLogger(__name__)

WAITING = 'waiting'
DOWNLOADING = 'downloading'
VERIFYING = 'verifying'
DONE = 'done'
FAILED = 'failed'

_OBSERVE_SECONDS = 1.0
_LOG_SECONDS = 10.0
# The rate is that of the last so many observations.
_WINDOW = 10
_MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far the request for an image is.

    :param href: of the image, fit for logs.
    :param received: bytes that are here.
    :param size: bytes in all, None when the source does not say.
    :param rate: bytes per second of late.
    :param phase: ``waiting`` for another download of the image,
        ``downloading`` or ``verifying``; ``done`` or ``failed`` is the last
        one, and the only one when nothing had to be downloaded.
    """

    href: str
    received: int
    size: int | None
    rate: float
    phase: str

    @property
    def percent(self) -> int | None:
        """Percent that are here, rounded down."""
        return self.received * 100 // self.size if self.size else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go at the present rate."""
        if self.size is None or not self.rate:
            return None
        return (self.size - self.received) / self.rate

    def __str__(self) -> str:
        text = f'{self.received / _MIB:.1f} MiB'
        if self.percent is not None:
            text = f'{self.percent} % of {(self.size or 0) / _MIB:.1f} MiB'
        if self.rate:
            text += f', {self.rate / _MIB:.1f} MiB/s'
        if self.seconds_left is not None and self.percent != 100:
            text += f', {self.seconds_left:.0f} s left'
        return text


Observer = collections.abc.Callable[[Progress], object]


class Reporter:
    """Tells the log and an observer of one request for an image.

    The observer is called at most once a second and at the end, by any
    thread, but never by two at a time. StoppedError of it ends the download,
    as far as that is going on; anything else ends nothing, but it is not
    called again.

    :param href: fit for logs.
    :param clock: seconds, monotonic.
    """

    def __init__(self, href: str, observer: Observer | None = None, *,
                 clock: collections.abc.Callable[[], float] = time.monotonic
                 ) -> None:
        self._href = href
        self._observer = observer
        self._clock = clock
        self._lock = threading.Lock()
        self._phase = WAITING
        self._size: int | None = None
        self._received = 0
        self._begun: tuple[float, int] | None = None
        self._seen: collections.deque[tuple[float, int]] = collections.deque(
            maxlen=_WINDOW)
        self._observe_at = self._log_at = clock()

    def waiting(self, received: int, size: int | None) -> None:
        """Note how far the download is that is waited for."""
        with self._lock:
            if self._phase != WAITING or not self._seen:
                LOG.info('Waiting for another download of %s', self._href)
            self._phase = WAITING
            self._received, self._size = received, size
            self._tell(self._clock())

    def begin(self, received: int, size: int | None) -> None:
        """Note the start of a download, ``received`` bytes of it kept."""
        with self._lock:
            self._phase = DOWNLOADING
            self._received, self._size = received, size
            self._seen.clear()
            now = self._clock()
            self._begun = (now, received)
            self._log_at = now + _LOG_SECONDS
            kept = f', {received / _MIB:.1f} MiB are here already' * (
                received > 0)
            LOG.info('Downloading %s: %s%s', self._href,
                     'size unknown' if size is None
                     else f'{size / _MIB:.1f} MiB', kept)
            self._tell(now)

    def note(self, received: int, phase: str = DOWNLOADING) -> None:
        """Note how many bytes there are by now; cheap to call often."""
        self._received = received
        now = self._clock()
        if now < self._observe_at or not self._lock.acquire(blocking=False):
            return
        try:
            self._phase = phase
            self._tell(now)
        finally:
            self._lock.release()

    def end(self, failed: bool) -> None:
        """Tell the observer for the last time, and the log."""
        with self._lock:
            self._phase = FAILED if failed else DONE
            now = self._clock()
            if self._begun is not None:
                began_at, kept = self._begun
                LOG.info('%s %s: %.1f MiB in %.1f s', self._href,
                         'failed' if failed else 'is here',
                         (self._received - kept) / _MIB, now - began_at)
            self._log_at = now + _LOG_SECONDS
            with contextlib.suppress(errors.StoppedError):
                self._tell(now)

    def _tell(self, now: float) -> None:
        self._observe_at = now + _OBSERVE_SECONDS
        self._seen.append((now, self._received))
        since, before = self._seen[0]
        rate = (self._received - before) / (now - since) if now > since else 0
        progress = Progress(self._href, self._received, self._size,
                            max(rate, 0.0), self._phase)
        if now >= self._log_at and self._phase != WAITING:
            self._log_at = now + _LOG_SECONDS
            LOG.info('%s %s: %s', self._phase.capitalize(), self._href,
                     progress)
        if self._observer is None:
            return
        try:
            self._observer(progress)
        except errors.StoppedError:
            raise
        except Exception:
            LOG.exception('Progress of %s cannot be told', self._href)
            self._observer = None
