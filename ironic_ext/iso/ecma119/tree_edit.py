# SPDX-License-Identifier: Apache-2.0

"""Changing the names of one directory tree.

A file gets its content's new place by a patch of its directory record; a
new name is inserted into its directory, which moves behind the image's end
only when its sectors are full. Then parents, children, path tables and
descriptors are made to agree.
"""

import binascii
import re
import stat
import struct
import typing

from ironic_ext.iso import canvas as canvases
from ironic_ext.iso.ecma119 import directory as dirs
from ironic_ext.iso.ecma119 import path_table
from ironic_ext.iso.ecma119 import rock_ridge
from ironic_ext.iso.ecma119 import tree as trees
from ironic_ext.iso.ecma119 import volume
from ironic_ext.iso import errors
from ironic_ext.iso import segments as segs

SECTOR = canvases.SECTOR
#: UCS-2 characters of a Joliet name.
_JOLIET_NAME = 64
#: Characters of a name without Rock Ridge (ECMA-119 section 7.5.1).
_PLAIN_NAME = 31
_NOT_JOLIET = re.compile(
    r'[*/:;?\\\x00-\x1f\ud800-\udfff\U00010000-\U0010ffff]')
_NOT_LEVEL1 = re.compile(r'[^A-Z0-9]')
_FIRST_SERIAL = 1 << 31


class _Move(typing.NamedTuple):
    """A directory that gets a new extent (sectors of the tree)."""

    folder: trees.Folder
    old: int | None
    new: int


class TreeEdit:
    """Collects the changes to one tree; :meth:`finish` plans them.

    :param alone: whether this is the only tree of the image, so that a
        name which it cannot carry cannot be read at all.
    :param main: whether it is the one that readers prefer.
    """

    def __init__(self, tree: trees.Tree, canvas: canvases.Canvas,
                 alone: bool, main: bool = False) -> None:
        self.tree = tree
        self.canvas = canvas
        self.alone = alone
        self.main = main
        #: Names that were cut to fit -> nodes that were made for them.
        self._cut: dict[tuple[int, str], trees.Node] = {}
        self._touched: dict[int, trees.Folder] = {}
        self._created: list[trees.Folder] = []
        root = tree.root.records
        self._date = root.own.raw[18:25]
        self._model = rock_ridge.model(root.parent.area[tree.skip:],
                                       tree.skip)

    def put(self, path: str, sector: int, size: int,
            original: int | None, mode: int | None = None) -> None:
        """Let a path name new content; directories are made as needed.

        :param path: absolute, free of links.
        :param sector: absolute sector of the content (0 for none).
        :param size: bytes of content.
        :param original: byte offset of the present content, to find the
            file in a tree that carries another name for it.
        :param mode: permissions, None for the usual or present ones.
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
            node = self._insert(folder, name, extent, size,
                                directory=False)
            if mode is not None:
                node.records[0].set_mode(stat.S_IFREG | mode)
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
        if mode is not None:
            node.records[0].set_mode(stat.S_IFREG | mode)
        self._touch(folder)

    def _touch(self, folder: trees.Folder) -> None:
        self._touched[id(folder)] = folder

    def _find(self, folder: trees.Folder, name: str,
              original: int | None) -> trees.Node | None:
        ignore = self.tree.ignores_case
        node = folder.find(name, ignore)
        if node is None and self.tree.kind == 'joliet':
            node = self._cut.get((id(folder), name))
            if node is None and (original is not None
                                 or len(name) <= _JOLIET_NAME):
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
        records = dirs.Directory(0, SECTOR, [[
            dirs.new_record(identifier, 0, SECTOR, flags=dirs.DIRECTORY,
                            date=self._date, area=area)
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
            name or None, directory=directory, model=self._model,
            # Mastering tools count up from 1.
            serial=_FIRST_SERIAL | binascii.crc32(
                path.rstrip('/').encode('utf-8', 'surrogateescape')))

    def _insert(self, folder: trees.Folder, name: str, extent: int,
                size: int, *, directory: bool) -> trees.Node:
        if (self.main and self.tree.kind == 'joliet'
                and len(name) > _JOLIET_NAME):
            raise errors.InjectionError(
                f'the image has no Rock Ridge: the name "{name}" has '
                f'{len(name)} characters, and names of Joliet have '
                f'{_JOLIET_NAME}')
        record = dirs.new_record(
            self._identifier(folder, name, directory), extent, size,
            flags=dirs.DIRECTORY if directory else 0,
            date=self._date, area=self._area(folder.node, name, directory))
        folder.records.insert(record, self.tree.kind == 'joliet')
        shown = (name if self.tree.kind == 'rock ridge'
                 else self.tree.plain_name(record.identifier))
        node = trees.Node(shown, [record], rock_ridge.NOTHING, folder)
        folder.add(node)
        if len(name) > _JOLIET_NAME:
            self._cut[id(folder), name] = node
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
        mark = b'\0;' if self.tree.kind == 'joliet' else b';'
        for place in (folder, self.tree.root):
            for record in place.records.records():
                if not record.flags & dirs.DIRECTORY:
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
            if node.directory is None and node.rock_ridge.child is None:
                self._repoint(node, move.new, size)
                continue
            child = self.tree.enter(node, node.name)
            if node.rock_ridge.child is not None:
                _repoint_relocated(child, move.new)
            else:
                child.records.parent.place(move.new, size)
            self._touch(child)

    def _repoint(self, node: trees.Node, parent: int, size: int) -> None:
        """Change the record ``..`` of a directory that was not read."""
        start = (node.records[0].extent + self.tree.shift) * SECTOR
        head = self.tree.source.read(start, SECTOR, node.name)
        own = head[0]
        if own < 34 or own + 34 > SECTOR or head[own] < 34:
            raise errors.CorruptImageError(
                f'{self.tree.source.path}: {node.name} lacks its own records '
                f'"." and ".."')
        self.canvas.patch(start + own + 2,
                          volume.both32(parent) + volume.both32(size))

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
        for offset, data in folder.records.patches():
            self.canvas.patch(start + offset, data)

    def _pieces(self, move: _Move) -> list[segs.Segment]:
        pieces: list[segs.Segment] = []
        records = move.folder.records
        for number in range(len(records.sectors)):
            origin = records.unchanged(number)
            if origin is None or move.old is None:
                pieces.append(segs.Literal(records.sector_bytes(number)))
            else:
                pieces.append(segs.BaseRange(
                    (move.old + self.tree.shift + origin) * SECTOR, SECTOR))
        return pieces

    def _write_path_tables(self, moves: list[_Move]) -> None:
        moved = {move.old: move.new for move in moves
                 if move.old is not None}
        created: dict[int, list[tuple[bytes, int]]] = {}
        for move in moves:
            if move.old is None and move.folder.node:
                owner = self._owner(move.folder.node)
                created.setdefault(owner.records.own.extent, []).append(
                    (move.folder.node.records[0].identifier, move.new))
        done: dict[int, int] = {}
        for descriptor in self.tree.descriptors:
            length = descriptor.path_table_bytes
            first = descriptor.path_tables[0]
            if length > path_table.MAX_BYTES:
                raise errors.CorruptImageError(
                    f'{self.tree.source.path}: the path table at sector '
                    f'{first + self.tree.shift} claims {length} bytes')
            rows = path_table.parse(self.tree.source.read(
                (first + self.tree.shift) * SECTOR, length,
                'the path table'), '<')
            if not rows:
                raise errors.CorruptImageError(
                    f'{self.tree.source.path}: the path table at sector '
                    f'{first + self.tree.shift} is empty: the image is '
                    f'damaged')
            rows = path_table.changed(rows, moved, created,
                                      self.tree.kind == 'joliet')
            start = descriptor.sector * SECTOR
            tables = [path_table.pack(rows, order) for order in '<>']
            for index, address in enumerate(descriptor.path_tables):
                if not address:
                    continue
                data = tables[index // 2]
                place = done.get(address)
                if place is None:
                    place = self._store_table(address, length, data)
                    done[address] = place
                if place != address:
                    self.canvas.patch(
                        start + 140 + 4 * index, place.to_bytes(
                            4, 'little' if index < 2 else 'big'))
            self.canvas.patch(start + 132, volume.both32(len(tables[0])))

    def _store_table(self, address: int, length: int, data: bytes) -> int:
        if -(-len(data) // SECTOR) <= -(-length // SECTOR):
            self.canvas.patch((address + self.tree.shift) * SECTOR, data)
            return address
        return self.canvas.place([segs.Literal(data)]) - self.tree.shift


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
    return _NOT_JOLIET.sub('_', name)[:_JOLIET_NAME]


def _level1(text: str) -> str:
    return _NOT_LEVEL1.sub('_', text.upper())
