# SPDX-License-Identifier: Apache-2.0

"""A customised image as a sorted list of references into its base.

Segments say of every byte of the customised image where it comes from: the
base image, a literal, or zeros. They cost what was changed, whatever the
base's size.
"""

import itertools
import re
import typing

from ironic_ext import stored

#: A run of zeros shorter than this costs less as part of a literal.
_RUN = bytes(64)
_BLOCK = bytes(4096)
_ZEROS = re.compile(b'\0*')


class BaseRange(typing.NamedTuple):
    """``length`` bytes of the base from ``offset`` on."""

    offset: int
    length: int


class Literal(typing.NamedTuple):
    """Bytes that the base does not have, here or in a file of their own."""

    data: stored.Content

    @property
    def length(self) -> int:
        """Bytes in this segment."""
        return len(self.data)


class Zeros(typing.NamedTuple):
    """``length`` zero bytes (a hole, where it is written to a file)."""

    length: int


Segment = BaseRange | Literal | Zeros


def sparse(literal: Literal) -> list[Segment]:
    """Split a literal where it has runs of zeros worth a segment."""
    data = literal.data
    if isinstance(data, stored.Stored):
        return [literal]
    start = data.find(_RUN)
    if start < 0:
        return [literal]
    out: list[Segment] = []
    done = 0
    while start >= 0:
        end = start + len(_RUN)
        # Much faster than the pattern, which the rest is left to.
        while data.startswith(_BLOCK, end):
            end += len(_BLOCK)
        rest = _ZEROS.match(data, end)
        end = rest.end() if rest else end
        out += (Literal(data[done:start]), Zeros(end - start))
        done = end
        start = data.find(_RUN, end)
    out.append(Literal(data[done:]))
    return out


def joined(segments: typing.Iterable[Segment]) -> tuple[Segment, ...]:
    """Drop empty segments and join neighbours of one kind.

    Ranges of the base are joined when they continue one another. What is
    stored stays by itself.
    """
    out: list[Segment] = []
    for kind, group in itertools.groupby(
            (segment for segment in segments if segment.length), _kind):
        first, *others = group
        if not others:
            out.append(first)
        elif kind is stored.Stored:
            out += (first, *others)
        elif isinstance(first, Literal):
            out.append(Literal(b''.join(
                segment.data for segment in (first, *others)
                if isinstance(segment, Literal)
                and isinstance(segment.data, bytes))))
        elif isinstance(first, Zeros):
            out.append(Zeros(first.length + sum(
                segment.length for segment in others)))
        else:
            for segment in others:
                assert isinstance(segment, BaseRange)
                if first.offset + first.length == segment.offset:
                    first = BaseRange(first.offset,
                                      first.length + segment.length)
                else:
                    out.append(first)
                    first = segment
            out.append(first)
    return tuple(out)


def _kind(segment: Segment) -> type:
    if isinstance(segment, Literal):
        return type(segment.data)
    return type(segment)
