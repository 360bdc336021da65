# SPDX-License-Identifier: Apache-2.0

"""Partition tables of hybrid images: MBR and GPT.

UEFI 2.10 chapter 5. Apple partition maps are recognised by nothing here and
left as they are: they name the boot images, which do not move.

Planning only: :func:`grown` returns the bytes to change when an image gets
longer.
"""

import binascii
import dataclasses
import hashlib
import struct
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source

#: Bytes in a block of a partition table on these images.
BLOCK = 512
EFI_SYSTEM = bytes.fromhex('28732ac11ff8d211ba4b00a0c93ec93b')
_MBR_PROTECTIVE = 0xEE
_MBR_EFI = 0xEF
_MBR_FAT = 0x0E
_BASIC_DATA = bytes.fromhex('a2a0d0ebe5b9334487c068b6b72699c7')
_MAX_ENTRIES = 1024
#: Blocks that a partition can reach to: what is beyond is nonsense, and
#: moving it would leave the 64 bits of an address.
_MAX_BLOCKS = 1 << 63


@dataclasses.dataclass(frozen=True)
class Partition:
    """One entry of a partition table.

    :ivar table: ``mbr`` or ``gpt``.
    :ivar number: from 1.
    :ivar start: byte offset in the image.
    :ivar length: bytes.
    :ivar kind: the MBR type as ``0xef``, or the GPT type GUID.
    :ivar esp: whether it is an EFI system partition.
    """

    table: str
    number: int
    start: int
    length: int
    kind: str
    esp: bool

    @property
    def end(self) -> int:
        """First byte behind the partition."""
        return self.start + self.length


class Gpt(typing.NamedTuple):
    """A valid primary GPT.

    :ivar header: its bytes, as long as it says.
    :ivar entries: its partition entry array.
    """

    header: bytes
    entries: bytes

    @property
    def entries_block(self) -> int:
        """Block of the primary entry array."""
        return int.from_bytes(self.header[72:80], 'little')

    @property
    def entry_bytes(self) -> int:
        """Bytes of one entry."""
        return int.from_bytes(self.header[84:88], 'little')

    @property
    def backup_block(self) -> int:
        """Block of the backup header."""
        return int.from_bytes(self.header[32:40], 'little')


class Tables(typing.NamedTuple):
    """The partition tables of an image.

    :ivar mbr: the first 512 bytes when they hold a partition table.
    """

    mbr: bytes | None
    gpt: Gpt | None
    partitions: tuple[Partition, ...]


def read(source: base_source.Source) -> Tables:
    """Read the tables; an image may well have none.

    A GPT whose checksums do not hold is taken as absent, as firmware does.

    :raises: CorruptImageError when the image is shorter than a block.
    """
    mbr = source.read(0, BLOCK, 'the MBR')
    if mbr[510:512] != b'\x55\xaa':
        return Tables(None, None, ())
    partitions = []
    protective = False
    for number in range(4):
        entry = mbr[446 + 16 * number:462 + 16 * number]
        start, blocks = struct.unpack_from('<II', entry, 8)
        if entry[0] not in (0, 0x80):
            # Boot code, not a table.
            return Tables(None, None, ())
        if not entry[4] and not blocks:
            continue
        protective = protective or entry[4] == _MBR_PROTECTIVE
        partitions.append(Partition(
            'mbr', number + 1, start * BLOCK, blocks * BLOCK,
            f'{entry[4]:#04x}', entry[4] == _MBR_EFI))
    gpt = _read_gpt(source)
    if gpt is not None:
        partitions.extend(_gpt_partitions(gpt))
    return Tables(mbr if partitions else None, gpt, tuple(partitions))


def _read_gpt(source: base_source.Source) -> Gpt | None:
    if source.size < 3 * BLOCK:
        return None
    block = source.read(BLOCK, BLOCK, 'the GPT header')
    length = int.from_bytes(block[12:16], 'little')
    if block[:8] != b'EFI PART' or not 92 <= length <= BLOCK:
        return None
    header = block[:length]
    if _crc(header[:16] + bytes(4) + header[20:]) != int.from_bytes(
            header[16:20], 'little'):
        return None
    first = int.from_bytes(header[72:80], 'little')
    count, size = struct.unpack_from('<II', header, 80)
    if (count > _MAX_ENTRIES or not 128 <= size <= 4096
            or (first * BLOCK + count * size) > source.size):
        return None
    entries = source.read(first * BLOCK, count * size, 'the GPT entries')
    if _crc(entries) != int.from_bytes(header[88:92], 'little'):
        return None
    return Gpt(header, entries)


def _gpt_partitions(gpt: Gpt) -> list[Partition]:
    found = []
    size = gpt.entry_bytes
    for number in range(len(gpt.entries) // size):
        at = number * size
        kind = gpt.entries[at:at + 16]
        if kind == bytes(16):
            # As a rule a few entries are in use, and zeros follow.
            if gpt.entries.endswith(bytes(len(gpt.entries) - at)):
                break
            continue
        first, last = struct.unpack_from('<QQ', gpt.entries, at + 32)
        if not first <= last < _MAX_BLOCKS:
            continue
        found.append(Partition(
            'gpt', number + 1, first * BLOCK, (last - first + 1) * BLOCK,
            _guid(kind), kind == EFI_SYSTEM))
    return found


def free(tables: Tables) -> list[tuple[str, int]]:
    """Return table and number of the next partition, in each table.

    A protective MBR is none of its own; a GPT beside another one counts for
    some systems, and for others not.
    """
    counts = {}
    if tables.gpt is not None:
        counts['gpt'] = len(tables.gpt.entries) // tables.gpt.entry_bytes
    if tables.mbr is not None and not (tables.gpt is not None and any(
            one.table == 'mbr' and int(one.kind, 16) == _MBR_PROTECTIVE
            for one in tables.partitions)):
        counts['mbr'] = 4
    following = ((table, max(_numbers(tables, table), default=0) + 1, count)
                 for table, count in counts.items())
    return [(table, number) for table, number, count in following
            if number <= count]


def _guid(raw: bytes) -> str:
    one, two, three = struct.unpack('<IHH', raw[:8])
    tail = raw[8:].hex()
    return f'{one:08x}-{two:04x}-{three:04x}-{tail[:4]}-{tail[4:]}'


def _crc(data: bytes) -> int:
    return binascii.crc32(data) & 0xFFFFFFFF


def backup_bytes(tables: Tables) -> int:
    """Return the bytes that a backup GPT takes at the image's end."""
    if tables.gpt is None:
        return 0
    return -(-len(tables.gpt.entries) // BLOCK) * BLOCK + BLOCK


def grown(tables: Tables, size: int,
          changes: dict[tuple[str, int], tuple[int, int]]
          ) -> tuple[list[tuple[int, bytes]], bytes]:
    """Plan the tables of an image that got longer.

    :param size: bytes of the new image, the backup GPT included.
    :param changes: (table, number) -> (start, length) in bytes of the
        partitions that change, or are new: see free().
    :returns: the patches as (byte offset, bytes), and the backup GPT that
        ends the image (empty without a GPT).
    :raises: InjectionError when the MBR cannot say the new size.
    """
    patches: list[tuple[int, bytes]] = []
    if tables.mbr is not None:
        mbr = bytearray(tables.mbr)
        for partition in tables.partitions:
            if partition.table != 'mbr':
                continue
            start, length = changes.get(
                ('mbr', partition.number),
                (partition.start, partition.length))
            if int(partition.kind, 16) == _MBR_PROTECTIVE and start < size:
                length = size - start
            blocks = -(-length // BLOCK)
            if max(start // BLOCK, blocks) > 0xFFFFFFFF:
                raise errors.InjectionError(
                    'the image would become longer than an MBR can say '
                    '(2 TiB)')
            position = 446 + 16 * (partition.number - 1)
            if (start, length) == (partition.start, partition.length):
                continue
            struct.pack_into('<II', mbr, position + 8, start // BLOCK,
                             blocks)
            if partition.start == start:
                # The CHS address of its start stays; the end's is only
                # meaningful for old BIOSes and wraps anyway.
                mbr[position + 5:position + 8] = b'\xfe\xff\xff'
            else:
                mbr[position + 1:position + 4] = b'\xfe\xff\xff'
                mbr[position + 5:position + 8] = b'\xfe\xff\xff'
        for (table, number), (start, length) in changes.items():
            if table == 'mbr' and number not in _numbers(tables, table):
                struct.pack_into('<4sB3sII', mbr, 446 + 16 * (number - 1),
                                 b'\0\xfe\xff\xff', _MBR_FAT,
                                 b'\xfe\xff\xff', start // BLOCK,
                                 length // BLOCK)
        if bytes(mbr) != tables.mbr:
            patches.append((0, bytes(mbr)))
    gpt = tables.gpt
    if gpt is None:
        return patches, b''
    room = bytearray(gpt.entries)
    array = gpt.entries_block * BLOCK
    for (table, number), (start, length) in changes.items():
        if table == 'gpt':
            place = struct.pack('<QQ', start // BLOCK,
                                (start + length) // BLOCK - 1)
            at = (number - 1) * gpt.entry_bytes + 32
            if number not in _numbers(tables, table):
                # Its name is not needed, its GUID has to be its own.
                at -= 32
                place = (_BASIC_DATA + hashlib.sha256(
                    gpt.header + place).digest()[:16] + place)
            room[at:at + len(place)] = place
            patches.append((array + at, place))
    entries = bytes(room)
    checksum = _crc(entries)
    last = size // BLOCK - 1
    array_blocks = -(-len(entries) // BLOCK)
    usable = last - array_blocks - 1
    primary = _header(gpt.header, checksum, 1, last, usable,
                      gpt.entries_block)
    backup = _header(gpt.header, checksum, last, 1, usable,
                     last - array_blocks)
    patches.append((BLOCK, primary))
    return patches, (entries.ljust(array_blocks * BLOCK, b'\0')
                     + backup.ljust(BLOCK, b'\0'))


def _numbers(tables: Tables, table: str) -> set[int]:
    return {one.number for one in tables.partitions if one.table == table}


def _header(model: bytes, checksum: int, own: int, other: int,
            usable: int, array: int) -> bytes:
    header = bytearray(model)
    struct.pack_into('<QQ', header, 24, own, other)
    struct.pack_into('<Q', header, 48, usable)
    struct.pack_into('<Q', header, 72, array)
    struct.pack_into('<I', header, 88, checksum)
    struct.pack_into('<I', header, 16, 0)
    struct.pack_into('<I', header, 16, _crc(bytes(header)))
    return bytes(header)
