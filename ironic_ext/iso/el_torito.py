# SPDX-License-Identifier: Apache-2.0

"""The El Torito boot catalog (El Torito 1.0, section 2).

Reads the entries and says which bytes to change when a boot image moves.
Selection criteria extensions are passed over.
"""

import dataclasses
import struct

from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
#: Boot media unit of the sector count (section 2.4).
BLOCK = 512
BIOS, UEFI = 0x00, 0xEF
_PLATFORMS = {BIOS: 'bios', 0x01: 'powerpc', 0x02: 'mac', UEFI: 'uefi'}
_EMULATION = {0: 'none', 1: 'floppy 1.2M', 2: 'floppy 1.44M',
              3: 'floppy 2.88M', 4: 'hard disk'}


@dataclasses.dataclass(frozen=True)
class BootEntry:
    """One boot image of the catalog.

    :ivar offset: byte offset of the entry itself in the image.
    :ivar platform: ``bios``, ``uefi``, ``powerpc``, ``mac`` or a number.
    :ivar sector: absolute sector of the boot image.
    :ivar blocks: 512-byte blocks to load; for UEFI the size of the image,
        where 0 and 1 mean "to the end" to most firmware.
    """

    offset: int
    platform: str
    bootable: bool
    emulation: str
    sector: int
    blocks: int


def read(source: base_source.Source, catalog: int) -> tuple[BootEntry, ...]:
    """Read the catalog at an absolute sector.

    :raises: CorruptImageError
    """
    data = source.read(catalog * SECTOR, SECTOR, 'the boot catalog')
    if data[0] != 1 or data[30:32] != b'\x55\xaa':
        raise errors.CorruptImageError(
            f'{source.path}: the boot catalog at sector {catalog} has no '
            f'validation entry')
    platform = data[1]
    entries = [_entry(data, 32, platform, catalog)]
    position = 64
    last = False
    while position + 32 <= SECTOR and not last:
        if data[position] not in (0x90, 0x91):
            break
        last = data[position] == 0x91
        platform = data[position + 1]
        count = int.from_bytes(data[position + 2:position + 4], 'little')
        position += 32
        for _number in range(count):
            if position + 32 > SECTOR:
                break
            if data[position] in (0x00, 0x88):
                entries.append(_entry(data, position, platform, catalog))
            # Flag 0x20 of the media byte announces an extension (0x44).
            more = data[position + 1] & 0x20
            position += 32
            while (more and position + 32 <= SECTOR
                   and data[position] == 0x44):
                more = data[position + 1] & 0x20
                position += 32
    return tuple(entry for entry in entries if entry.sector)


def _entry(data: bytes, position: int, platform: int,
           catalog: int) -> BootEntry:
    indicator, media, _segment, _system, blocks, sector = (
        struct.unpack_from('<BBHBxHI', data, position))
    return BootEntry(
        offset=catalog * SECTOR + position,
        platform=_PLATFORMS.get(platform, str(platform)),
        bootable=indicator == 0x88,
        emulation=_EMULATION.get(media & 15, 'unknown'),
        sector=sector, blocks=blocks)


def moved(sector: int, length: int) -> bytes:
    """Return the bytes at ``entry.offset + 6`` for a moved boot image.

    :param sector: its new absolute sector.
    :param length: its new length in bytes; one too long for 16 bits of
        blocks is entered as 0, which firmware takes as "to the end".
    """
    blocks = -(-length // BLOCK)
    return struct.pack('<HI', blocks if blocks < 0x10000 else 0, sector)
