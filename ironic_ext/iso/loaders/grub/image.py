# SPDX-License-Identifier: Apache-2.0

"""What is built into a GRUB image: prefix, first configuration, memdisk.

EFI images have it in the section ``mods``; images for a BIOS (i386-pc)
compressed behind the code that unpacks them. Layout: GNU GRUB 2.06,
include/grub/kernel.h and boot/i386/pc/startup_raw.S.
"""

import collections.abc
import struct
import typing

from ironic_ext.iso.loaders.grub import memdisk as memdisks
from ironic_ext.iso.loaders import pe

_MAGIC = struct.pack('<I', 0x676d696d)
_MEMDISK, _CONFIG, _PREFIX = 1, 2, 3
_MAX_MODULES = 1024
_MAX_TEXT = 65536
#: Bytes of an unpacked image for a BIOS; real ones have some 400 KiB.
_MAX_CORE = 4 << 20
#: Where the unpacking code begins in an image: behind the sectors that
#: load the rest from a CD (4 + 1) or from elsewhere (1).
_STARTS = (2560, 512, 0)


class Embedded(typing.NamedTuple):
    """What is built in; None is what is not.

    :ivar memdisk: path -> content; what is no configuration is empty.
    """

    prefix: str | None = None
    config: bytes | None = None
    memdisk: collections.abc.Mapping[str, bytes] | None = None


def of_efi(read: pe.Read, executable: pe.Executable) -> Embedded | None:
    """Return what an EFI image has built in; None if that is not found."""
    section = executable.sections.get('mods')
    if section is None:
        return None
    return _modules(read, *section, executable.wide)


def of_bios(read: pe.Read, size: int) -> Embedded | None:
    """Return what an i386-pc image has built in; None if not found.

    :param size: bytes at most; what lies behind the image does not matter.
    """
    for start in _STARTS:
        head = read(start, 32)
        if len(head) < 32:
            continue
        packed, plain = struct.unpack_from('<II', head, 8)
        if not (0x1000 < packed <= size and packed < plain <= _MAX_CORE):
            continue
        window = read(start + 2048, 7168 + 4096)
        for place in range(start + 2048, start + 9216, 16):
            at = place - start - 2048
            # Any such stream begins with a zero.
            if window[at:at + 1] != b'\0':
                continue
            probe = _unpacked(window[at:at + 4096], 65536)
            if len(probe) < 4096:
                continue
            core = _unpacked(read(place, packed), plain)
            found = _in_core(core)
            if found is not None:
                return found
    return None


def _unpacked(data: bytes, limit: int) -> bytes:
    import lzma
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{
            'id': lzma.FILTER_LZMA1, 'lc': 3, 'lp': 0, 'pb': 2,
            'dict_size': 1 << 20}]).decompress(data, limit)
    except lzma.LZMAError:
        return b''


def _in_core(core: bytes) -> Embedded | None:
    at = core.find(_MAGIC)
    while at >= 0:
        found = _modules(lambda offset, length:
                         core[offset:offset + length],
                         at, len(core) - at, False)
        if found is not None:
            return found
        at = core.find(_MAGIC, at + 4)
    return None


def _modules(read: pe.Read, start: int, size: int,
             wide: bool) -> Embedded | None:
    header = read(start, 24)
    if len(header) < 24 or header[:4] != _MAGIC:
        return None
    offset, length = (struct.unpack_from('<QQ', header, 8) if wide
                      else struct.unpack_from('<II', header, 4))
    word = 8 if wide else 4
    if not word < offset < length or length > size:
        return None
    position = offset
    prefix: str | None = None
    config: bytes | None = None
    memdisk: collections.abc.Mapping[str, bytes] | None = None
    for _ in range(_MAX_MODULES):
        if position + 8 > length:
            break
        head = read(start + position, 8)
        kind, whole = struct.unpack('<II', head.ljust(8, b'\0'))
        # The file may end before its section does.
        if whole < 8 or position + whole > length:
            return None
        at = start + position + 8
        if kind == _PREFIX:
            prefix = _text(read(at, min(whole - 8, _MAX_TEXT))).decode(
                'utf-8', 'surrogateescape')
        elif kind == _CONFIG:
            config = _text(read(at, min(whole - 8, _MAX_TEXT)))
        elif kind == _MEMDISK:
            memdisk = memdisks.files(_part(read, at, whole - 8), whole - 8)
        position += -(-whole // word) * word
    return Embedded(prefix, config, memdisk)


def _part(read: pe.Read, start: int, size: int) -> pe.Read:
    def part(offset: int, length: int) -> bytes:
        return read(start + offset, max(0, min(length, size - offset)))
    return part


def _text(data: bytes) -> bytes:
    return data.split(b'\0', 1)[0]
