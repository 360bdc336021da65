# SPDX-License-Identifier: Apache-2.0

"""One directory tree of an image, read lazily.

A tree is what one volume descriptor names: Rock Ridge, Joliet, or plain
ISO 9660. Directories are read when a path goes through them and are kept.
"""

import codecs
import collections.abc
import functools
import stat
import typing

from ironic_ext.iso.ecma119 import directory as dirs
from ironic_ext.iso.ecma119 import rock_ridge
from ironic_ext.iso.ecma119 import volume
from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
_MAX_LINKS = 16
_MAX_DEPTH = 128
#: Directories that a walk visits at most.
_MAX_DIRECTORIES = 1_000_000


class Entry(typing.NamedTuple):
    """A file, directory or symbolic link of a tree.

    :ivar sections: (byte offset in the image, bytes) of the content; more
        than one for a file of 4 GiB and more.
    :ivar link_target: of a symbolic link, else None.
    """

    path: str
    is_dir: bool
    sections: tuple[tuple[int, int], ...]
    mode: int | None = None
    link_target: str | None = None
    compressed: bool = False

    @property
    def name(self) -> str:
        """Last component of the path."""
        return self.path.rpartition('/')[2]

    @property
    def size(self) -> int:
        """Bytes of content, of all sections."""
        return sum(length for _, length in self.sections)


class Node:
    """A name in a directory: its records and what they say.

    :ivar is_dir: whether this is a directory, relocated ones included.
    """

    __slots__ = ('name', 'records', 'rock_ridge', 'owner', 'directory',
                 'is_dir')

    def __init__(self, name: str, records: list[dirs.Record],
                 rr: rock_ridge.RockRidge, owner: 'Folder | None') -> None:
        self.name = name
        self.records = records
        self.rock_ridge = rr
        self.owner = owner
        self.directory: Folder | None = None
        self.is_dir = (bool(records[0].raw[25] & dirs.DIRECTORY)
                       or rr.child is not None)


class Folder:
    """A directory with its names.

    :ivar node: the name it goes by; None for the root.
    :ivar records: its records, to be changed and written back.
    """

    def __init__(self, node: Node | None, records: dirs.Directory) -> None:
        self.node = node
        self.records = records
        self.children: dict[str, Node] = {}
        self._folded: dict[str, Node] | None = None

    def add(self, node: Node) -> None:
        """Add a child; the first of a name is the one that counts."""
        self.children.setdefault(node.name, node)
        if self._folded is not None:
            self._folded.setdefault(node.name.casefold(), node)

    def find(self, name: str, ignore_case: bool) -> Node | None:
        """Return the child of that name."""
        found = self.children.get(name)
        if found is None and ignore_case:
            if self._folded is None:
                # Of names that differ in case the first is the one.
                self._folded = {
                    name.casefold(): node for name, node
                    in reversed(self.children.items())}
            found = self._folded.get(name.casefold())
        return found


class Tree:
    """One of the directory trees of an image.

    :ivar kind: ``rock ridge``, ``joliet`` or ``iso9660``.
    :ivar descriptors: those that name this root (an enhanced descriptor
        often shares the primary's).
    :ivar ignores_case: whether readers of this tree ignore the case of
        names.
    """

    def __init__(self, source: base_source.Source,
                 descriptors: tuple[volume.Descriptor, ...]) -> None:
        """Read the root directory.

        :raises: CorruptImageError
        """
        self.source = source
        self.descriptors = descriptors
        self.shift = descriptors[0].shift
        self.skip = 0
        extent, size = descriptors[0].root
        what = f'the root directory ({descriptors[0].kind} tree)'
        records = dirs.Directory.read(source, self.shift, extent, size,
                                      what)
        self.kind = 'iso9660'
        if descriptors[0].kind == 'joliet':
            self.kind = 'joliet'
        else:
            skip = rock_ridge.skip_length(records.own.area)
            if skip is not None:
                self.skip = skip
                self.kind = 'rock ridge'
        self.ignores_case = self.kind != 'rock ridge'
        self.root = self._folder(None, records, '/')

    def _folder(self, node: Node | None, records: dirs.Directory,
                path: str) -> Folder:
        folder = Folder(node, records)
        every = records.records()
        found: collections.abc.Iterable[_Name] | None = None
        if len(records.medium) <= dirs.MAX_KEPT:
            found = _kept_names(records.medium, self.kind, self.skip)
        if found is None:
            found = _names(every, self.kind, self.skip, functools.partial(
                rock_ridge.continued, self.source, self.shift, path))
        for name, first, end, rr in found:
            if name in ('', '.', '..') or '/' in name or '\0' in name:
                raise errors.CorruptImageError(
                    f'{self.source.path}: {path} holds the name {name!r}, '
                    f'which cannot be a name of a file')
            # The first of a name is the one that counts.
            folder.children.setdefault(
                name, Node(name, every[first:end], rr, folder))
        return folder

    def plain_name(self, identifier: bytes) -> str:
        """Return the name that an identifier stands for."""
        return _plain_name(identifier, self.kind)

    def enter(self, node: Node, path: str) -> Folder:
        """Return the directory that a node names.

        :raises: CorruptImageError
        """
        if node.directory is None:
            extent, size = node.records[0].extent, node.records[0].size
            if node.rock_ridge.child is not None:
                extent = node.rock_ridge.child
                # Only its own record knows its size.
                first = dirs.Directory.read(self.source, self.shift, extent,
                                            SECTOR, path)
                size = first.own.size
            above: Folder | None = node.owner
            depth = 0
            while above is not None:
                depth += 1
                if above.records.extent == extent or depth > _MAX_DEPTH:
                    raise errors.CorruptImageError(
                        f'{self.source.path}: the directory {path} '
                        f'contains itself, or is deeper than {_MAX_DEPTH}')
                above = above.node.owner if above.node else None
            node.directory = self._folder(
                node, dirs.Directory.read(self.source, self.shift, extent,
                                          size, path), path)
        return node.directory

    def find(self, path: str, *, ignore_case: bool = False
             ) -> tuple[str, Node | None] | None:
        """Resolve a path, through symbolic links.

        :returns: (the resolved path, its node; None for the root), or None
            when there is no such path.
        :raises: CorruptImageError
        """
        ignore = ignore_case or self.ignores_case
        todo = [part for part in reversed(path.split('/'))
                if part and part != '.']
        folder = self.root
        done: list[str] = []
        links = 0
        node: Node | None = None
        while todo:
            part = todo.pop()
            if part == '..':
                done = done[:-1]
                folder = (folder.node.owner or self.root
                          if folder.node else self.root)
                node = folder.node
                continue
            if node is not None and not node.is_dir:
                return None
            found = folder.find(part, ignore)
            if found is None:
                return None
            if found.rock_ridge.link is not None:
                links += 1
                if links > _MAX_LINKS:
                    return None
                if found.rock_ridge.link.startswith('/'):
                    folder, done, node = self.root, [], None
                todo.extend(
                    part for part in
                    reversed(found.rock_ridge.link.split('/'))
                    if part not in ('', '.'))
                continue
            node = found
            done.append(found.name)
            if found.is_dir:
                folder = found.directory or self.enter(
                    found, '/' + '/'.join(done))
        return '/' + '/'.join(done), node

    def folder(self, path: str, *, ignore_case: bool = False
               ) -> Folder | None:
        """Return the directory of that path, or None."""
        found = self.find(path, ignore_case=ignore_case)
        if found is None:
            return None
        where, node = found
        if node is None:
            return self.root
        return self.enter(node, where) if node.is_dir else None

    def entry(self, path: str, node: Node | None) -> Entry:
        """Describe a node, None for the root."""
        if node is None:
            return Entry('/', True, self._sections([self.root.records.own]),
                         mode=stat.S_IFDIR | 0o555)
        return Entry(
            path, node.is_dir, self._sections(node.records),
            mode=node.rock_ridge.mode, link_target=node.rock_ridge.link,
            compressed=node.rock_ridge.compressed)

    def _sections(self, records: list[dirs.Record]
                  ) -> tuple[tuple[int, int], ...]:
        return tuple([((record.extent + self.shift) * SECTOR, record.size)
                      for record in records])

    def walk(self, path: str = '/') -> collections.abc.Iterator[Entry]:
        """Yield every entry below a directory, parents first.

        Symbolic links are not followed.

        :raises: CorruptImageError
        """
        start = self.folder(path)
        if start is None:
            return
        todo = [(path.rstrip('/'), start)]
        count = 0
        while todo:
            prefix, folder = todo.pop()
            count += 1
            if count > _MAX_DIRECTORIES:
                raise errors.CorruptImageError(
                    f'{self.source.path}: more than {_MAX_DIRECTORIES} '
                    f'directories')
            for name in sorted(folder.children):
                node = folder.children[name]
                where = f'{prefix}/{name}'
                yield self.entry(where, node)
                if node.is_dir:
                    todo.append((where, self.enter(node, where)))


class _Name(typing.NamedTuple):
    """A name in a directory, and which of its records it has."""

    name: str
    first: int
    end: int
    rock_ridge: rock_ridge.RockRidge


class _ApartError(Exception):
    """What a directory says is not all in its own extent."""


# A base is customised for many nodes, and has small directories.
@functools.lru_cache(maxsize=64)
def _kept_names(medium: bytes, kind: str, skip: int
                ) -> tuple[_Name, ...] | None:
    """Return what a directory names; None where it needs more than that.

    :param medium: what its extent holds.
    """
    def continued(hops: int, place: tuple[int, int, int]) -> bytes:
        raise _ApartError
    try:
        return tuple(_names(dirs.records_of(medium), kind, skip, continued))
    except _ApartError:
        return None


def _names(records: list[dirs.Record], kind: str, skip: int,
           continued: rock_ridge.Continued
           ) -> collections.abc.Iterator[_Name]:
    """Yield what the records of a directory name.

    :param kind: of the tree, as ``skip`` is.
    """
    for first, end in _groups(records):
        rr = rock_ridge.NOTHING
        name = None
        if kind == 'rock ridge':
            area = records[first].area
            rr = rock_ridge.parse(area[skip:] if skip else area, continued)
            if rr.relocated:
                continue
            name = rr.name
        if name is None:
            name = _plain_name(records[first].identifier, kind)
        yield _Name(name, first, end, rr)


def _groups(records: list[dirs.Record]
            ) -> collections.abc.Iterator[tuple[int, int]]:
    """Yield which records (first, behind the last) are of one file."""
    first = 0
    for number, record in enumerate(records):
        if (first < number
                and records[first].identifier != record.identifier):
            yield first, number
            first = number
        if not record.flags & dirs.MULTI_EXTENT:
            yield first, number + 1
            first = number + 1
    if first < len(records):
        yield first, len(records)


def _plain_name(identifier: bytes, kind: str) -> str:
    if kind == 'joliet':
        # Much faster than bytes.decode().
        text, _ = codecs.utf_16_be_decode(identifier, 'replace', True)
    else:
        text = identifier.decode('utf-8', 'surrogateescape')
    name, mark, version = text.rpartition(';')
    if not mark or not version.isdigit():
        name = text
    if kind != 'joliet' and name.endswith('.') and len(name) > 1:
        name = name[:-1]
    return name
