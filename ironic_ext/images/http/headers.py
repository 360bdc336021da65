# SPDX-License-Identifier: Apache-2.0

"""What an HTTP answer says of an image, as pure functions of its headers.

RFC 9110: validators (8.8), ranges (14), Retry-After (10.2.3). Nothing here
talks to a server.
"""

import collections.abc
import dataclasses
import datetime
import email.utils
import re

from ironic_ext.images import service

Headers = collections.abc.Mapping[str, str]

#: Statuses of servers (and what filters their requests) that may mean: no
#: Range. It is tried without, once.
NO_RANGES = (400, 501)

_CONTENT_RANGE = re.compile(
    r'bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)', re.IGNORECASE)
_DIGITS = re.compile(r'\d{1,18}')
# A Last-Modified that is this much older than the Date next to it stands for
# every byte: the clock has moved on since (RFC 9110, section 8.8.2.2, asks
# for one second; RFC 7232 asked for sixty, which file systems with coarse
# times and clocks that differ make the better choice).
_SETTLED = datetime.timedelta(seconds=60)


@dataclasses.dataclass(frozen=True)
class ContentRange:
    """What a Content-Range header says.

    :param span: the bytes that follow; None in an answer 416.
    :param size: bytes of the whole image, None when the server keeps quiet.
    """

    span: service.ByteRange | None
    size: int | None


def content_range(headers: Headers) -> ContentRange | None:
    """Read Content-Range; None when there is none or it makes no sense."""
    match = _CONTENT_RANGE.fullmatch(headers.get('Content-Range', '').strip())
    if match is None:
        return None
    first, last, size = match.groups()
    total = None if size == '*' else int(size)
    if first is None:
        return ContentRange(None, total)
    span = int(first), int(last) + 1
    if span[0] >= span[1] or (total is not None and span[1] > total):
        return None
    return ContentRange(span, total)


def content_length(headers: Headers) -> int | None:
    """Return the bytes of the body, None when that is left open."""
    text = headers.get('Content-Length', '').strip()
    if ('Transfer-Encoding' in headers
            or _DIGITS.fullmatch(text) is None):
        return None
    return int(text)


def version(headers: Headers, size: int | None, *, ranges: bool
            ) -> service.ImageVersion:
    """Return the version of the image that an answer belongs to."""
    modified = headers.get('Last-Modified', '').strip()
    control = headers.get('Cache-Control', '').lower()
    return service.ImageVersion(
        size=size, etag=headers.get('ETag', '').strip(),
        last_modified=modified, updated_at=_time(modified), ranges=ranges,
        no_cache='no-store' in control or 'no-cache' in control)


def strong_validator(headers: Headers) -> str | None:
    """Return what to send as If-Range, None when nothing is good for it.

    That is a strong entity tag, or a date that has settled.
    """
    etag = headers.get('ETag', '').strip()
    if etag:
        return None if etag.startswith('W/') else etag
    modified = headers.get('Last-Modified', '').strip()
    changed, sent = _time(modified), _time(headers.get('Date', ''))
    if changed is None or sent is None or sent - changed < _SETTLED:
        return None
    return modified


def condition(known: service.ImageVersion | None) -> dict[str, str]:
    """Return the headers that ask for the image unless it is ``known``."""
    if known is None:
        return {}
    if known.etag:
        return {'If-None-Match': known.etag}
    if known.last_modified:
        return {'If-Modified-Since': known.last_modified}
    return {}


def same(one: service.ImageVersion, other: service.ImageVersion) -> bool:
    """Tell whether two answers are about one and the same image.

    A size or a date that only one of them has is no difference.
    """
    if one.size != other.size and None not in (one.size, other.size):
        return False
    if one.etag or other.etag:
        return one.etag == other.etag
    return (not one.last_modified or not other.last_modified
            or one.last_modified == other.last_modified)


def retry_after(headers: Headers) -> float:
    """Return the seconds that the server wants to be left alone, or 0."""
    text = headers.get('Retry-After', '').strip()
    if _DIGITS.fullmatch(text):
        return float(text)
    when = _time(text)
    if when is None:
        return 0
    now = _time(headers.get('Date', '')) or datetime.datetime.now(
        datetime.UTC).replace(tzinfo=None)
    return max(0, (when - now).total_seconds())


def _time(text: str) -> datetime.datetime | None:
    """Read an HTTP date as naive UTC."""
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if found.tzinfo is not None:
        found = found.astimezone(datetime.UTC).replace(tzinfo=None)
    return found
