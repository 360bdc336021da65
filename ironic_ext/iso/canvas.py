# SPDX-License-Identifier: Apache-2.0

"""Where changes to a base image are collected before they become segments.

Bytes of the base are patched in place; new content is placed in whole
sectors that are inserted at one point of the image: its end, or before a
tail (appended partitions) that then moves back as it is.
"""

import collections.abc

from ironic_ext.iso import errors
from ironic_ext.iso import segments as segs
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
#: Bytes that FICLONERANGE shares on XFS and btrfs where they have their
#: defaults; a multiple of a sector.
_BLOCK = 4096
#: Changed bytes nearer than this share one literal: a segment of its own
#: costs about as much in an overlay's head.
_GAP = bytes(33)
_WHAT = 'a structure to change'


class Canvas:
    """Collects patches and added sectors.

    :ivar cut: absolute sector before which new sectors are inserted.
    :ivar added: sectors reserved so far.
    """

    def __init__(self, source: base_source.Source, cut: int) -> None:
        self.source = source
        self.cut = cut
        self.added = 0
        #: By sector: (first byte in it, bytes), in the order of patching.
        self._patched: dict[int, list[tuple[int, bytes]]] = {}
        self._filled: dict[int, tuple[segs.Segment, ...]] = {}

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Return bytes of the base as they are with the patches so far.

        :raises: CorruptImageError
        """
        data = bytearray(self.source.read(offset, length, what))
        for sector in range(offset // SECTOR,
                            (offset + length - 1) // SECTOR + 1):
            for skip, part in self._patched.get(sector, ()):
                start = sector * SECTOR + skip - offset
                part = part[max(0, -start):length - start]
                start = max(0, start)
                data[start:start + len(part)] = part
        return bytes(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Change bytes of the base.

        :raises: CorruptImageError when they lie outside the base.
        """
        if not 0 <= offset <= self.source.size - len(data):
            raise errors.CorruptImageError(
                f'{self.source.path}: a structure to change lies at bytes '
                f'{offset} to {offset + len(data)}, outside the image of '
                f'{self.source.size} bytes: the image is truncated or '
                f'damaged')
        position = 0
        while position < len(data):
            sector, skip = divmod(offset + position, SECTOR)
            part = data[position:position + SECTOR - skip]
            self._patched.setdefault(sector, []).append((skip, part))
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
        if (pieces and isinstance(pieces[0], segs.BaseRange)
                and pieces[0].length >= _BLOCK):
            self.align(pieces[0].offset)
        length = sum(piece.length for piece in pieces)
        sectors = -(-length // SECTOR)
        pieces.append(segs.Zeros(sectors * SECTOR - length))
        sector = self.reserve(sectors)
        self.fill(sector, pieces)
        return sector

    def align(self, offset: int) -> None:
        """Let what comes next lie as a byte of the base does in its block.

        File systems share whole blocks, so only then can a written image
        share what is moved with its base.
        """
        gap = (offset - (self.cut + self.added) * SECTOR) % _BLOCK
        if gap % SECTOR == 0 and gap:
            self.fill(self.reserve(gap // SECTOR), [segs.Zeros(gap)])

    def moved(self, offset: int) -> int:
        """Return where a byte of the base lies in the new image."""
        if offset >= self.cut * SECTOR:
            return offset + self.added * SECTOR
        return offset

    @property
    def size(self) -> int:
        """Bytes of the new image so far: a multiple of sectors."""
        end = max(self.cut, -(-self.source.size // SECTOR))
        return (end + self.added) * SECTOR

    def segments(self) -> list[segs.Segment]:
        """Return the segments of the new image, sector-aligned.

        :raises: CorruptImageError
        """
        cut = min(self.cut * SECTOR, self.source.size)
        out = self._span(0, cut)
        out.append(segs.Zeros(self.cut * SECTOR - cut))
        for sector in sorted(self._filled):
            out.extend(self._filled[sector])
        if cut < self.source.size:
            out.extend(self._span(cut, self.source.size))
            out.append(segs.Zeros(-self.source.size % SECTOR))
        return out

    def _span(self, start: int, end: int) -> list[segs.Segment]:
        """Return the base's bytes from start to end, with its patches."""
        out: list[segs.Segment] = []
        within = [sector for sector in self._patched
                  if start <= sector * SECTOR < end]
        for sector in sorted(within):
            parts = self._patched[sector]
            if len(parts) == 1:
                low, new = parts[0]
                origin = sector * SECTOR + low
                old = self.source.read(origin, len(new), _WHAT)
            else:
                low = min(skip for skip, _ in parts)
                high = max(skip + len(part) for skip, part in parts)
                origin = sector * SECTOR + low
                old = self.source.read(origin, high - low, _WHAT)
                patched = bytearray(old)
                for skip, part in parts:
                    patched[skip - low:skip - low + len(part)] = part
                new = bytes(patched)
            for first, last in _differences(old, new):
                if origin + first > start:
                    out.append(segs.BaseRange(start, origin + first - start))
                out.append(segs.Literal(new[first:last]))
                start = origin + last
        out.append(segs.BaseRange(start, end - start))
        return out


def _differences(old: bytes, new: bytes) -> list[tuple[int, int]]:
    """Return the (start, end) ranges in which two strings differ."""
    changed = int.from_bytes(old, 'big') ^ int.from_bytes(new, 'big')
    if not changed:
        return []
    length = len(old)
    first = length - (changed.bit_length() + 7) // 8
    behind = ((changed & -changed).bit_length() - 1) // 8
    end = length - behind
    if end - first <= len(_GAP):
        return [(first, end)]
    found = []
    runs = (changed >> 8 * behind).to_bytes(end - first, 'big').split(_GAP)
    end = first
    for run in runs:
        end += len(run)
        if run:
            # Of a gap longer than _GAP the rest is at the run's start.
            found.append((end - len(run.lstrip(b'\0')), end))
        end += len(_GAP)
    return found
