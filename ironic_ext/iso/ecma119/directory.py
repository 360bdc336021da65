# SPDX-License-Identifier: Apache-2.0

"""Directory records and directory extents (ECMA-119 sections 6.8 and 9.1).

A :class:`Directory` is read once, changed in memory, and turned back into
sectors; a record never straddles two sectors, and one that no longer fits
gets its directory one more sector.
"""

import collections.abc
import functools

from ironic_ext.iso.ecma119 import volume
from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
#: Bytes of one directory that are read at most: half a million records.
MAX_BYTES = 64 << 20
#: Bytes of one of which is remembered what it says.
MAX_KEPT = 4 * SECTOR

DIRECTORY = 2
MULTI_EXTENT = 0x80


class Record:
    """One directory record; ``raw`` holds all its bytes."""

    __slots__ = ('raw',)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @property
    def extent(self) -> int:
        """Address of the content, in sectors of this tree."""
        return int.from_bytes(self.raw[2:6], 'little')

    @property
    def size(self) -> int:
        """Bytes of content in this section."""
        return int.from_bytes(self.raw[10:14], 'little')

    @property
    def flags(self) -> int:
        """The file flags (section 9.1.6)."""
        return self.raw[25]

    @property
    def identifier(self) -> bytes:
        """The file identifier, with its version where it has one."""
        return self.raw[33:33 + self.raw[32]]

    @property
    def area(self) -> bytes:
        """The system use area."""
        return self.raw[33 + self.raw[32] + (self.raw[32] + 1) % 2:]

    def place(self, extent: int, size: int) -> None:
        """Name another extent (sectors of this tree) and size (bytes)."""
        self.raw = (self.raw[:2] + volume.both32(extent)
                    + volume.both32(size) + self.raw[18:])

    def set_mode(self, mode: int) -> None:
        """Set type and permissions in PX, where there is a PX."""
        start = self.raw.find(b'PX', len(self.raw) - len(self.area))
        if start >= 0 and len(self.raw) >= start + 12:
            self.raw = (self.raw[:start + 4] + volume.both32(mode)
                        + self.raw[start + 12:])

    def add_links(self, count: int) -> None:
        """Raise the link count in PX by ``count``, where there is a PX."""
        start = self.raw.find(b'PX', len(self.raw) - len(self.area))
        if start >= 0 and len(self.raw) >= start + 20:
            links = int.from_bytes(self.raw[start + 12:start + 16],
                                   'little')
            self.raw = (self.raw[:start + 12]
                        + volume.both32(links + count)
                        + self.raw[start + 20:])


def new_record(identifier: bytes, extent: int, size: int, *, flags: int,
               date: bytes, area: bytes) -> Record:
    """Return a record of a file or directory (ECMA-119 9.1).

    :param date: the 7 bytes of the recording date.
    :raises: InjectionError when it would be longer than 255 bytes.
    """
    body = b''.join((
        b'\0', volume.both32(extent), volume.both32(size), date,
        # Neither interleaved nor on another volume than the first.
        bytes((flags, 0, 0, 1, 0, 0, 1, len(identifier))), identifier,
        b'' if len(identifier) % 2 else b'\0', area))
    if len(body) % 2 == 0:
        body += b'\0'
    if len(body) >= 255:
        raise errors.InjectionError(
            f'the name {identifier!r} needs a directory record of '
            f'{len(body) + 1} bytes; it may have 255')
    return Record(bytes([len(body) + 1]) + body)


class Directory:
    """The records of one directory, sector by sector.

    :ivar extent: address in sectors of this tree.
    :ivar size: bytes, as its record claims.
    :ivar sectors: the records of each sector.
    :ivar origins: for each sector its number on the medium, None for one
        that is not there.
    :ivar medium: what its extent holds.
    """

    def __init__(self, extent: int, size: int,
                 sectors: list[list[Record]],
                 origins: list[int | None], medium: bytes = b'') -> None:
        """Keep the records, sector by sector."""
        self.extent = extent
        self.size = size
        self.sectors = sectors
        self.origins = origins
        self.medium = medium

    @classmethod
    def read(cls, source: base_source.Source, shift: int, extent: int,
             size: int, what: str) -> 'Directory':
        """Read a directory from its extent.

        :param shift: sectors to add to addresses of this tree.
        :raises: CorruptImageError
        """
        if size > MAX_BYTES:
            raise errors.CorruptImageError(
                f'{source.path}: {what} claims {size} bytes')
        count = -(-size // SECTOR)
        data = source.read((extent + shift) * SECTOR, count * SECTOR, what)
        try:
            found = (_split if len(data) <= MAX_KEPT
                     else _split.__wrapped__)(data)
        except _MalformedError as exc:
            position, = exc.args
            raise errors.CorruptImageError(
                f'{source.path}: the record at byte {position % SECTOR} of '
                f'sector {(position // SECTOR) + extent + shift} in {what} '
                f'is malformed') from None
        if not found or len(found[0]) < 2:
            raise errors.CorruptImageError(
                f'{source.path}: {what} lacks its own records "." and ".."')
        return cls(extent, size, [[*map(Record, raws)] for raws in found],
                   list(range(count)), data)

    @property
    def own(self) -> Record:
        """The record ``.``: the directory's own."""
        return self.sectors[0][0]

    @property
    def parent(self) -> Record:
        """The record ``..``: that of the directory above."""
        return self.sectors[0][1]

    @property
    def sectors_missing(self) -> int:
        """Sectors that its extent on the medium is too short by."""
        return len(self.sectors) - -(-self.size // SECTOR)

    def records(self) -> list[Record]:
        """Return every record after ``.`` and ``..``."""
        return [record for records in self.sectors
                for record in records][2:]

    def insert(self, record: Record, joliet: bool) -> None:
        """Insert a record in its sorted place.

        Only the sector it falls into changes; when that is full it is
        split in two, and the directory has one sector more.
        """
        key = sort_key(record.identifier, joliet)
        last = (0, len(self.sectors[0]))
        for number, records in enumerate(self.sectors):
            for index, other in enumerate(records):
                if number == 0 and index < 2:
                    continue
                if sort_key(other.identifier, joliet) > key:
                    self._insert_at(number, index, record)
                    return
                last = (number, index + 1)
        self._insert_at(*last, record)

    def _insert_at(self, number: int, index: int, record: Record) -> None:
        records = self.sectors[number]
        records.insert(index, record)
        if sum(len(r.raw) for r in records) > SECTOR:
            # "." and ".." stay at the start of the first sector.
            half = 0
            taken = 0
            while taken < SECTOR // 2 or (number == 0 and half < 2):
                taken += len(records[half].raw)
                half += 1
            self.sectors[number:number + 1] = [records[:half],
                                               records[half:]]
            self.origins.insert(number + 1, None)

    def sector_bytes(self, number: int) -> bytes:
        """Return one sector as it is to be on the medium."""
        return b''.join([record.raw for record in self.sectors[number]]
                        ).ljust(SECTOR, b'\0')

    def patches(self) -> collections.abc.Iterator[tuple[int, bytes]]:
        """Yield (byte offset in the directory, bytes) where it changed.

        For a directory whose sectors are all on the medium.
        """
        for number, records in enumerate(self.sectors):
            base = number * SECTOR
            old = self.medium[base:base + SECTOR]
            start = same = 0
            for record in records:
                if not old.startswith(record.raw, start):
                    break
                start += len(record.raw)
                same += 1
            new = b''.join([record.raw for record in records[same:]])
            room = SECTOR - start - len(new)
            if not old.endswith(bytes(room)):
                new += bytes(room)
            if new:
                yield base + start, new

    def unchanged(self, number: int) -> int | None:
        """Return which sector on the medium holds just this one's bytes."""
        origin = self.origins[number]
        if origin is not None and self.medium.startswith(
                self.sector_bytes(number), origin * SECTOR):
            return origin
        return None


def records_of(medium: bytes) -> list[Record]:
    """Return every record after ``.`` and ``..``, as they are on a medium.

    :param medium: what the directory's extent holds, which was read before.
    """
    return [Record(raw) for raws in _split(medium) for raw in raws][2:]


class _MalformedError(Exception):
    """The record at a byte of a directory is none."""


# A base is customised for many nodes, and has small directories.
@functools.lru_cache(maxsize=64)
def _split(data: bytes) -> tuple[tuple[bytes, ...], ...]:
    """Return the bytes of each record, sector by sector.

    :raises: _MalformedError
    """
    sectors = []
    for base in range(0, len(data), SECTOR):
        records = []
        position, end = base, base + SECTOR
        while position < end and (length := data[position]):
            if (length < 34 or position + length > end
                    or 33 + data[position + 32] > length):
                raise _MalformedError(position)
            records.append(data[position:position + length])
            position += length
        sectors.append(tuple(records))
    return tuple(sectors)


def sort_key(identifier: bytes, joliet: bool) -> tuple[bytes, bytes]:
    """Order identifiers as section 9.3 asks: by name, then extension.

    Joliet's are ordered as the bytes of their UCS-2 text.
    """
    if joliet:
        return identifier.partition(b'\0;')[0], b''
    name, _, extension = identifier.partition(b';')[0].partition(b'.')
    return name.ljust(222, b' '), extension.ljust(222, b' ')
