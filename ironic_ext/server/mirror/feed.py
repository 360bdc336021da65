# SPDX-License-Identifier: Apache-2.0

"""What changed last, in memory, for those who watch."""

import bisect
import collections.abc
import dataclasses
import threading
import time

from ironic_ext.server import errors

ADDED, MODIFIED, DELETED = 'ADDED', 'MODIFIED', 'DELETED'


@dataclasses.dataclass(frozen=True)
class Event:
    """A change.

    :ivar number: it comes after all events with smaller ones.
    :ivar scope: the namespace, '' where there are none.
    :ivar document: of the resource after the change, JSON.
    """

    number: int
    type: str
    kind: str
    document: bytes
    scope: str = ''

    def line(self) -> bytes:
        """Return the event as a line of a watch."""
        return (b'{"type":"' + self.type.encode() + b'","object":'
                + self.document + b'}\n')


class Feed:
    """The last events. Thread-safe; readers wait on it."""

    def __init__(self, history: int, number: int = 0) -> None:
        """Begin without events.

        :param history: events to keep.
        :param number: of the event before the first one.
        """
        self._history = history
        self._events: list[Event] = []
        self._before = self._last = number
        self._closed = False
        self._news = threading.Condition()

    @property
    def last(self) -> int:
        """Number of the last event."""
        return self._last

    @property
    def closed(self) -> bool:
        """Whether there will be no more."""
        return self._closed

    def publish(self, events: collections.abc.Sequence[Event],
                last: int | None = None) -> None:
        """Add events, in their order.

        :param last: number up to which everything is known now.
        """
        with self._news:
            self._events += events
            surplus = len(self._events) - self._history
            # Not at every event: moving the list costs, too.
            if surplus > self._history // 8:
                self._before = self._events[surplus - 1].number
                del self._events[:surplus]
            self._last = (last if last is not None else
                          events[-1].number if events else self._last)
            if events:
                self._news.notify_all()

    def reaches(self, since: int) -> bool:
        """Tell whether all events after a number are known."""
        return self._before <= since <= self._last

    def after(self, since: int, timeout: float) -> list[Event]:
        """Return the events after a number, wait for the first one.

        :param timeout: seconds; [] when there was none by then.
        :raises: GoneError
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                if not self.reaches(since):
                    raise errors.GoneError(
                        'the changes since that resource version are not '
                        'known: list the resources again')
                if self._closed or since < self._last:
                    start = bisect.bisect_right(
                        self._events, since, key=lambda item: item.number)
                    found = self._events[start:]
                    if found or self._closed:
                        return found
                rest = deadline - time.monotonic()
                if rest <= 0:
                    return []
                self._news.wait(rest)

    def close(self) -> None:
        """End all watches."""
        with self._news:
            self._closed = True
            self._news.notify_all()
