# SPDX-License-Identifier: Apache-2.0

"""Watches: changes as lines of JSON, in the way of Kubernetes' API.

A watch goes on until the client leaves, its time is over, or the server
stops. Bookmarks tell how far it is, so that it can be resumed.
"""

import asyncio
import collections.abc
import concurrent.futures
import contextlib
import dataclasses
import json
import threading
import time
import typing

import falcon

from ironic_ext.catalog import resources
from ironic_ext.catalog import selector
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.http import exchange
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.rest import access
from ironic_ext.server.rest import bridge
from ironic_ext.server.rest import conventions
from ironic_ext.server import statuses

CONTENT_TYPE = 'application/x-ndjson'
_LONGEST = 86400

#: Documents and events that are sent in one go, others being served between.
_BATCH = 200


class Source(typing.NamedTuple):
    """What a watch is about.

    :ivar feed: returns what tells of news.
    :ivar events: returns the events after a number and how far they reach;
        raises GoneError.
    :ivar is_at_hand: tells whether that reads no database.
    :ivar version: of a number, as clients see it.
    :ivar ending: whether the server stops.
    :ivar labels: what the resources that are wanted have to meet.
    :ivar sees: whether the document of a resource may be told.
    :ivar is_for: tells whether who watches may see what an event is about.
    """

    kind: str
    feed: collections.abc.Callable[[], feeds.Feed]
    events: collections.abc.Callable[[int], tuple[list[feeds.Event], int]]
    is_at_hand: collections.abc.Callable[[int], bool]
    version: collections.abc.Callable[[int], str]
    ending: collections.abc.Callable[[], bool]
    scope: str = ''
    labels: tuple[selector.Term, ...] = ()
    sees: collections.abc.Callable[[dict[str, typing.Any]], bool] | None = (
        None)
    is_for: collections.abc.Callable[[feeds.Event], bool] = (
        lambda event: True)


class _Selection:
    """Events of resources with some labels, as Kubernetes tells them.

    A resource that no longer meets them is told as deleted, once.
    """

    def __init__(self, source: Source) -> None:
        self._labels = source.labels
        self._sees = source.sees
        self._outside: set[str] = set()

    def line(self, event: feeds.Event) -> bytes:
        """Return the line of an event, b'' for none."""
        if not self._labels and self._sees is None:
            return event.line()
        document = json.loads(event.document)
        # Who has it now is told that it came, who had it that it went.
        if self._sees is not None and not self._sees(document):
            return b''
        metadata = document['metadata']
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
    """All watches of the server, which are not too many. No threads."""

    def __init__(self, most: int, bookmark_interval: float,
                 pool: concurrent.futures.Executor,
                 judge_interval: float = 60.0) -> None:
        """Allow so many watches at once.

        :param bookmark_interval: seconds.
        :param pool: where databases are read.
        :param judge_interval: seconds after which it is looked whether
            who watches still may.
        """
        self._judge_interval = judge_interval
        self._free = threading.BoundedSemaphore(most)
        self._interval = bookmark_interval
        self._pool = pool

    def begin(self, req: falcon.Request, resp: falcon.Response,
              source: Source, since: int, initial: collections.abc.Sequence[
                  bytes] = ()) -> None:
        """Answer with a watch, which goes on.

        :param since: number after which events are wanted.
        :param initial: documents that are there already.
        :raises: TooManyError, GoneError, BadRequestError
        """
        seconds = conventions.number(req, 'timeoutSeconds', _LONGEST, _LONGEST)
        ends = access.expires(req.env)
        rights = _Rights(
            access.renewal(req), self._judge_interval,
            2.0 * _LONGEST if ends is None else ends - time.time())
        # What is too old is to be an answer, not an event.
        source.events(since)
        resp.content_type = CONTENT_TYPE
        resp.set_header('Cache-Control', 'no-store')
        resp.set_header('X-Accel-Buffering', 'no')

        async def watch(receive: exchange.Receive, answer: answers.Answer
                        ) -> answers.Answer:
            if not self._free.acquire(blocking=False):
                raise errors.TooManyError(
                    'there are too many watches ([ext_server]max_watches): '
                    'try again in a moment')
            return answer._replace(data=_Watch(
                source, since, initial, receive,
                _Times(self._interval, seconds), self._pool,
                self._free.release, rights))
        bridge.go_on(req, watch)


class _Times(typing.NamedTuple):
    """Seconds between two bookmarks, and until the end."""

    bookmark: float
    most: float


class _Rights(typing.NamedTuple):
    """What ends the right to watch.

    :ivar judge: raises UnauthorizedError or ForbiddenError; may wait.
    :ivar interval: seconds between two calls of it.
    :ivar most: seconds that the login is good for.
    """

    judge: collections.abc.Callable[[], None]
    interval: float
    most: float


class _Watch:
    """The lines of a watch, as they come."""

    def __init__(self, source: Source, since: int,
                 initial: collections.abc.Sequence[bytes],
                 receive: exchange.Receive, times: _Times,
                 pool: concurrent.futures.Executor,
                 release: collections.abc.Callable[[], None],
                 rights: _Rights) -> None:
        self._rights = rights
        self._source = source
        self._since = since
        self._initial = initial
        self._receive = receive
        self._times = times
        self._pool = pool
        self._release: collections.abc.Callable[[], None] | None = release
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        self._is_rung = self._is_left = False
        self._staleness: feeds.Staleness | None = None
        self._feed = source.feed()
        self._feed.listen(self._ring)
        self._leaving = self._loop.create_task(self._leave())

    def close(self) -> None:
        """Let go of its place; any number of times."""
        release, self._release = self._release, None
        if release is not None:
            release()
        self._feed.forget(self._ring)
        self._leaving.cancel()

    async def __aiter__(self) -> collections.abc.AsyncIterator[bytes]:
        """Yield lines until the client leaves or it is over."""
        source, now = self._source, time.monotonic
        rights = self._rights
        begun = judged = now()
        until = begun + min(self._times.most, rights.most)
        for batch in _batches(self._initial):
            yield b''.join(b'{"type":"ADDED","object":' + document + b'}\n'
                           for document in batch)
        # The head of the answer goes out with the first bytes.
        yield self._bookmark()
        told = now()
        selection = _Selection(source)
        while not source.ending() and not self._is_left and now() < until:
            self._listen()
            try:
                if now() >= judged + rights.interval:
                    await self._loop.run_in_executor(self._pool, rights.judge)
                    judged = now()
                found = await self._events()
            except (errors.GoneError, errors.UnauthorizedError,
                    errors.ForbiddenError) as exc:
                yield _line('ERROR', statuses.of(exc))
                return
            for events in _batches(found):
                lines = b''.join(
                    selection.line(event) for event in events
                    if event.kind == source.kind
                    and source.scope in ('', event.scope)
                    and source.is_for(event))
                if lines:
                    yield lines
                    told = now()
                    # Not more than one batch while others wait.
                    await asyncio.sleep(0)
            if (now() >= told + self._times.bookmark
                    or source.feed().staleness != self._staleness):
                yield self._bookmark()
                told = now()
            if not found:
                await self._wait(min(
                    told + self._times.bookmark, until,
                    judged + rights.interval) - now())
        if now() >= begun + rights.most:
            yield _line('ERROR', statuses.of(errors.UnauthorizedError(
                'the login has expired: log in again')))
        elif not self._is_left:
            yield self._bookmark()

    def _bookmark(self) -> bytes:
        """Say how far it is, and whether that is as things are now."""
        source = self._source
        self._staleness = source.feed().staleness
        return _line('BOOKMARK', {
            'apiVersion': resources.API_VERSION, 'kind': source.kind,
            'metadata': {'resourceVersion': source.version(self._since),
                         **conventions.age(self._staleness)}})

    async def _events(self) -> list[feeds.Event]:
        """Return what came since the last time.

        :raises: GoneError, DatabaseError
        """
        source = self._source
        if source.is_at_hand(self._since):
            found, self._since = source.events(self._since)
        else:
            found, self._since = await self._loop.run_in_executor(
                self._pool, source.events, self._since)
        return found

    def _listen(self) -> None:
        """Be woken by what comes from now on."""
        self._bell.clear()
        self._is_rung = False
        feed = self._source.feed()
        if feed is not self._feed:
            # It began anew.
            self._feed.forget(self._ring)
            self._feed = feed
            feed.listen(self._ring)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._bell.wait()

    def _ring(self) -> None:
        """Wake it up, from any thread, once."""
        if not self._is_rung:
            self._is_rung = True
            # The loop may have ended by now.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._bell.set)

    async def _leave(self) -> None:
        """Note that the client leaves."""
        while (await self._receive())['type'] != 'http.disconnect':
            pass
        self._is_left = True
        self._bell.set()


Item = typing.TypeVar('Item')


def _batches(items: collections.abc.Sequence[Item]
             ) -> collections.abc.Iterator[collections.abc.Sequence[Item]]:
    for start in range(0, len(items), _BATCH):
        yield items[start:start + _BATCH]


def _line(kind: str, document: dict[str, typing.Any]) -> bytes:
    return json.dumps({'type': kind, 'object': document},
                      separators=(',', ':')).encode() + b'\n'
