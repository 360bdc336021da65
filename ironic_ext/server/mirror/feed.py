# SPDX-License-Identifier: Apache-2.0

"""What changed last, in memory, for those who watch."""

import bisect
import collections.abc
import dataclasses
import datetime
import threading

from ironic_ext.server import errors

ADDED, MODIFIED, DELETED = 'ADDED', 'MODIFIED', 'DELETED'


#: Is called in any thread, and must not wait.
Listener = collections.abc.Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Event:
    """A change of a resource that watches are told of.

    :ivar number: it comes after all events with smaller ones.
    :ivar scope: the namespace, '' where there are none.
    :ivar document: of the resource after the change, JSON.
    :ivar whose: the projects that own and lease it, '' for none.
    """

    number: int
    type: str
    kind: str
    document: bytes
    scope: str = ''
    whose: tuple[str, str] = ('', '')

    def line(self) -> bytes:
        """Return the event as a line of a watch."""
        return (b'{"type":"' + self.type.encode() + b'","object":'
                + self.document + b'}\n')


@dataclasses.dataclass(frozen=True)
class Staleness:
    """What is known may have changed since, and nobody can tell.

    :ivar since: when it was seen last, RFC 3339.
    :ivar reason: why it is not seen now.
    """

    since: str
    reason: str


class Feed:
    """The last events. Thread-safe; who waits for more listens to it."""

    def __init__(self, history: int, number: int = 0) -> None:
        """Begin without any events.

        :param history: events to keep.
        :param number: of the event before the first one.
        """
        self._history = history
        self._events: list[Event] = []
        self._before = self._last = number
        self._closed = False
        self._staleness: Staleness | None = None
        self._seen = datetime.datetime.now(datetime.UTC)
        self._lock = threading.Lock()
        self._listeners: frozenset[Listener] = frozenset()

    @property
    def last(self) -> int:
        """Number of the last event."""
        return self._last

    @property
    def closed(self) -> bool:
        """Whether there will be no more."""
        return self._closed

    @property
    def staleness(self) -> Staleness | None:
        """Since when its source was not seen; None while it is."""
        return self._staleness

    def note_seen(self) -> None:
        """Note that everything up to now is known."""
        self._seen = datetime.datetime.now(datetime.UTC)
        self._tell_staleness(None)

    @property
    def seen(self) -> datetime.datetime:
        """When everything was known last."""
        return self._seen

    def note_unseen(self, reason: str,
                    seen: datetime.datetime | None = None) -> None:
        """Note why there is no news.

        :param seen: when everything was known, if that was before there was
            this feed.
        """
        if seen is not None:
            self._seen = seen
        self._tell_staleness(Staleness(
            self._seen.isoformat(timespec='seconds'), reason))

    def _tell_staleness(self, staleness: Staleness | None) -> None:
        with self._lock:
            is_news = staleness != self._staleness
            self._staleness = staleness
            listeners = self._listeners if is_news else ()
        for listener in listeners:
            listener()

    def publish(self, events: collections.abc.Sequence[Event],
                last: int | None = None) -> None:
        """Add events, in their order.

        :param last: number up to which everything is known now.
        """
        with self._lock:
            self._events += events
            surplus = len(self._events) - self._history
            # Not at every event: moving the list costs, too.
            if surplus > self._history // 8:
                self._before = self._events[surplus - 1].number
                del self._events[:surplus]
            self._last = (last if last is not None else
                          events[-1].number if events else self._last)
            listeners = self._listeners if events else ()
        for listener in listeners:
            listener()

    def reaches(self, since: int) -> bool:
        """Tell whether all events after a number are known."""
        return self._before <= since <= self._last

    def after(self, since: int) -> list[Event]:
        """Return the events after a number.

        :raises: GoneError
        """
        with self._lock:
            if not self.reaches(since):
                raise errors.GoneError(
                    'the changes since that resource version are not '
                    'known: list the resources again')
            start = bisect.bisect_right(
                self._events, since, key=lambda item: item.number)
            return self._events[start:]

    def close(self) -> None:
        """End all watches: the server stops."""
        with self._lock:
            self._closed = True
            listeners = self._listeners
        for listener in listeners:
            listener()

    def listen(self, listener: Listener) -> None:
        """Have somebody called when there is news, in the thread of it."""
        with self._lock:
            self._listeners |= {listener}

    def forget(self, listener: Listener) -> None:
        """Call somebody no more."""
        with self._lock:
            self._listeners -= {listener}
