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

"""System use fields of directory records: SUSP and Rock Ridge.

SUSP (IEEE P1281) and RRIP (IEEE P1282) as far as names, modes, links and
relocated directories go; ``ZF`` (zisofs) is recognised. Device numbers and
sparse files are passed over.
"""

import collections.abc
import dataclasses
import stat
import struct

from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source
from ironic_ext.iso import volume

_MAX_CONTINUATIONS = 32
#: Bytes that a name may have to fit a record without a continuation:
#: 255 less the fixed part (33), an identifier of up to 31 with its padding,
#: PX (44), TF (26) and the head of NM (5), with room for a skip of 8.
MAX_NAME = 108


@dataclasses.dataclass(frozen=True)
class RockRidge:
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


def fields(source: base_source.Source, shift: int, area: bytes, what: str
           ) -> collections.abc.Iterator[tuple[bytes, bytes]]:
    """Yield (signature, whole field) of a system use area.

    Continuation areas are followed.

    :param shift: sectors to add to the addresses of this tree.
    :raises: CorruptImageError for endless or malformed areas.
    """
    for _hop in range(_MAX_CONTINUATIONS):
        follow = None
        position = 0
        while position + 4 <= len(area):
            signature = area[position:position + 2]
            length = area[position + 2]
            if length < 4 or position + length > len(area):
                # Padding; anything else has no valid field either.
                break
            field = area[position:position + length]
            if signature == b'CE' and length >= 28:
                follow = struct.unpack_from('<I4xI4xI', field, 4)
            elif signature == b'ST':
                return
            else:
                yield signature, field
            position += length
        if follow is None:
            return
        sector, offset, size = follow
        if size > base_source.SECTOR * 4:
            raise errors.CorruptImageError(
                f'{source.path}: the continuation area of {what} claims '
                f'{size} bytes')
        area = source.read((sector + shift) * base_source.SECTOR + offset,
                           size, f'the continuation area of {what}')
    raise errors.CorruptImageError(
        f'{source.path}: the continuation areas of {what} form a loop')


def parse(source: base_source.Source, shift: int, area: bytes,
          what: str) -> RockRidge:
    """Read the Rock Ridge fields of one record.

    :param area: the system use area, after the bytes that ``SP`` says to
        skip.
    :raises: CorruptImageError
    """
    name: list[bytes] = []
    named = relocated = compressed = False
    mode = child = None
    links: list[bytes] = []
    for signature, field in fields(source, shift, area, what):
        if signature == b'NM' and len(field) >= 5:
            if not field[4] & 6:
                named = True
                name.append(field[5:])
        elif signature == b'PX' and len(field) >= 36:
            mode = int.from_bytes(field[4:8], 'little')
        elif signature == b'SL' and len(field) >= 5:
            links.append(field[5:])
        elif signature == b'CL' and len(field) >= 12:
            child = int.from_bytes(field[4:8], 'little')
        elif signature == b'RE':
            relocated = True
        elif signature == b'ZF':
            compressed = True
    return RockRidge(
        name=_text(b''.join(name)) if named else None, mode=mode,
        link=_link(b''.join(links)) if links else None,
        child=child, relocated=relocated, compressed=compressed)


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


def area_for(name: str | None, *, directory: bool, model: bytes,
             skip: int, serial: int) -> bytes:
    """Return the system use area of a new file or directory.

    :param name: None for the records ``.`` and ``..``.
    :param model: the system use area of an existing ``.`` record, whose
        version of PX and whose dates are taken over, so that equal input
        gives equal output.
    :param skip: bytes that ``SP`` says to skip.
    :param serial: file serial number of RRIP 1.12; equal ones are taken
        for hard links by some readers.
    :raises: InjectionError when the name is too long.
    """
    raw = (name or '').encode('utf-8', 'surrogateescape')
    if name is not None and len(raw) > MAX_NAME:
        raise errors.InjectionError(
            f'the name "{name[:40]}..." has {len(raw)} bytes; names of '
            f'added files may have {MAX_NAME}')
    times = b''
    length = 36
    position = 0
    while position + 4 <= len(model):
        count = model[position + 2]
        if count < 4:
            break
        field = model[position:position + count]
        if field[:2] == b'TF' and count <= 33:
            times = field
        elif field[:2] == b'PX' and count in (36, 44):
            length = count
        position += count
    mode = stat.S_IFDIR | 0o555 if directory else stat.S_IFREG | 0o444
    px = b'PX' + bytes([length, 1]) + b''.join(
        volume.both32(value)
        for value in (mode, 2 if directory else 1, 0, 0))
    if length == 44:
        px += volume.both32(serial)
    if name is None:
        return bytes(skip) + px + times
    return (bytes(skip) + px + times
            + b'NM' + bytes([5 + len(raw), 1, 0]) + raw)
