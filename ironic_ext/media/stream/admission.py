# SPDX-License-Identifier: Apache-2.0

"""Which media a worker serves at the moment, and until when.

What a token opens is kept for as long as it is read, and twice a second the
records of media are asked, for all at once, which are still valid: so a
request costs no query, and revocation ends running responses as well.
"""

import asyncio
import collections.abc
import concurrent.futures
import ipaddress
import logging
import time
import typing

from ironic_ext.media import medium
from ironic_ext.media.stream import contract
from ironic_ext.media.stream.http import response as responses
from ironic_ext.media.stream import layout as layouts
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import settings as server_settings

LOG = logging.getLogger(__name__)

#: Seconds for which the word of who knows the media counts.
_FRESH = 1.0
#: Seconds without a request until what belongs to a medium is closed.
_KEEP = 30.0
#: Tokens that may be looked up at one time.
_MAX_LOOKUPS = 512

T = typing.TypeVar('T')
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


class OpenBase:
    """A base that media of this worker share.

    :ivar users: media and reads that need it.
    """

    __slots__ = ('base', 'users', 'idle_since')

    def __init__(self, base: contract.Base) -> None:
        self.base = base
        self.users = 0
        self.idle_since = time.monotonic()


class Served:
    """A medium with everything that is needed to serve it.

    :ivar ended: why it must not be served any more, or None.
    :ivar checked: monotonic seconds; it was valid then.
    :ivar fresh_until: the same; until then nobody needs to ask again.
    :ivar used: the same; somebody read it then.
    """

    __slots__ = ('stream', 'representation', 'layout', 'open_base', 'token',
                 'ended', 'checked', 'fresh_until', 'used', '_networks')

    def __init__(self, stream: medium.Stream, layout: layouts.Layout,
                 open_base: OpenBase, token: str) -> None:
        self.representation = responses.Representation(
            layout, stream.size, stream.etag, stream.last_modified)
        self.layout = layout
        self.open_base = open_base
        self.token = token
        self.ended: contract.StreamError | None = None
        self.checked = self.fresh_until = 0.0
        self.used = time.monotonic()
        self.stream = stream
        self._networks: Networks = tuple(
            ipaddress.ip_network(network) for network in stream.networks)

    def refresh(self, checked: float, period: float) -> None:
        """Take note that it was valid at a time, for so many seconds."""
        self.checked = max(self.checked, checked)
        self.fresh_until = self.checked + period
        if self.stream.expires_at is not None:
            self.fresh_until = min(
                self.fresh_until, time.monotonic()
                + self.stream.expires_at - time.time())

    def admits(self, client: str) -> bool:
        """Tell whether that address may read the medium."""
        if not self._networks:
            return True
        address = ipaddress.ip_address(client.partition('%')[0])
        mapped = getattr(address, 'ipv4_mapped', None)
        return any((mapped or address) in network
                   for network in self._networks)

    def expired(self) -> bool:
        """Tell whether its time is over by what was known last."""
        end = self.stream.expires_at
        return end is not None and end <= time.time()


def _content(stream: medium.Stream) -> tuple[object, ...]:
    """Return all of a medium save its end, which may be put off."""
    return (stream.digest, stream.size, stream.last_modified, stream.name,
            stream.base.digest, stream.base.size, stream.overlay_path,
            stream.networks)


class Admissions:
    """The media that one worker serves; lives in its event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop,
                 media: contract.Media, bases: contract.Bases,
                 settings: server_settings.ServerSettings,
                 counters: metrics.Counters,
                 cut: collections.abc.Callable[[Served], None]) -> None:
        """Make an empty set.

        :param cut: called with a medium that ended: ends its responses.
        """
        self._loop = loop
        self._media_source = media
        self._bases_source = bases
        self._settings = settings
        self._counters = counters
        self._cut = cut
        self._tokens: dict[str, Served] = {}
        self._media: dict[str, Served] = {}
        self._bases: dict[str, OpenBase] = {}
        self._closing: list[OpenBase] = []
        self._opening: dict[str, asyncio.Task[OpenBase]] = {}
        self._pending: dict[str, asyncio.Task[Served | None]] = {}
        self._check: asyncio.Future[
            collections.abc.Set[str]] | None = None
        self._check_began = 0.0
        self._threads = concurrent.futures.ThreadPoolExecutor(
            8, thread_name_prefix='lookup')
        # Of its own, so that revocation never waits for lookups.
        self._check_thread = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix='recheck')
        #: Whether who knows the media answered when asked last.
        self.answering = True

    def at_hand(self, token: str) -> Served | None:
        """Return what a token opens if that is known to be true now."""
        served = self._tokens.get(token)
        if served is None or served.fresh_until < time.monotonic():
            return None
        return served

    def admit(self, token: str) -> 'asyncio.Task[Served | None]':
        """Begin to ask what a token opens.

        The task returns None when nobody knows the token, and raises
        StreamError when it opens nothing now.
        """
        task = self._pending.get(token)
        if task is None:
            task = self._loop.create_task(self._admit(token))
            self._pending[token] = task
            task.add_done_callback(
                lambda done: self._pending.pop(token, None))
        return task

    async def _admit(self, token: str) -> Served | None:
        if len(self._pending) > _MAX_LOOKUPS:
            raise contract.UnavailableError('too many tokens are looked up')
        self._counters.add('lookups_total')
        known = self._tokens.get(token)
        started = time.monotonic()
        try:
            stream = await self._call(self._media_source.find, token)
        except contract.UnavailableError as exc:
            self._counters.add('catalogue_errors_total')
            self._outage(exc)
            if known is not None and self._graced(known):
                return known
            raise
        except (contract.ExpiredError, contract.RevokedError) as exc:
            if known is not None:
                self._end(known, exc)
            raise
        if stream is None:
            if known is not None:
                self._end(known, contract.RevokedError(
                    f'medium {known.stream.id} is not known any more'))
            return None
        served = self._media.get(stream.id)
        if (served is None or served.ended is not None
                or _content(served.stream) != _content(stream)):
            fresh = await self._serve(stream, token)
            # Another token of the medium may have been faster.
            served = self._media.get(stream.id)
            if (served is None or served.ended is not None
                    or _content(served.stream) != _content(stream)):
                if served is not None and served.ended is None:
                    self._end(served, contract.RevokedError(
                        f'medium {stream.id} has other content now'))
                served = self._media[stream.id] = fresh
            else:
                self._close(fresh)
        served.stream = stream
        served.refresh(started, _FRESH)
        served.used = time.monotonic()
        self._tokens[token] = served
        return served

    def _graced(self, served: Served) -> bool:
        return (served.ended is None and not served.expired()
                and time.monotonic() - served.checked
                <= self._settings.outage_grace)

    async def _serve(self, stream: medium.Stream, token: str) -> Served:
        open_base = await self._base(stream)
        open_base.users += 1
        try:
            layout = await self._call(layouts.Layout, stream, open_base.base)
        except contract.BaseChangedError:
            self._forget_base(open_base)
            open_base.users -= 1
            raise
        except BaseException:
            open_base.users -= 1
            raise
        return Served(stream, layout, open_base, token)

    async def _base(self, stream: medium.Stream) -> OpenBase:
        digest = stream.base.digest
        found = self._bases.get(digest)
        if found is not None:
            found.idle_since = time.monotonic()
            return found
        task = self._opening.get(digest)
        if task is None:
            task = self._loop.create_task(self._open(stream))
            self._opening[digest] = task
            task.add_done_callback(
                lambda done: self._opening.pop(digest, None))
        return await asyncio.shield(task)

    async def _open(self, stream: medium.Stream) -> OpenBase:
        base = await self._call(self._bases_source.open, stream)
        found = self._bases[stream.base.digest] = OpenBase(base)
        return found

    async def _call(self, function: collections.abc.Callable[..., T],
                    *args: object) -> T:
        return await self._loop.run_in_executor(
            self._threads, function, *args)

    def base_failed(self, served: Served, error: contract.StreamError
                    ) -> None:
        """End all media of a base that is not what it was."""
        self._forget_base(served.open_base)
        for other in list(self._media.values()):
            if other.open_base is served.open_base:
                self._end(other, error)

    def _forget_base(self, open_base: OpenBase) -> None:
        for digest, known in list(self._bases.items()):
            if known is open_base:
                del self._bases[digest]
                self._closing.append(open_base)

    def _end(self, served: Served, error: contract.StreamError) -> None:
        if served.ended is not None:
            return
        served.ended = error
        self._drop(served)
        self._cut(served)
        self._close(served)

    def _drop(self, served: Served) -> None:
        if self._media.get(served.stream.id) is served:
            del self._media[served.stream.id]
        for token in [token for token, other in self._tokens.items()
                      if other is served]:
            del self._tokens[token]

    def _close(self, served: Served) -> None:
        served.fresh_until = 0.0
        served.layout.close()
        served.open_base.users -= 1
        served.open_base.idle_since = time.monotonic()

    def tick(self, in_use: collections.abc.Set[Served]) -> None:
        """Look after everything; called each ``recheck_interval``.

        :param in_use: the media with responses under way.
        """
        now = time.monotonic()
        for served in list(self._media.values()):
            if served in in_use:
                served.used = now
            if served.expired():
                # Perhaps its time was prolonged.
                if served.token not in self._pending:
                    self.admit(served.token).add_done_callback(
                        self._look_at)
            elif now - served.used > _KEEP:
                self._drop(served)
                self._close(served)
        self._close_bases(now)
        if self._check is None:
            if not self._media and self.answering:
                return
            asked = frozenset(self._media)
            self._check = self._loop.run_in_executor(
                self._check_thread, self._media_source.still_valid, asked)
            self._check_began = now
            self._check.add_done_callback(
                lambda done: self._checked(done, asked, now))
        elif now - self._check_began > _FRESH:
            self._outage('it takes more than a second')

    @staticmethod
    def _look_at(task: 'asyncio.Task[Served | None]') -> None:
        # The medium was ended by then; nobody else waits for the reason.
        if not task.cancelled():
            task.exception()

    def _close_bases(self, now: float) -> None:
        for digest, found in list(self._bases.items()):
            if not found.users and now - found.idle_since > _KEEP:
                del self._bases[digest]
                self._closing.append(found)
        for found in list(self._closing):
            if not found.users:
                self._closing.remove(found)
                self._threads.submit(found.base.close)

    def _checked(self, check: 'asyncio.Future[collections.abc.Set[str]]',
                 asked: frozenset[str], started: float) -> None:
        self._check = None
        if check.cancelled():
            return
        error = check.exception()
        if error is not None:
            self._counters.add('catalogue_errors_total')
            self._outage(error)
            return
        if not self.answering:
            LOG.info('The records of media answer again')
        self.answering = True
        valid = check.result()
        for served in list(self._media.values()):
            if served.stream.id in valid:
                served.refresh(started, _FRESH)
            # What was admitted meanwhile was not asked about.
            elif served.stream.id in asked and served.checked < started:
                self._end(served, contract.RevokedError(
                    f'medium {served.stream.id} was revoked'))

    def _outage(self, reason: object) -> None:
        if self.answering:
            LOG.error('The records of media do not answer: %s', reason)
        self.answering = False
        for served in list(self._media.values()):
            if (time.monotonic() - served.checked
                    > self._settings.outage_grace):
                self._end(served, contract.UnavailableError(
                    'the records of media do not answer'))
            else:
                served.refresh(served.checked, self._settings.outage_grace)

    def close(self) -> None:
        """Close everything; no response is under way any more."""
        for served in list(self._media.values()):
            self._drop(served)
            self._close(served)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._check_thread.shutdown(wait=False, cancel_futures=True)
        for found in [*self._bases.values(), *self._closing]:
            found.base.close()
