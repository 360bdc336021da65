# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Where changes to a base image are collected before they become segments.

Bytes of the base are patched in place; new content is placed in whole
sectors that are inserted at one point of the image: its end, or before a
tail (appended partitions) that then moves back as it is.
"""

import collections.abc
import dataclasses
import re

from ironic_ext.iso import errors
from ironic_ext.iso import segments as segs
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
#: Changed bytes nearer than this share one literal: a segment of its own
#: costs about as much in an overlay's head.
_GAP = 32
_CHANGED = re.compile(rb'[^\0](?:\0{0,%d}[^\0])*' % _GAP)


@dataclasses.dataclass(slots=True)
class _Patched:
    """A changed sector: what it is in the base and what it is to be.

    Only bytes from ``low`` to ``high`` can differ.
    """

    old: bytes
    new: bytearray
    low: int
    high: int = 0


class Canvas:
    """Collects patches and added sectors.

    :ivar cut: absolute sector before which new sectors are inserted.
    :ivar added: sectors reserved so far.
    """

    def __init__(self, source: base_source.Source, cut: int) -> None:
        self.source = source
        self.cut = cut
        self.added = 0
        self._patched: dict[int, _Patched] = {}
        self._filled: dict[int, tuple[segs.Segment, ...]] = {}

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Return bytes of the base as they are with the patches so far.

        :raises: CorruptImageError
        """
        data = bytearray(self.source.read(offset, length, what))
        first, last = offset // SECTOR, (offset + length - 1) // SECTOR
        if self._patched:
            for sector in range(first, last + 1):
                if sector not in self._patched:
                    continue
                patch = self._patched[sector].new
                start = max(offset, sector * SECTOR)
                end = min(offset + length, sector * SECTOR + len(patch))
                data[start - offset:end - offset] = patch[
                    start - sector * SECTOR:end - sector * SECTOR]
        return bytes(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Change bytes of the base.

        :raises: CorruptImageError when they lie outside the base.
        """
        position = 0
        while position < len(data):
            sector, skip = divmod(offset + position, SECTOR)
            room = self._patched.get(sector)
            if room is None:
                length = min(SECTOR, self.source.size - sector * SECTOR)
                old = self.source.read(
                    sector * SECTOR, max(length, skip + 1),
                    'a structure to change')
                room = _Patched(old, bytearray(old), len(old))
                self._patched[sector] = room
            part = data[position:position + len(room.new) - skip]
            if not part:
                raise errors.CorruptImageError(
                    f'{self.source.path}: a structure to change leaves the '
                    f'image at byte {offset + position}')
            room.new[skip:skip + len(part)] = part
            room.low = min(room.low, skip)
            room.high = max(room.high, skip + len(part))
            position += len(part)

    def reserve(self, sectors: int) -> int:
        """Reserve new sectors; returns the absolute sector of the first."""
        first = self.cut + self.added
        self.added += sectors
        return first

    def fill(self, sector: int,
             content: collections.abc.Iterable[segs.Segment]) -> None:
        """Give reserved sectors their content, whole sectors of it."""
        self._filled[sector] = tuple(content)

    def place(self, content: collections.abc.Iterable[segs.Segment]) -> int:
        """Reserve and fill in one step, padding to a whole sector."""
        pieces = list(content)
        length = sum(piece.length for piece in pieces)
        sectors = -(-length // SECTOR)
        pieces.append(segs.Zeros(sectors * SECTOR - length))
        sector = self.reserve(sectors)
        self.fill(sector, pieces)
        return sector

    def moved(self, offset: int) -> int:
        """Return where a byte of the base lies in the new image."""
        if offset >= self.cut * SECTOR:
            return offset + self.added * SECTOR
        return offset

    def segments(self) -> list[segs.Segment]:
        """Return the segments of the new image, sector-aligned."""
        cut = min(self.cut * SECTOR, self.source.size)
        out = self._span(0, cut)
        out.append(segs.Zeros(self.cut * SECTOR - cut))
        for sector in sorted(self._filled):
            out.extend(self._filled[sector])
        out.extend(self._span(cut, self.source.size))
        out.append(segs.Zeros(-self.source.size % SECTOR
                              if cut < self.source.size else 0))
        return out

    def _span(self, start: int, end: int) -> list[segs.Segment]:
        """Return the base's bytes from start to end, with its patches."""
        out: list[segs.Segment] = []
        for sector in sorted(self._patched):
            if not start <= sector * SECTOR < end:
                continue
            room = self._patched[sector]
            origin = sector * SECTOR + room.low
            for low, high in _differences(room.old[room.low:room.high],
                                          room.new[room.low:room.high]):
                out.append(segs.BaseRange(start, origin + low - start))
                out.append(segs.Literal(bytes(
                    room.new[room.low + low:room.low + high])))
                start = origin + high
        out.append(segs.BaseRange(start, end - start))
        return out


def _differences(old: bytes, new: bytes | bytearray
                 ) -> list[tuple[int, int]]:
    """Return the (start, end) ranges in which two strings differ."""
    changed = (int.from_bytes(old, 'big') ^ int.from_bytes(new, 'big')
               ).to_bytes(len(old), 'big').rstrip(b'\0')
    # Few bytes of a sector change: do not let the expression scan the rest.
    start = len(changed) - len(changed.lstrip(b'\0'))
    return [run.span() for run in _CHANGED.finditer(changed, start)]
