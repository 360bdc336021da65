# SPDX-License-Identifier: Apache-2.0

"""A FAT volume with more clusters, as pieces of the present one.

The tables get longer and the data region moves behind them, by reference.
The FAT type stays: boot loaders have to take the volume as before.
"""

import bisect
from collections.abc import Iterable
from collections.abc import Sequence
import struct

from ironic_ext.iso import errors
from ironic_ext.iso.fat import layout
from ironic_ext.iso.fat import read as fat_read

Piece = layout.Piece

_MAX_CLUSTERS = {12: 4084, 16: 65524, 32: 0x0ffffff5}
_UNIT = 2048    # bytes of a CD sector


class Enlarged:
    """The bigger volume, without changes to its files.

    :param extra: how many clusters to add.
    :raises NoSpaceError: when the FAT type cannot address them.
    """

    def __init__(self, read: fat_read.Reader, size: int,
                 extra: int) -> None:
        self._base = read
        self._old = fat_read.FatReader(read, size).geometry
        old = self._old
        if old.total > size:
            raise errors.CorruptImageError(
                'the FAT volume is cut off: it claims %d bytes and has %d'
                % (old.total, size))
        self.geometry = _extend(old, extra)
        self._pieces = list(_layout(old, self.geometry, read))
        length = sum(map(_length, self._pieces))
        padding = -length % _UNIT
        if padding:
            self._pieces.append(bytes(padding))
        self._starts: list[int] = []
        #: Bytes of the bigger volume, a multiple of 2048.
        self.size = 0
        for piece in self._pieces:
            self._starts.append(self.size)
            self.size += _length(piece)

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes of the bigger volume."""
        return b''.join(
            piece if isinstance(piece, bytes) else self._base(*piece)
            for piece in self._slice(offset, offset + length))

    def pieces(self, patches: Sequence[tuple[int, bytes]]) -> list[Piece]:
        """Return the volume with sorted patches put in."""
        result: list[Piece] = []
        position = 0
        for offset, data in patches:
            result += self._slice(position, offset)
            result.append(data)
            position = offset + len(data)
        result += self._slice(position, self.size)
        return _join(result)

    def _slice(self, start: int, end: int) -> Iterable[Piece]:
        index = bisect.bisect_right(self._starts, start) - 1
        while start < end and index < len(self._pieces):
            piece, first = self._pieces[index], self._starts[index]
            length = min(end, first + _length(piece)) - start
            if isinstance(piece, bytes):
                yield piece[start - first:start - first + length]
            else:
                yield piece[0] + start - first, length
            start += length
            index += 1


def _extend(old: layout.Geometry, extra: int) -> layout.Geometry:
    clusters = old.clusters + extra
    table = -(-(clusters + 2) * old.bits // 8)
    table = max(old.fat, -(-table // old.sector) * old.sector)
    new = old._replace(clusters=clusters, fat=table)
    new = new._replace(total=new.offset(clusters + 2))
    if clusters > _MAX_CLUSTERS[old.bits] or new.total // new.sector >> 32:
        raise errors.NoSpaceError(
            'the FAT%d volume cannot grow by %d bytes: it can address %d '
            'clusters of %d bytes at most' % (
                old.bits, extra * old.cluster, _MAX_CLUSTERS[old.bits],
                old.cluster), extra * old.cluster, 0)
    return new


def _layout(old: layout.Geometry, new: layout.Geometry,
            read: fat_read.Reader) -> Iterable[Piece]:
    added = new.clusters - old.clusters
    # Only the boot sectors and FSInfo change in the reserved region.
    literals = {0: layout.resized_boot_sector(read(0, 512), new)}
    if layout.parse_geometry(literals[0]) != new:
        raise errors.CorruptImageError(
            'the FAT volume cannot grow: its size and its tables disagree')
    if old.backup:
        literals[old.backup] = layout.resized_boot_sector(
            read(old.backup, 512), new)
    if old.info and old.info not in literals:
        info = bytearray(read(old.info, 512))
        free, = struct.unpack_from('<I', info, 488)
        if free <= old.clusters:
            struct.pack_into('<I', info, 488, free + added)
            literals[old.info] = bytes(info)
    position = 0
    for offset, data in sorted(literals.items()):
        yield position, offset - position
        yield data
        position = offset + len(data)
    yield position, old.reserved - position
    for copy in range(old.fats):
        start = old.reserved + copy * old.fat
        # What the old table holds past its last cluster is undefined.
        used, half = divmod((old.clusters + 2) * old.bits, 8)
        tail = read(start + used, old.fat - used)
        clean = bytes((tail[0] & 0xf,)) if half else b''
        clean = clean.ljust(len(tail), b'\0')
        yield start, used
        yield (start + used, len(tail)) if tail == clean else clean
        yield bytes(new.fat - old.fat)
    yield old.root, old.data - old.root
    yield old.data, old.clusters * old.cluster
    yield bytes(added * old.cluster)


def _join(pieces: Iterable[Piece]) -> list[Piece]:
    """Drop empty pieces and join neighbours."""
    result: list[Piece] = []
    literal: list[bytes] = []
    for piece in pieces:
        if not _length(piece):
            continue
        if isinstance(piece, bytes):
            literal.append(piece)
            continue
        if literal:
            result.append(b''.join(literal))
            literal = []
        last = result[-1] if result else b''
        if isinstance(last, tuple) and sum(last) == piece[0]:
            result[-1] = last[0], last[1] + piece[1]
        else:
            result.append(piece)
    if literal:
        result.append(b''.join(literal))
    return result


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1]
