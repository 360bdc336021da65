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

"""Changing the names of one directory tree.

A file gets its content's new place by a patch of its directory record; a
new name is inserted into its directory, which moves behind the image's end
only when its sectors are full. Then parents, children, path tables and
descriptors are made to agree.
"""

import binascii
import dataclasses
import struct

from ironic_ext.iso import canvas as canvases
from ironic_ext.iso import directory as dirs
from ironic_ext.iso import errors
from ironic_ext.iso import rock_ridge
from ironic_ext.iso import segments as segs
from ironic_ext.iso import tree as trees
from ironic_ext.iso import volume

SECTOR = canvases.SECTOR
#: UCS-2 characters of a Joliet name.
_JOLIET_NAME = 64
#: Characters of a name without Rock Ridge (ECMA-119 section 7.5.1).
_PLAIN_NAME = 31
_PARENT_NUMBERS = 0xFFFF
_FIRST_SERIAL = 1 << 31


@dataclasses.dataclass
class _Move:
    """A directory that gets a new extent (sectors of the tree)."""

    folder: trees.Folder
    old: int | None
    new: int


class TreeEdit:
    """Collects the changes to one tree; :meth:`finish` plans them.

    :param alone: whether this is the only tree of the image, so that a
        name which it cannot carry cannot be read at all.
    """

    def __init__(self, tree: trees.Tree, canvas: canvases.Canvas,
                 alone: bool) -> None:
        self.tree = tree
        self.canvas = canvas
        self.alone = alone
        self._touched: dict[int, trees.Folder] = {}
        self._created: list[trees.Folder] = []

    def put(self, path: str, sector: int, size: int,
            original: int | None) -> None:
        """Let a path name new content; directories are made as needed.

        :param path: absolute, free of links.
        :param sector: absolute sector of the content (0 for none).
        :param size: bytes of content.
        :param original: byte offset of the present content, to find the
            file in a tree that carries another name for it.
        :raises: InjectionError
        """
        *parents, name = path.strip('/').split('/')
        folder = self.tree.root
        for part in parents:
            node = self._find(folder, part, None)
            if node is None:
                if original is not None:
                    return
                folder = self._make_directory(folder, part)
            elif not node.is_dir:
                raise errors.InjectionError(
                    f'{path}: "{node.name}" is a file of the image, not a '
                    f'directory')
            else:
                folder = self.tree.enter(node, path)
        extent = sector - self.tree.shift if size else 0
        node = self._find(folder, name, original)
        if node is None:
            if original is not None:
                # Hidden from this tree on purpose.
                return
            self._insert(folder, name, extent, size, directory=False)
            return
        if node.is_dir:
            raise errors.InjectionError(
                f'{path} is a directory of the image; a file cannot '
                f'replace it')
        if len(node.records) > 1:
            raise errors.InjectionError(
                f'{path} has {len(node.records)} extents (4 GiB or more) '
                f'and cannot be replaced')
        if node.rock_ridge.compressed:
            raise errors.InjectionError(
                f'{path} is stored compressed (zisofs) and cannot be '
                f'replaced')
        node.records[0].place(extent, size)
        self._touch(folder)

    def _touch(self, folder: trees.Folder) -> None:
        self._touched[id(folder)] = folder

    def _find(self, folder: trees.Folder, name: str,
              original: int | None) -> trees.Node | None:
        ignore = self.tree.ignores_case
        node = folder.find(name, ignore)
        if node is None and self.tree.kind == 'joliet':
            node = folder.find(_joliet_name(name), ignore)
        if node is None and original:
            extent = original // SECTOR - self.tree.shift
            node = next(
                (child for child in folder.children.values()
                 if not child.is_dir
                 and child.records[0].extent == extent
                 and child.records[0].size), None)
        return node

    def _make_directory(self, folder: trees.Folder,
                        name: str) -> trees.Folder:
        node = self._insert(folder, name, 0, SECTOR, directory=True)
        area = self._area(node, '', True)
        date = self.tree.root.records.own.raw[18:25]
        records = dirs.Directory(0, SECTOR, [[
            dirs.new_record(identifier, 0, SECTOR, flags=dirs.DIRECTORY,
                            date=date, area=area)
            for identifier in (b'\0', b'\1')]], [None])
        made = trees.Folder(node, records)
        node.directory = made
        self._created.append(made)
        if folder.node:
            folder.node.records[0].add_links(1)
            self._touch(self._owner(folder.node))
        folder.records.own.add_links(1)
        return made

    def _area(self, above: trees.Node | None, name: str,
              directory: bool) -> bytes:
        """Return the system use area of a new record.

        :param above: the directory it is for, None for the root.
        :param name: empty for the records ``.`` and ``..``.
        """
        if self.tree.kind != 'rock ridge':
            return b''
        path = name
        while above is not None:
            path = f'{above.name}/{path}'
            above = above.owner.node if above.owner else None
        return rock_ridge.area_for(
            name or None, directory=directory, skip=self.tree.skip,
            model=self.tree.root.records.parent.area[self.tree.skip:],
            # Mastering tools count up from 1.
            serial=_FIRST_SERIAL | binascii.crc32(
                path.rstrip('/').encode('utf-8', 'surrogateescape')))

    def _insert(self, folder: trees.Folder, name: str, extent: int,
                size: int, *, directory: bool) -> trees.Node:
        record = dirs.new_record(
            self._identifier(folder, name, directory), extent, size,
            flags=dirs.DIRECTORY if directory else 0,
            date=self.tree.root.records.own.raw[18:25],
            area=self._area(folder.node, name, directory))
        folder.records.insert(record, self.tree.kind == 'joliet')
        shown = (name if self.tree.kind == 'rock ridge'
                 else self.tree.plain_name(record.identifier))
        node = trees.Node(shown, [record], rock_ridge.RockRidge(), folder)
        folder.add(node)
        self._touch(folder)
        return node

    def _identifier(self, folder: trees.Folder, name: str,
                    directory: bool) -> bytes:
        taken = {record.identifier
                 for record in folder.records.records()}
        version = '' if directory or not self._versions(folder) else ';1'
        if self.tree.kind == 'joliet':
            stem = _joliet_name(name)
            for number in range(1000):
                text = (stem if not number else
                        f'{stem[:_JOLIET_NAME - 4]}~{number}')
                identifier = (text + version).encode('utf-16-be')
                if identifier not in taken:
                    return identifier
        elif self.tree.kind == 'iso9660':
            text = name.upper()
            if '.' not in text and not directory:
                text += '.'
            if (self.alone and len(text) > _PLAIN_NAME
                    or not text.isascii()):
                raise errors.InjectionError(
                    f'the image has neither Rock Ridge nor Joliet: the '
                    f'name "{name}" must be ASCII of at most '
                    f'{_PLAIN_NAME} characters')
            identifier = (text[:_PLAIN_NAME] + version).encode()
            if identifier not in taken:
                return identifier
        stem, _, extension = name.rpartition('.')
        if not stem:
            stem, extension = extension, ''
        stem = _level1(stem) or '_'
        extension = '' if directory else _level1(extension)[:3]
        for number in range(10000):
            tail = str(number) if number else ''
            text = stem[:8 - len(tail)] + tail
            if not directory:
                text += f'.{extension}'
            identifier = (text + version).encode()
            if identifier not in taken:
                return identifier
        raise errors.InjectionError(
            f'no free identifier is left for "{name}" in its directory')

    def _versions(self, folder: trees.Folder) -> bool:
        """Whether the tree's file identifiers carry version numbers."""
        for place in (folder, self.tree.root):
            for record in place.records.records():
                if not record.flags & dirs.DIRECTORY:
                    mark = (b'\0;' if self.tree.kind == 'joliet' else b';')
                    return mark in record.identifier
        return True

    def _owner(self, node: trees.Node) -> trees.Folder:
        return node.owner or self.tree.root

    def finish(self) -> None:
        """Plan every byte that the collected changes need.

        :raises: InjectionError, CorruptImageError
        """
        moves = [self._plan_move(folder)
                 for folder in [*self._touched.values()]
                 if folder not in self._created
                 and folder.records.sectors_missing]
        for folder in self._created:
            moves.append(_Move(
                folder, None, self._reserve(folder)))
        for move in moves:
            self._relink(move)
            self._carry_continuations(move.folder.records)
        moved = {id(move.folder) for move in moves}
        for folder in [*self._touched.values()]:
            if id(folder) not in moved:
                self._write_in_place(folder)
        for move in moves:
            self.canvas.fill(move.new + self.tree.shift,
                             self._pieces(move))
        if moves:
            self._write_path_tables(moves)

    def _reserve(self, folder: trees.Folder) -> int:
        return (self.canvas.reserve(len(folder.records.sectors))
                - self.tree.shift)

    def _plan_move(self, folder: trees.Folder) -> _Move:
        if folder.node and folder.node.rock_ridge.child is not None:
            raise errors.InjectionError(
                f'the directory "{folder.node.name}" is stored relocated '
                f'(Rock Ridge CL) and has no room for more names; add the '
                f'file elsewhere')
        return _Move(folder, folder.records.extent, self._reserve(folder))

    def _relink(self, move: _Move) -> None:
        """Make everything that names a moved directory name its place."""
        folder, records = move.folder, move.folder.records
        size = len(records.sectors) * SECTOR
        records.own.place(move.new, size)
        if folder.node is None:
            records.parent.place(move.new, size)
            for descriptor in self.tree.descriptors:
                self.canvas.patch(
                    descriptor.sector * SECTOR + 158,
                    volume.both32(move.new) + volume.both32(size))
        else:
            folder.node.records[0].place(move.new, size)
            owner = self._owner(folder.node)
            self._touch(owner)
            if move.old is None:
                records.parent.place(owner.records.own.extent,
                                     owner.records.own.size)
        for node in folder.children.values():
            if not node.is_dir:
                continue
            child = self.tree.enter(node, node.name)
            if node.rock_ridge.child is not None:
                _repoint_relocated(child, move.new)
            else:
                child.records.parent.place(move.new, size)
            self._touch(child)

    def _carry_continuations(self, records: dirs.Directory) -> None:
        """Let continuation areas follow their directory, by reference.

        Some readers (libarchive) read an image from its start to its end
        and want them behind the directory.
        """
        if self.tree.kind != 'rock ridge':
            return
        places: dict[tuple[int, int], int] = {}
        for record in [one for sector in records.sectors for one in sector]:
            start = len(record.raw) - len(record.area) + self.tree.skip
            field = rock_ridge.continuation(record.raw[start:])
            if field is None:
                continue
            at = start + field + 4
            sector, offset, size = struct.unpack_from(
                '<I4xI4xI', record.raw, at)
            count = -(-(offset + size) // SECTOR)
            if (sector, count) not in places:
                places[sector, count] = self.canvas.place([segs.BaseRange(
                    (sector + self.tree.shift) * SECTOR,
                    count * SECTOR)]) - self.tree.shift
            record.raw = (record.raw[:at]
                          + volume.both32(places[sector, count])
                          + record.raw[at + 8:])

    def _write_in_place(self, folder: trees.Folder) -> None:
        start = (folder.records.extent + self.tree.shift) * SECTOR
        for number in range(len(folder.records.sectors)):
            self.canvas.patch(start + number * SECTOR,
                              folder.records.sector_bytes(number))

    def _pieces(self, move: _Move) -> list[segs.Segment]:
        pieces: list[segs.Segment] = []
        records = move.folder.records
        for number, origin in enumerate(records.origins):
            data = records.sector_bytes(number)
            if origin is not None and move.old is not None:
                offset = (move.old + self.tree.shift + origin) * SECTOR
                if data == self.tree.source.read(offset, SECTOR,
                                                 'a directory'):
                    pieces.append(segs.BaseRange(offset, SECTOR))
                    continue
            pieces.append(segs.Literal(data))
        return pieces

    def _write_path_tables(self, moves: list[_Move]) -> None:
        done: dict[int, int] = {}
        for descriptor in self.tree.descriptors:
            length = descriptor.path_table_bytes
            first = descriptor.path_tables[0]
            rows = dirs.path_table(self.tree.source.read(
                (first + self.tree.shift) * SECTOR, length,
                'the path table'), '<')
            if not rows:
                raise errors.CorruptImageError(
                    f'{self.tree.source.path}: the path table at sector '
                    f'{first + self.tree.shift} is empty: the image is '
                    f'damaged')
            rows = self._changed_rows(rows, moves)
            start = descriptor.sector * SECTOR
            for index, address in enumerate(descriptor.path_tables):
                if not address:
                    continue
                order = '<' if index < 2 else '>'
                data = dirs.path_table_bytes(rows, order)
                place = done.get(address)
                if place is None:
                    place = self._store_table(address, length, data)
                    done[address] = place
                if place != address:
                    self.canvas.patch(
                        start + 140 + 4 * index, place.to_bytes(
                            4, 'little' if order == '<' else 'big'))
            self.canvas.patch(start + 132, volume.both32(len(data)))

    def _store_table(self, address: int, length: int, data: bytes) -> int:
        if -(-len(data) // SECTOR) <= -(-length // SECTOR):
            self.canvas.patch((address + self.tree.shift) * SECTOR, data)
            return address
        return self.canvas.place([segs.Literal(data)]) - self.tree.shift

    def _changed_rows(self, rows: list[tuple[bytes, int, int]],
                      moves: list[_Move]) -> list[tuple[bytes, int, int]]:
        """Return the rows with moved extents and new directories.

        Rows are sorted by level, then parent, then name (section 6.9.1).
        """
        places = {move.old: move.new for move in moves
                  if move.old is not None}
        new_by_parent: dict[int, list[tuple[bytes, int]]] = {}
        for move in moves:
            if move.old is None and move.folder.node:
                owner = self._owner(move.folder.node)
                new_by_parent.setdefault(
                    owner.records.own.extent, []).append(
                        (move.folder.node.records[0].identifier, move.new))
        children: dict[int, list[tuple[bytes, int, int | None]]] = {}
        for number, (identifier, extent, parent) in enumerate(rows):
            if number:
                children.setdefault(parent - 1, []).append(
                    (identifier, extent, number))
        root = places.get(rows[0][1], rows[0][1])
        out = [(rows[0][0], root, 1)]
        level: list[tuple[int | None, int, int]] = [(0, root, 1)]
        joliet = self.tree.kind == 'joliet'
        while level:
            below: list[tuple[int | None, int, int]] = []
            for old, extent, number in level:
                found = list(children.get(old, ())
                             if old is not None else ())
                for identifier, place in new_by_parent.get(extent, ()):
                    key = dirs.sort_key(identifier, joliet)
                    at = next((i for i, row in enumerate(found)
                               if dirs.sort_key(row[0], joliet) > key),
                              len(found))
                    found.insert(at, (identifier, place, None))
                for identifier, place, index in found:
                    place = places.get(place, place) if (
                        index is not None) else place
                    out.append((identifier, place, number))
                    below.append((index, place, len(out)))
            level = below
        if len(out) > _PARENT_NUMBERS:
            raise errors.InjectionError(
                f'the image would have more than {_PARENT_NUMBERS} '
                f'directories, which a path table cannot number')
        return out


def _repoint_relocated(child: trees.Folder, parent: int) -> None:
    """Change PL of a relocated directory, whose real parent moved."""
    record = child.records.parent
    start = record.raw.find(b'PL\x0c\x01',
                            len(record.raw) - len(record.area))
    if start < 0:
        raise errors.InjectionError(
            'a relocated directory does not name its parent (Rock Ridge '
            'PL); its parent has no room for more names')
    record.raw = (record.raw[:start + 4] + volume.both32(parent)
                  + record.raw[start + 12:])


def _joliet_name(name: str) -> str:
    """Return the Joliet form of a name."""
    return ''.join('_' if c in '*/:;?\\' or c < ' ' or c > '\uffff' else c
                   for c in name)[:_JOLIET_NAME]


def _level1(text: str) -> str:
    return ''.join(c if c.isascii() and c.isalnum() else '_'
                   for c in text.upper())
