# SPDX-License-Identifier: Apache-2.0

"""The Range header: bytes ranges of RFC 9110, section 14.

A header that is malformed or asks for an unreasonable number of ranges is
refused with 416, as section 15.5.17 allows: who asked for a sector must not
get gigabytes. An unknown unit is ignored, as section 14.2 demands.
"""

import collections.abc
import re

from ironic_ext import spans

#: Ranges of one request. Readers of images ask for one; downloaders that
#: repair a file for a few.
MAX_RANGES = 64

# The form that every machine uses, and the general one.
_ONE = re.compile(rb'bytes=([0-9]{1,18})-([0-9]{1,18})')
_SET = re.compile(rb'(?i:bytes)[ \t]*=(.*)', re.DOTALL)
_SPEC = re.compile(rb'(?:([0-9]+)-([0-9]*)|-([0-9]+))')
_UNIT = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=")
#: A number with more digits is larger than any file, whatever it is.
_DIGITS = 18


class RangeError(ValueError):
    """The ranges cannot be satisfied or are not worth it: status 416."""


def _number(digits: bytes) -> int:
    digits = digits.lstrip(b'0') or b'0'
    return int(digits) if len(digits) <= _DIGITS else 10 ** _DIGITS


def parse(value: bytes, size: int
          ) -> collections.abc.Sequence[tuple[int, int]] | None:
    """Return what a Range header asks for: (first, one past the last).

    Ranges keep the order in which they were asked for, as long as they do
    not overlap; then they are sorted and joined.

    :param value: of the header.
    :param size: bytes of the representation.
    :returns: None when the header is to be ignored.
    :raises: RangeError
    """
    simple = _ONE.fullmatch(value)
    if simple:
        first, last = int(simple[1]), int(simple[2])
        if first > last:
            raise RangeError('a range ends before it begins')
        if first >= size:
            raise RangeError(f'the range begins behind byte {size}')
        return ((first, min(last + 1, size)),)
    match = _SET.fullmatch(value)
    if not match:
        if _UNIT.match(value):
            return None
        raise RangeError('the header is malformed')
    found: list[tuple[int, int]] = []
    specs = 0
    for text in match[1].split(b','):
        text = text.strip(b' \t')
        if not text:                # RFC 9110, section 5.6.1.2
            continue
        specs += 1
        if specs > MAX_RANGES:
            raise RangeError(f'there are more than {MAX_RANGES} ranges')
        spec = _SPEC.fullmatch(text)
        if not spec:
            raise RangeError('the header is malformed')
        if spec[3] is not None:
            first, end = max(0, size - _number(spec[3])), size
        else:
            first = _number(spec[1])
            end = min(_number(spec[2]) + 1, size) if spec[2] else size
            if spec[2] and _number(spec[2]) < first:
                raise RangeError('a range ends before it begins')
        if first < end:
            found.append((first, end))
    if not found:
        raise RangeError(f'no range lies within the {size} bytes'
                         if specs else 'the header is malformed')
    joined = spans.joined(found)
    # In the order asked for, but for those that overlap.
    return (found if spans.total(joined) == spans.total(found)
            else list(joined))
