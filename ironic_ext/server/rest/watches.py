# SPDX-License-Identifier: Apache-2.0

"""Watches: changes as lines of JSON, in the way of Kubernetes' API.

A watch goes on until the client leaves, its time is over, or the server
stops. Bookmarks tell how far it is, so that it can be resumed.
"""

import collections.abc
import dataclasses
import json
import threading
import time
import typing

import falcon

from ironic_ext.catalog import resources
from ironic_ext.catalog import selector
from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import statuses

CONTENT_TYPE = 'application/x-ndjson'
_LONGEST = 86400

Events = collections.abc.Callable[[int, float],
                                  tuple[list[feeds.Event], int]]


class Source(typing.NamedTuple):
    """What is watched.

    :ivar events: returns the events after a number and how far they reach;
        waits at most so many seconds for one; raises GoneError.
    :ivar version: of a number, as clients see it.
    :ivar ending: whether the server stops.
    :ivar labels: what the resources that are wanted have to meet.
    """

    kind: str
    events: Events
    version: collections.abc.Callable[[int], str]
    ending: collections.abc.Callable[[], bool]
    scope: str = ''
    labels: tuple[selector.Term, ...] = ()


class _Selection:
    """Events of resources with some labels, as Kubernetes tells them.

    A resource that no longer meets them is told as deleted, once.
    """

    def __init__(self, labels: tuple[selector.Term, ...]) -> None:
        self._labels = labels
        self._outside: set[str] = set()

    def line(self, event: feeds.Event) -> bytes:
        """Return the line of an event, b'' for none."""
        if not self._labels:
            return event.line()
        metadata = json.loads(event.document)['metadata']
        name, labels = metadata['name'], metadata.get('labels', {})
        was_outside = name in self._outside
        if not all(term.matches(labels) for term in self._labels):
            self._outside.add(name)
            if event.type == feeds.DELETED:
                self._outside.discard(name)
            # Before the first event of it, it may have been inside.
            return (b'' if was_outside or event.type != feeds.MODIFIED else
                    dataclasses.replace(event, type=feeds.DELETED).line())
        self._outside.discard(name)
        return dataclasses.replace(event, type=feeds.ADDED).line() if (
            was_outside and event.type == feeds.MODIFIED) else event.line()


class Watches:
    """All watches of the server, which are not too many."""

    def __init__(self, most: int, bookmark_interval: float) -> None:
        """Allow some.

        :param bookmark_interval: seconds.
        """
        self._free = threading.BoundedSemaphore(most)
        self._interval = bookmark_interval

    def begin(self, req: falcon.Request, resp: falcon.Response,
              source: Source, since: int, initial: collections.abc.Sequence[
                  bytes] = ()) -> None:
        """Answer a watch.

        :param since: number after which events are wanted.
        :param initial: documents that are there already.
        :raises: TooManyError, GoneError, BadRequestError
        """
        seconds = conventions.number(req, 'timeoutSeconds', _LONGEST, _LONGEST)
        # What is too old is to be an answer, not an event.
        source.events(since, 0)
        if not self._free.acquire(blocking=False):
            raise errors.TooManyError(
                'there are too many watches ([ext_server]max_watches): try '
                'again in a moment')
        resp.content_type = CONTENT_TYPE
        resp.set_header('Cache-Control', 'no-store')
        resp.set_header('X-Accel-Buffering', 'no')
        resp.stream = _Lines(self._lines(source, since, initial, seconds),
                             self._free.release)

    def _lines(self, source: Source, since: int,
               initial: collections.abc.Sequence[bytes], seconds: int
               ) -> collections.abc.Iterator[bytes]:
        until = time.monotonic() + seconds
        # The head of the answer goes out with the first bytes.
        yield b''.join(b'{"type":"ADDED","object":' + document + b'}\n'
                       for document in initial) or _bookmark(source, since)
        if initial:
            yield _bookmark(source, since)
        told = time.monotonic()
        selection = _Selection(source.labels)
        while not source.ending():
            now = time.monotonic()
            wait = min(told + self._interval, until) - now
            try:
                found, since = source.events(since, max(wait, 0))
            except errors.GoneError as exc:
                yield _line('ERROR', statuses.of(exc))
                return
            lines = b''.join(
                selection.line(event) for event in found
                if event.kind == source.kind
                and source.scope in ('', event.scope))
            if lines:
                yield lines
                told = time.monotonic()
            elif time.monotonic() >= told + self._interval:
                yield _bookmark(source, since)
                told = time.monotonic()
            if time.monotonic() >= until:
                yield _bookmark(source, since)
                return


class _Lines:
    """An iterator that lets go of its place, read or not."""

    def __init__(self, lines: collections.abc.Iterator[bytes],
                 release: collections.abc.Callable[[], None]) -> None:
        self._lines = lines
        self._release: collections.abc.Callable[[], None] | None = release

    def __iter__(self) -> '_Lines':
        return self

    def __next__(self) -> bytes:
        return next(self._lines)

    def close(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()


def _bookmark(source: Source, number: int) -> bytes:
    return _line('BOOKMARK', {
        'apiVersion': resources.API_VERSION, 'kind': source.kind,
        'metadata': {'resourceVersion': source.version(number)}})


def _line(kind: str, document: dict[str, typing.Any]) -> bytes:
    return json.dumps({'type': kind, 'object': document},
                      separators=(',', ':')).encode() + b'\n'
