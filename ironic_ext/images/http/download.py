# SPDX-License-Identifier: Apache-2.0

"""One download over HTTP: resumed, restarted, in parts where that is faster.

A download begins with one connection. Where the server has ranges and the
image is large, the number is doubled as long as the rate grows by it: over a
link with latency each connection brings what its TCP window allows, while on
a fast and near one a second connection only costs. The rate is measured
rather than guessed from the latency, because servers and links that limit
each connection have no latency to show; what ends within a second or two is
over before that, as it should be. Conditional and range requests: RFC 9110.
"""

import collections.abc
import dataclasses
import functools
import threading
import time

from ironic_ext.images import errors
from ironic_ext.images import href as hrefs
from ironic_ext.images.http import crew as http_crew
from ironic_ext.images.http import errors as http_errors
from ironic_ext.images.http import headers as http_headers
from ironic_ext.images.http import pace as http_pace
from ironic_ext.images.http import pieces as http_pieces
from ironic_ext.images.http import retry
from ironic_ext.images.http import session
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings

#: Bytes of the first request. It tells the size and whether there are
#: ranges, brings small images whole, and what is at hand already is hardly
#: sent again.
FIRST = 1 << 20
# A part of an answer must be worth its request.
_LEAST_PART = 64 << 10
_MOST_CHANGES = 3
# Seconds of a download that are not worth more connections.
_NEARLY_DONE = 1.0
# Seconds between looks at the other readers when there is nothing to do.
_LOOK = 0.5

#: Sends a request for the image with these headers added.
Ask = collections.abc.Callable[[http_headers.Headers], session.Answer]


@dataclasses.dataclass
class _Source:
    """The version that is being downloaded.

    :param validator: what ties the parts together; None if nothing does.
    :param parallel: several connections may be tried.
    """

    version: service.ImageVersion
    validator: str | None
    parallel: bool
    missing: http_pieces.Missing


class Download:
    """Brings one image into a target.

    :param first: asks along the redirects of the href.
    :param again: asks where the last answer came from.
    :param leave: called in each thread that asked, when it ends.
    """

    def __init__(self, href: str, target: service.Target,
                 known: service.ImageVersion | None,
                 settings: image_settings.Settings, *, first: Ask,
                 again: Ask, leave: collections.abc.Callable[[], None]
                 ) -> None:
        self._name = hrefs.redacted(href)
        self._target = target
        self._known = known
        self._settings = settings
        self._first = first
        self._again = again
        self._leave = leave
        self._lock = threading.Lock()
        self._received = 0
        self._writing = 0.0
        self._ranges = True
        # Whether a part may be asked for that goes on with another.
        self._tied = True
        self._done = False
        self._source: _Source | None = None
        self._crew: http_crew.Crew | None = None
        self._growth = http_pieces.Growth(settings.connections)
        self._pace = http_pieces.Pace(time.monotonic())
        self._floor = http_pace.Floor(settings.min_rate,
                                      settings.rate_window, time.monotonic())

    def run(self) -> service.ImageVersion | None:
        """Download; None when ``known`` is what the server has.

        :raises: ImageError and its subclasses, what the target raises
        """
        patience = retry.Patience(self._settings)
        changes = before = 0
        try:
            while not self._done:
                try:
                    self._step()
                except http_errors.ChangedError as failure:
                    self._drop()
                    changes += 1
                    if changes > 1:
                        # Servers behind one name that do not agree: nothing
                        # ties parts together.
                        self._ranges = self._tied = False
                    if changes > _MOST_CHANGES:
                        raise failure.error from None
                except http_errors.TransientError as failure:
                    self._require_pace()
                    progress = self._received > before
                    if self._source and self._source.validator is None:
                        # Nothing ties the next answer to this one.
                        self._drop()
                        progress = False
                    patience.wait(failure, progress=progress)
                    before = self._received
            return self._source.version if self._source else None
        finally:
            self._stop_crew()

    def _step(self) -> None:
        """Send one request and read its answer, or find that all is done.

        :raises: ChangedError, TransientError, ImageError
        """
        source, crew = self._source, self._crew
        if source is None or crew is None:
            self._open()
            return
        crew.raise_failure()
        piece = source.missing.take(
            http_crew.PIECE if crew.active else http_pieces.UNKNOWN)
        if piece is not None:
            try:
                self._continue(source, piece)
            finally:
                source.missing.give_back([piece])
        elif crew.active:
            crew.wait(_LOOK)
        else:
            self._done = not source.missing.free()

    # The first request

    def _open(self) -> None:
        headers = http_headers.condition(self._known)
        if self._ranges:
            headers['Range'] = f'bytes=0-{FIRST - 1}'
        with self._first(headers) as answer:
            if answer.status == 304 and self._known is not None:
                answer.finish()
                self._done = True
            elif answer.status == 200:
                self._begin(answer, answer.length)
            elif answer.status in (206, 416) and self._ranges:
                span = http_headers.content_range(answer.headers)
                if span is not None and _is_start(answer, span):
                    self._begin(answer, span.size, span.span or (0, 0))
                else:
                    # Parts that nothing ties together: better one stream.
                    self._ranges = False
            elif answer.status in http_headers.NO_RANGES and self._ranges:
                self._ranges = self._tied = False
            else:
                raise answer.refusal()

    def _begin(self, answer: session.Answer, size: int | None,
               span: service.ByteRange | None = None) -> None:
        """Start with a version whose first bytes are in the answer."""
        answer.refuse_page()
        version = _version(answer, size)
        if self._known is not None and self._known.resumes(version):
            # A server that takes no notice of conditions.
            self._done = True
            return
        missing = http_pieces.Missing(self._target.begin(version))
        validator = (http_headers.strong_validator(answer.headers)
                     if self._tied else None)
        source = self._source = _Source(
            version, validator, bool(
                span and validator and size is not None
                and size >= self._settings.parallel_above), missing)
        self._crew = http_crew.Crew(
            missing, functools.partial(self._ask_beside, source),
            functools.partial(self._stream, source), self._leave)
        self._growth = http_pieces.Growth(self._settings.connections)
        self._pace = http_pieces.Pace(time.monotonic())
        self._stream_free(source, answer, span)

    # Further requests

    def _continue(self, source: _Source, piece: http_pieces.Piece) -> None:
        with self._request(source, piece) as answer:
            if answer.status == 206:
                _judge_part(source, answer, piece)
                self._stream(source, answer, piece)
            elif answer.status == 200:
                answer.refuse_page()
                if not http_headers.same(source.version, _version(
                        answer, answer.length)):
                    raise http_errors.ChangedError(self._name)
                # No ranges any more: the whole of it, past what is here.
                source.missing.give_back([piece])
                piece.start = piece.end
                self._stream_free(source, answer, None)
            else:
                raise _refusal(answer)

    def _ask_beside(self, source: _Source, piece: http_pieces.Piece
                    ) -> session.Answer:
        """Request a piece for the crew: that or nothing."""
        answer = self._request(source, piece)
        try:
            if answer.status != 206:
                raise _refusal(answer)
            _judge_part(source, answer, piece)
        except BaseException:
            answer.close()
            raise
        return answer

    def _request(self, source: _Source, piece: http_pieces.Piece
                 ) -> session.Answer:
        last = '' if piece.end == http_pieces.UNKNOWN else piece.end - 1
        headers = {'Range': f'bytes={piece.start}-{last}'}
        if source.validator is not None:
            headers['If-Range'] = source.validator
        return self._again(headers)

    # Bodies

    def _stream_free(self, source: _Source, answer: session.Answer,
                     span: service.ByteRange | None) -> None:
        """Read what an answer has of the bytes that nobody fetches.

        :param span: the bytes that the answer has; None means all.
        """
        size = source.version.size
        start, end = span or (
            0, http_pieces.UNKNOWN if size is None else size)
        pieces = source.missing.take_within(start, end)
        try:
            self._read(source, answer, start, end, pieces, None)
        finally:
            source.missing.give_back(pieces)

    def _stream(self, source: _Source, answer: session.Answer,
                piece: http_pieces.Piece,
                stopped: http_crew.Stopped | None = None) -> None:
        """Read an answer 206 that was judged.

        :param stopped: whether a thread of the crew is to end; None for
            the first reader, which stops by itself.
        """
        span = http_headers.content_range(answer.headers)
        assert span is not None and span.span is not None
        self._read(source, answer, *span.span, [piece], stopped)

    def _read(self, source: _Source, answer: session.Answer,
              offset: int, end: int, pieces: list[http_pieces.Piece],
              stopped: http_crew.Stopped | None) -> None:
        """Write what ``pieces`` want of the bytes from offset to end."""
        if not pieces:
            answer.finish()
            return
        for data in answer.chunks():
            if stopped is not None and stopped():
                return
            for piece, at, part in http_pieces.parts(pieces, offset, data):
                self._write(at, part)
                piece.start = at + len(part)
            offset += len(data)
            if stopped is None:
                self._look_around(source, pieces)
            if offset >= pieces[-1].end and answer.unread != 0:
                return
        if end == http_pieces.UNKNOWN:
            # An answer that was complete says how large the image is.
            pieces[-1].start = pieces[-1].end
            source.version = dataclasses.replace(
                source.version, size=offset)
        elif offset < end:
            raise http_errors.TransientError(errors.ImageError(
                f'cannot download {answer.name}: the answer ended at byte '
                f'{offset} instead of {end}'))

    def _write(self, offset: int, data: service.Buffer) -> None:
        began = time.monotonic()
        try:
            self._target.write(offset, data)
        except BaseException as exc:
            if self._crew is not None:
                self._crew.failure = exc
            raise
        with self._lock:
            self._received += len(data)
            # What takes the target long is no fault of the server.
            self._writing += time.monotonic() - began
            self._require_pace()

    def _require_pace(self) -> None:
        """Give a server up that is too slow.

        :raises: ImageError
        """
        if not self._floor.holds(
                self._received, time.monotonic() - self._writing):
            raise errors.ImageError(
                f'cannot download {self._name}: the image server sent less '
                f'than {self._settings.min_rate / 1024:g} KiB a second in '
                f'the last {self._settings.rate_window:g} s: use a nearer '
                'one, or change [ext_images]min_rate or rate_window')

    # The crew

    def _look_around(self, source: _Source,
                     pieces: list[http_pieces.Piece]) -> None:
        """See to the readers beside this one, between two of its reads."""
        crew, growth = self._crew, self._growth
        if crew is None:
            return
        crew.raise_failure()
        if not source.parallel or growth.settled:
            return
        if crew.refused:
            growth.settle()
            return
        rate = self._pace.rate(self._received, time.monotonic())
        mine = pieces[-1]
        if rate is None or (source.missing.free() + mine.end - mine.start
                            < rate * _NEARLY_DONE):
            return
        wanted = growth.measured(rate)
        cut = min(mine.end, mine.start + http_crew.PIECE)
        if wanted > 1 and cut < mine.end:
            source.missing.give_back([http_pieces.Piece(cut, mine.end)])
            mine.end = cut
        crew.grow(wanted)

    def _stop_crew(self) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.stop()

    def _drop(self) -> None:
        """Forget a version: the next request is a first one."""
        self._stop_crew()
        self._source = None


def _version(answer: session.Answer, size: int | None
             ) -> service.ImageVersion:
    return http_headers.version(
        answer.headers, size, ranges=answer.status == 206)


def _refusal(answer: session.Answer
             ) -> errors.ImageError | http_errors.TransientError:
    if answer.status in (412, 416):
        return http_errors.ChangedError(answer.name)
    return answer.refusal()


def _is_start(answer: session.Answer,
              found: http_headers.ContentRange) -> bool:
    """Tell whether an answer to the first range is the start of an image."""
    if answer.status == 416:
        return found.size == 0
    return (found.span is not None and found.span[0] == 0
            and found.size is not None
            and found.span[1] >= min(found.size, _LEAST_PART)
            and http_headers.strong_validator(answer.headers) is not None)


def _judge_part(source: _Source, answer: session.Answer,
                piece: http_pieces.Piece) -> None:
    """Make sure that an answer 206 is the part that was asked for.

    A piece up to an unknown end learns its end here.

    :raises: ChangedError, ImageError
    """
    found = http_headers.content_range(answer.headers)
    span = found.span if found else None
    if found is None or span is None or not _fits(span, found.size, piece) or (
            answer.length not in (None, span[1] - span[0])):
        raise errors.ImageError(
            f'the image server sent other bytes of {answer.name} than it '
            'was asked for: its Content-Range is wrong')
    if not http_headers.same(source.version, _version(answer, found.size)):
        raise http_errors.ChangedError(answer.name)
    if piece.end == http_pieces.UNKNOWN and found.size is not None:
        piece.end = found.size
        source.version = dataclasses.replace(source.version, size=found.size)


def _fits(span: service.ByteRange, size: int | None,
          piece: http_pieces.Piece) -> bool:
    if size is None and piece.end == http_pieces.UNKNOWN:
        return False
    least = min(piece.start + _LEAST_PART, piece.end,
                piece.end if size is None else size)
    return span[0] == piece.start and least <= span[1] <= piece.end
