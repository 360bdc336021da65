# SPDX-License-Identifier: Apache-2.0

"""Making a small FAT volume of some files.

Reference: Microsoft FAT specification, 2005. It is FAT12, whose clusters are
few; the same files give the same bytes.
"""

from collections.abc import Mapping
from collections.abc import Sized
import struct
import zlib

from ironic_ext.iso import errors
from ironic_ext.iso.fat import layout
from ironic_ext.iso.fat import volume

#: Bytes of all files, at most.
MAX_BYTES = 16 << 20
_SECTOR = 512
_ROOT_ENTRIES = 512
#: Sectors of a cluster; FAT12 has fewer than 4085 of these.
_CLUSTERS = (1, 2, 4, 8, 16, 32, 64)
_MAX_CLUSTERS = 4000
_FATS = 2
#: Whole sectors of a CD.
_UNIT = 2048


def make(files: Mapping[str, bytes], label: str) -> bytes:
    """Return a volume with some files.

    :param files: absolute path -> content.
    :param label: of the volume, 11 bytes at most.
    :raises: InjectionError for files that are too large together, or paths
        that cannot be files there.
    """
    require_small(files)
    folders = {path[:at] for path in files
               for at, char in enumerate(path) if char == '/'}
    for sectors in _CLUSTERS:
        cluster = sectors * _SECTOR
        # Names, long ones, and what the files have.
        clusters = 2 * len(folders) + len(files) + sum(
            -(-len(data) // cluster) for data in files.values())
        if clusters <= _MAX_CLUSTERS:
            break
    else:
        raise errors.InjectionError(
            f'{len(files)} files in {len(folders)} directories are too many '
            'for a partition of their own')
    blank = bytearray(_blank(sectors, clusters, label, zlib.crc32(
        repr(sorted(files)).encode())))
    for offset, data in volume.FatVolume(
            lambda start, length: bytes(blank[start:start + length]),
            len(blank)).plan(files):
        blank[offset:offset + len(data)] = data
    return bytes(blank)


def require_small(files: Mapping[str, Sized]) -> None:
    """Refuse files that are too large together.

    :raises: InjectionError
    """
    if sum(map(len, files.values())) > MAX_BYTES:
        raise errors.InjectionError(
            f'files of more than {MAX_BYTES} bytes are not put into a '
            'partition of their own')


def _blank(sectors: int, clusters: int, label: str, serial: int) -> bytes:
    """Return an empty volume.

    :param sectors: of a cluster.
    """
    table = -(-(clusters + 2) * 3 // 2 // _SECTOR) or 1
    root = _ROOT_ENTRIES * layout.SLOT // _SECTOR
    total = 1 + _FATS * table + root + clusters * sectors
    total += -total % (_UNIT // _SECTOR)
    name = label.encode('ascii').ljust(11)
    # A jump, the parameter block, and its extension with the label.
    boot = struct.pack(
        '<3s8sHBHBHHBHHHIIBBBI11s8s', b'\xeb\x3c\x90', b'mkfs.fat', _SECTOR,
        sectors, 1, _FATS, _ROOT_ENTRIES, total if total < 1 << 16 else 0,
        0xf8, table, 32, 64, 0, total if total >= 1 << 16 else 0, 0x80, 0,
        0x29, serial, name, b'FAT12   ').ljust(510, b'\0') + b'\x55\xaa'
    used = b'\xf8\xff\xff'.ljust(table * _SECTOR, b'\0')
    record = (name + bytes([layout.ATTR_VOLUME])).ljust(layout.SLOT, b'\0')
    return (boot + _FATS * used + record).ljust(total * _SECTOR, b'\0')
