# SPDX-License-Identifier: Apache-2.0

"""File systems that boot loaders read: the image's tree, an ESP, an archive.

All answer the same questions, whatever the case of names; changes that are
planned can stand for what is there.
"""

import collections.abc
import types
import typing

from ironic_ext.iso import errors
from ironic_ext.iso.fat import volume as fat
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import pe
from ironic_ext import stored

#: Bytes of a configuration that is taken for one.
MAX_BYTES = 1 << 20

#: Paths that are looked up only once.
_MAX_KNOWN = 1024

Replaced = collections.abc.Mapping[str, stored.Content]
_NOTHING: Replaced = types.MappingProxyType({})


class Content(typing.NamedTuple):
    """A file to read parts of."""

    path: str
    size: int
    read: pe.Read


class Files(typing.Protocol):
    """A file system; paths ignore case."""

    def read(self, path: str) -> tuple[str, bytes] | None:
        """Return (its path as spelled there, content) of a small file."""

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, none when there is none."""

    def kind(self, path: str) -> str | None:
        """Return ``file``, ``dir`` or None."""

    def content(self, path: str) -> Content | None:
        """Return a file of any size."""


class TreeFiles:
    """The image's main tree.

    :param replaced: content that stands for what the image has.
    """

    def __init__(self, image: images.IsoImage,
                 replaced: Replaced = _NOTHING) -> None:
        self.image = image
        self.replaced = replaced
        self._entries: dict[str, images.Entry | None] = {}

    def _entry(self, path: str) -> images.Entry | None:
        try:
            return self._entries[path]
        except KeyError:
            found = self.image.main.find(path, ignore_case=True)
            entry = self.image.main.entry(*found) if found else None
            if len(self._entries) < _MAX_KNOWN:
                self._entries[path] = entry
            return entry

    def read(self, path: str) -> tuple[str, bytes] | None:
        """See :class:`Files`."""
        entry = self._entry(path)
        where = entry.path if entry else path
        if where in self.replaced:
            return _small(where, self.replaced[where])
        if entry is None or entry.is_dir or entry.size > MAX_BYTES:
            return None
        return where, self.image.read_entry(entry)

    def names(self, path: str) -> list[str]:
        """See :class:`Files`."""
        folder = self.image.main.folder(path, ignore_case=True)
        names = set(folder.children if folder else ())
        prefix = path.rstrip('/') + '/'
        names.update(new[len(prefix):].partition('/')[0]
                     for new in self.replaced if new.startswith(prefix))
        return sorted(names)

    def kind(self, path: str) -> str | None:
        """See :class:`Files`."""
        entry = self._entry(path)
        if entry is not None:
            return 'dir' if entry.is_dir else 'file'
        if path in self.replaced:
            return 'file'
        prefix = path.rstrip('/') + '/'
        return 'dir' if any(new.startswith(prefix)
                            for new in self.replaced) else None

    def content(self, path: str) -> Content | None:
        """See :class:`Files`."""
        entry = self._entry(path)
        new = self.replaced.get(entry.path if entry else path)
        if new is not None:
            return _given(entry.path if entry else path, new)
        if entry is None or entry.is_dir or entry.compressed:
            return None
        image, found = self.image, entry
        return Content(entry.path, entry.size, lambda offset, length:
                       image.read_entry(found, offset, length))


class FatFiles:
    """A FAT file system, of an ESP or a memdisk."""

    def __init__(self, volume: fat.FatVolume,
                 replaced: Replaced = _NOTHING) -> None:
        self.volume = volume
        self.replaced = replaced

    def read(self, path: str) -> tuple[str, bytes] | None:
        """See :class:`Files`."""
        entry = self.volume.lookup(path)
        where = entry.path if entry else path
        if where in self.replaced:
            return _small(where, self.replaced[where])
        if entry is None or entry.is_dir or entry.size > MAX_BYTES:
            return None
        return entry.path, self.volume.read_file(path)

    def names(self, path: str) -> list[str]:
        """See :class:`Files`."""
        try:
            names = [child.name for child in self.volume.listdir(path)]
        except errors.NoSuchPathError:
            names = []
        known = {name.casefold() for name in names}
        prefix = path.rstrip('/').casefold() + '/'
        for new in self.replaced:
            if new.casefold().startswith(prefix):
                name = new[len(prefix):].partition('/')[0]
                if name.casefold() not in known:
                    known.add(name.casefold())
                    names.append(name)
        return names

    def kind(self, path: str) -> str | None:
        """See :class:`Files`."""
        entry = self.volume.lookup(path)
        if entry is not None:
            return 'dir' if entry.is_dir else 'file'
        if path in self.replaced:
            return 'file'
        return 'dir' if self.replaced and self.names(path) else None

    def content(self, path: str) -> Content | None:
        """See :class:`Files`."""
        entry = self.volume.lookup(path)
        new = self.replaced.get(entry.path if entry else path)
        if new is not None:
            return _given(entry.path if entry else path, new)
        if entry is None or entry.is_dir:
            return None
        volume = self.volume
        pieces = list(volume.extents(entry))

        def read(offset: int, length: int) -> bytes:
            found = []
            for start, size in pieces:
                if offset < size and length > 0:
                    count = min(size - offset, length)
                    found.append(volume.read(start + offset, count))
                    length -= count
                offset = max(offset - size, 0)
            return b''.join(found)
        return Content(entry.path, entry.size, read)


class MemoryFiles:
    """Files that are held in memory, as a memdisk's are.

    :param files: absolute path -> content.
    """

    def __init__(self, files: collections.abc.Mapping[str, bytes]) -> None:
        self._files = {path.casefold(): (path, data)
                       for path, data in files.items()}

    def read(self, path: str) -> tuple[str, bytes] | None:
        """See :class:`Files`."""
        return self._files.get(path.casefold())

    def names(self, path: str) -> list[str]:
        """See :class:`Files`."""
        prefix = path.rstrip('/').casefold() + '/'
        return sorted({
            name[len(prefix):].partition('/')[0]
            for folded, (name, _) in self._files.items()
            if folded.startswith(prefix)})

    def kind(self, path: str) -> str | None:
        """See :class:`Files`."""
        if path.casefold() in self._files:
            return 'file'
        return 'dir' if self.names(path) else None

    def content(self, path: str) -> Content | None:
        """See :class:`Files`."""
        found = self._files.get(path.casefold())
        if found is None:
            return None
        return _given(*found)


def _given(path: str, data: stored.Content) -> Content:
    return Content(path, len(data), lambda offset, length:
                   data[offset:offset + length])


def _small(path: str, content: stored.Content) -> tuple[str, bytes] | None:
    """Return a file that is read whole, None if it is too large for that."""
    if len(content) > MAX_BYTES:
        return None
    return path, content[:]
