# SPDX-License-Identifier: Apache-2.0

"""Preconditions of a GET or HEAD request (RFC 9110, section 13)."""

import calendar
import collections.abc
import email.utils
import re

_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def _epoch(value: bytes) -> int | None:
    """Return the seconds of an HTTP-date, None when it is not one."""
    parsed = email.utils.parsedate(value.decode('latin-1'))
    if parsed is None:
        return None
    try:
        return calendar.timegm(parsed)
    except (ValueError, OverflowError):
        return None


def _names(value: bytes, etag: bytes, weak: bool) -> bool:
    """Tell whether a list of entity tags names this one.

    :param weak: compare weakly (section 8.8.3.2); ours is always strong.
    """
    if value.strip() == b'*':
        return True
    return any(match[2] == etag and (weak or not match[1])
               for match in _TAG.finditer(value))


def status(headers: collections.abc.Mapping[bytes, bytes], etag: bytes,
           last_modified: int) -> int:
    """Evaluate the preconditions in the order of section 13.2.2.

    :param headers: by lower-case name.
    :param etag: the strong entity tag, quoted.
    :param last_modified: seconds since the epoch.
    :returns: 200 (go on), 304 or 412.
    """
    value = headers.get(b'if-match')
    if value is not None:
        if not _names(value, etag, weak=False):
            return 412
    else:
        value = headers.get(b'if-unmodified-since')
        if value is not None:
            date = _epoch(value)
            if date is not None and last_modified > date:
                return 412
    value = headers.get(b'if-none-match')
    if value is not None:
        if _names(value, etag, weak=True):
            return 304
    else:
        value = headers.get(b'if-modified-since')
        if value is not None:
            date = _epoch(value)
            if date is not None and last_modified <= date:
                return 304
    return 200


def if_range(value: bytes, etag: bytes, last_modified: int) -> bool:
    """Tell whether the Range header counts (section 13.1.5)."""
    value = value.strip()
    if value.startswith((b'"', b'W/')):
        return value == etag
    return _epoch(value) == last_modified
