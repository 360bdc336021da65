# SPDX-License-Identifier: Apache-2.0

"""System use fields of directory records: SUSP and Rock Ridge.

SUSP (IEEE P1281) and RRIP (IEEE P1282) as far as names, modes, links and
relocated directories go; ``ZF`` (zisofs) is recognised. Device numbers and
sparse files are passed over.
"""

import collections.abc
import stat
import struct
import typing

from ironic_ext.iso.ecma119 import volume
from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source

_MAX_CONTINUATIONS = 32
#: Bytes that a name may have to fit a record without a continuation:
#: 255 less the fixed part (33), an identifier of up to 31 with its padding,
#: PX (44), TF (26) and the head of NM (5), with room for a skip of 8.
MAX_NAME = 108


class RockRidge(typing.NamedTuple):
    """What a record's Rock Ridge fields say.

    :ivar name: the POSIX name, or None.
    :ivar mode: ``st_mode`` bits, or None.
    :ivar link: target of a symbolic link, or None.
    :ivar child: sector of the directory that this record stands for
        (``CL``), or None.
    :ivar relocated: the record is to be ignored here (``RE``).
    :ivar compressed: the content is zisofs.
    """

    name: str | None = None
    mode: int | None = None
    link: str | None = None
    child: int | None = None
    relocated: bool = False
    compressed: bool = False


#: What a record without fields says.
NOTHING = RockRidge()

#: PX of new names: mode, links, user and group.
_DIRECTORY = b''.join(map(volume.both32, (stat.S_IFDIR | 0o555, 2, 0, 0)))
_FILE = b''.join(map(volume.both32, (stat.S_IFREG | 0o444, 1, 0, 0)))


#: Reads the continuation area of that sector, byte and length, the how
#: manyeth of one record it is.
Continued = collections.abc.Callable[[int, tuple[int, int, int]], bytes]


def parse(area: bytes, continued: Continued) -> RockRidge:
    """Read the Rock Ridge fields of one record.

    Continuation areas are followed.

    :param area: the system use area, after the bytes that ``SP`` says to
        skip.
    :raises: what ``continued`` does.
    """
    name = link = b''
    named = linked = relocated = compressed = False
    mode = child = None
    hops = 0
    position = 0
    follow: tuple[int, int, int] | None = None
    # One flat loop: it runs for every record of every directory read.
    while True:
        length = area[position + 2] if position + 4 <= len(area) else 0
        end = position + length
        # What is no field is padding.
        if length < 4 or end > len(area):
            if follow is None:
                break
            hops += 1
            area = continued(hops, follow)
            position, follow = 0, None
            continue
        signature = area[position:position + 2]
        if signature == b'PX':
            if length >= 36:
                mode = int.from_bytes(area[position + 4:position + 8],
                                      'little')
        elif signature == b'NM':
            if length >= 5 and not area[position + 4] & 6:
                named = True
                name += area[position + 5:end]
        elif signature == b'CE':
            if length >= 28:
                follow = struct.unpack_from('<I4xI4xI', area, position + 4)
        elif signature == b'SL':
            if length >= 5:
                linked = True
                link += area[position + 5:end]
        elif signature == b'CL':
            if length >= 12:
                child = int.from_bytes(area[position + 4:position + 8],
                                       'little')
        elif signature == b'RE':
            relocated = True
        elif signature == b'ZF':
            compressed = True
        elif signature == b'ST':
            break
        position = end
    return RockRidge(_text(name) if named else None, mode,
                     _link(link) if linked else None, child, relocated,
                     compressed)


def continued(source: base_source.Source, shift: int, path: str, hops: int,
              place: tuple[int, int, int]) -> bytes:
    """Return the ``hops``-th continuation area of a record.

    :param shift: sectors to add to the addresses of this tree.
    :param path: of the directory, for error messages.
    :param place: its sector in the tree, first byte there and length.
    :raises: CorruptImageError for endless or malformed areas.
    """
    sector, offset, size = place
    what = f'a record in {path}'
    if size > base_source.SECTOR * 4:
        raise errors.CorruptImageError(
            f'{source.path}: the continuation area of {what} claims '
            f'{size} bytes')
    data = source.read((sector + shift) * base_source.SECTOR + offset,
                       size, f'the continuation area of {what}')
    if hops >= _MAX_CONTINUATIONS:
        raise errors.CorruptImageError(
            f'{source.path}: the continuation areas of {what} form a loop')
    return data


def continuation(area: bytes) -> int | None:
    """Return where in a system use area the field ``CE`` is, if it is.

    :param area: as for :func:`parse`.
    """
    position = 0
    while position + 28 <= len(area) and area[position + 2] >= 4:
        if area[position:position + 2] == b'CE':
            return position
        position += area[position + 2]
    return None


def _text(raw: bytes) -> str:
    return raw.decode('utf-8', 'surrogateescape')


def _link(components: bytes) -> str:
    """Return the target that component records spell (RRIP 4.1.3)."""
    parts: list[str] = []
    joined = False
    position = 0
    while position + 2 <= len(components):
        flags, length = components[position:position + 2]
        text = _text(components[position + 2:position + 2 + length])
        position += 2 + length
        if flags & 8:
            text, parts = '', []
        elif flags & 4:
            text = '..'
        elif flags & 2:
            text = '.'
        if joined and parts:
            parts[-1] += text
        else:
            parts.append(text)
        joined = bool(flags & 1)
    return '/'.join(parts) or '/'


def skip_length(area: bytes) -> int | None:
    """Return SP's skip length from the root's own record, None without SP.

    A tree without ``SP`` uses no SUSP (SUSP section 5.3).
    """
    for start in (0, 15):
        # CD-ROM XA puts 14 bytes (or 15 with padding) first.
        if (area[start:start + 6] == b'SP\x07\x01\xbe\xef'
                and len(area) > start + 6):
            return area[start + 6]
    return None


class Model(typing.NamedTuple):
    """What new fields take over, so that equal input gives equal output.

    :ivar skip: bytes that ``SP`` says to skip.
    :ivar px: length of PX, 36 or 44 (RRIP 1.12: with a serial number).
    :ivar times: the whole field TF, or nothing.
    """

    skip: int = 0
    px: int = 36
    times: bytes = b''


def model(area: bytes, skip: int) -> Model:
    """Return what new fields take over from those of a record ``..``.

    :param area: as for :func:`parse`.
    :param skip: bytes that ``SP`` says to skip.
    """
    times = b''
    length = 36
    position = 0
    while position + 4 <= len(area):
        count = area[position + 2]
        if count < 4:
            break
        field = area[position:position + count]
        if field[:2] == b'TF' and count <= 33:
            times = field
        elif field[:2] == b'PX' and count in (36, 44):
            length = count
        position += count
    return Model(skip, length, times)


def area_for(name: str | None, *, directory: bool, model: Model,
             serial: int) -> bytes:
    """Return the system use area of a new file or directory.

    :param name: None for the records ``.`` and ``..``.
    :param serial: file serial number of RRIP 1.12; equal ones are taken
        for hard links by some readers.
    :raises: InjectionError when the name is too long.
    """
    fields = [bytes(model.skip), b'PX', bytes((model.px, 1)),
              _DIRECTORY if directory else _FILE]
    if model.px == 44:
        fields.append(volume.both32(serial))
    fields.append(model.times)
    if name is not None:
        raw = name.encode('utf-8', 'surrogateescape')
        if len(raw) > MAX_NAME:
            raise errors.InjectionError(
                f'the name "{name[:40]}..." has {len(raw)} bytes; names of '
                f'added files may have {MAX_NAME}')
        fields += (b'NM', bytes((5 + len(raw), 1, 0)), raw)
    return b''.join(fields)
