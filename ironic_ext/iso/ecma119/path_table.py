# SPDX-License-Identifier: Apache-2.0

"""Path tables: every directory of a tree in one list (ECMA-119 section 9.4).

Values in, values out. A row is (identifier, extent in sectors of the tree,
number of the parent's row from 1).
"""

import collections.abc
import struct

from ironic_ext.iso.ecma119 import directory as dirs
from ironic_ext.iso import errors

#: Bytes of a table that are read at most: no more rows can be numbered.
MAX_BYTES = 64 << 20
_PARENT_NUMBERS = 0xFFFF

Row = tuple[bytes, int, int]
#: A row without its name, by byte order: < for type L, > for type M.
_ROW = {order: struct.Struct(order + 'BxIH') for order in '<>'}


def parse(data: bytes, order: str) -> list[Row]:
    """Split a path table into rows.

    :param order: ``<`` for a type L table, ``>`` for type M.
    :raises: CorruptImageError
    """
    rows: list[Row] = []
    head = _ROW[order]
    position = 0
    last = len(data) - 8
    while position <= last and data[position]:
        length, extent, parent = head.unpack_from(data, position)
        position += 8
        rows.append((data[position:position + length], extent, parent))
        if not 0 < parent <= len(rows):
            raise errors.CorruptImageError(
                f'row {len(rows)} of a path table names parent {parent}')
        position += length + length % 2
    return rows


def pack(rows: list[Row], order: str) -> bytes:
    """Return the bytes of a path table; see :func:`parse`."""
    head = _ROW[order].pack
    return b''.join([
        head(len(identifier), extent, parent) + (
            identifier + b'\0' if len(identifier) % 2 else identifier)
        for identifier, extent, parent in rows])


def changed(rows: list[Row], moved: collections.abc.Mapping[int, int],
            created: collections.abc.Mapping[int, list[tuple[bytes, int]]],
            joliet: bool) -> list[Row]:
    """Return the rows with moved extents and new directories.

    Rows are sorted by level, then parent, then name (section 6.9.1).

    :param moved: old extent -> new extent.
    :param created: extent of the parent, as it will be -> the identifier
        and extent of each new directory in it.
    :raises: InjectionError when there are more than can be numbered.
    """
    children: dict[int, list[tuple[bytes, int, int]]] = {}
    for number, (identifier, extent, parent) in enumerate(rows[1:], 1):
        children.setdefault(parent - 1, []).append(
            (identifier, moved.get(extent, extent), number))
    identifier, extent, _parent = rows[0]
    root = moved.get(extent, extent)
    out = [(identifier, root, 1)]
    # Each: its number among the old rows (-1 for none), its extent, its
    # number among the new ones.
    level = [(0, root, 1)]
    while level:
        below: list[tuple[int, int, int]] = []
        for old, extent, number in level:
            found = children.get(old, [])
            if extent in created:
                found = _merged(found, created[extent], joliet)
            for identifier, place, index in found:
                out.append((identifier, place, number))
                below.append((index, place, len(out)))
        level = below
    if len(out) > _PARENT_NUMBERS:
        raise errors.InjectionError(
            f'the image would have more than {_PARENT_NUMBERS} '
            f'directories, which a path table cannot number')
    return out


def _merged(present: list[tuple[bytes, int, int]],
            created: list[tuple[bytes, int]],
            joliet: bool) -> list[tuple[bytes, int, int]]:
    """Return the directories of one parent with new ones in their place."""
    found = list(present)
    for identifier, place in created:
        key = dirs.sort_key(identifier, joliet)
        at = next((i for i, row in enumerate(found)
                   if dirs.sort_key(row[0], joliet) > key), len(found))
        found.insert(at, (identifier, place, -1))
    return found
