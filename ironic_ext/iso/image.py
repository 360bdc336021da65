# SPDX-License-Identifier: Apache-2.0

"""A bootable ISO, opened: its trees, partitions and boot images.

Nothing is read before it is asked for, so opening costs the same for any
size of image. The image is never written.
"""

import functools
import os
import types
import typing

from ironic_ext.iso.ecma119 import tree as tree_module
from ironic_ext.iso.ecma119 import volume
from ironic_ext.iso import el_torito
from ironic_ext.iso import errors
from ironic_ext.iso.fat import volume as fat
from ironic_ext.iso import partitions
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
#: Preference among trees, as a reader on Linux or in a boot loader has it.
_RANK = {'rock ridge': 0, 'joliet': 1, 'iso9660': 2}

Entry = tree_module.Entry


class Esp:
    """An EFI system partition of the image.

    :ivar start: byte offset in the image.
    :ivar size: bytes.
    :ivar volume: its FAT file system.
    """

    def __init__(self, source: base_source.Source, start: int,
                 size: int) -> None:
        """Read its boot sector.

        :raises: CorruptImageError when it is no FAT.
        """
        self.start = start
        self.volume = fat.FatVolume(
            lambda offset, length: source.read(
                start + offset, length, 'the EFI system partition'), size)
        self.size = min(size, self.volume.geometry.total)


class IsoImage:
    """An open ISO image; a context manager."""

    def __init__(self, source: base_source.Source) -> None:
        self.source = source
        self.volumes = volume.read(source)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> 'IsoImage':
        """Open the image in a file.

        :raises: NotAnIsoError, CorruptImageError, or IsoError when the file
            cannot be read.
        """
        source = base_source.BufferedSource(path)
        try:
            return cls(source)
        except errors.IsoError:
            source.close()
            raise

    @property
    def path(self) -> str:
        """The path as given."""
        return self.source.path

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return self.source.size

    @property
    def volume_id(self) -> str:
        """The volume identifier of the primary descriptor."""
        return self.volumes.primary.volume_id

    @property
    def label(self) -> str:
        """What udev calls it, and with it the systems that look for it."""
        return self.volumes.label

    @functools.cached_property
    def tables(self) -> partitions.Tables:
        """The partition tables that the image has."""
        return partitions.read(self.source)

    @functools.cached_property
    def boot_entries(self) -> tuple[el_torito.BootEntry, ...]:
        """The entries of the El Torito boot catalog, if any."""
        if self.volumes.boot_catalog is None:
            return ()
        return el_torito.read(self.source, self.volumes.boot_catalog)

    @functools.cached_property
    def inner_volumes(self) -> volume.DescriptorSet | None:
        """The descriptors of a second tree, relative to a partition.

        An image made with a partition offset has them, for when it is
        read as a disk's partition.
        """
        starts = {partition.start for partition in self.tables.partitions
                  if not partition.esp}
        for start in sorted(starts):
            if start and start % SECTOR == 0 and start < self.size:
                try:
                    return volume.read(self.source, start // SECTOR)
                except errors.NotAnIsoError:
                    continue
        return None

    @functools.cached_property
    def trees(self) -> tuple[tree_module.Tree, ...]:
        """Every directory tree, the one to read by first."""
        grouped: dict[tuple[int, int], list[volume.Descriptor]] = {}
        for descriptors in (self.volumes, self.inner_volumes):
            for one in descriptors.descriptors if descriptors else ():
                grouped.setdefault((one.shift, one.root[0]),
                                   []).append(one)
        found = [tree_module.Tree(self.source, tuple(group))
                 for group in grouped.values()]
        return tuple(sorted(
            found, key=lambda tree: (tree.shift, _RANK[tree.kind])))

    @functools.cached_property
    def has_hfs(self) -> bool:
        """Whether an HFS+ file system names its files once more.

        Its header is 1024 bytes behind the start of the image or of a
        partition (Apple, Technical Note TN1150).
        """
        places = {0, *(partition.start for partition
                       in self.tables.partitions)}
        return any(self.source.read(place + 1024, 2, 'a file system')
                   in (b'H+', b'HX') for place in places
                   if place + 1026 <= self.size)

    def require_whole(self) -> None:
        """Refuse an image that ends before its file system does.

        :raises: CorruptImageError
        """
        claimed = self.volumes.primary.sectors * SECTOR
        if claimed > self.size:
            raise errors.CorruptImageError(
                f'{self.path} has {self.size} bytes and its file system '
                f'{claimed}: it is truncated; download it again')

    def forget_trees(self) -> None:
        """Have the trees read anew when they are needed again."""
        self.__dict__.pop('trees', None)

    @property
    def main(self) -> tree_module.Tree:
        """The tree that paths refer to."""
        return self.trees[0]

    @functools.cached_property
    def esps(self) -> tuple[Esp, ...]:
        """The EFI system partitions that El Torito and the tables name.

        What is no FAT is left out.
        """
        places: dict[int, int] = {}
        for partition in self.tables.partitions:
            if partition.esp:
                places.setdefault(partition.start, partition.length)
        for entry in self.boot_entries:
            if entry.platform == 'uefi':
                # The block count is often wrong; FAT says its own size.
                start = entry.sector * SECTOR
                places.setdefault(start, self.size - start)
        found = []
        for start, length in sorted(places.items()):
            try:
                found.append(Esp(self.source, start,
                                 min(length, self.size - start)))
            except errors.CorruptImageError:
                continue
        return tuple(found)

    def stat(self, path: str) -> Entry:
        """Describe a path; symbolic links are followed.

        :raises: NoSuchPathError, CorruptImageError
        """
        found = self.main.find(path)
        if found is None:
            raise errors.NoSuchPathError(
                f'{self.path}: no such file or directory in the image: '
                f'{path}')
        return self.main.entry(*found)

    def listdir(self, path: str = '/') -> list[Entry]:
        """Return the entries of a directory, sorted by name.

        :raises: NoSuchPathError, CorruptImageError
        """
        entry = self.stat(path)
        if not entry.is_dir:
            raise errors.NoSuchPathError(
                f'{self.path}: {path} is not a directory')
        folder = self.main.folder(entry.path)
        assert folder is not None
        prefix = entry.path.rstrip('/')
        return [self.main.entry(f'{prefix}/{name}', folder.children[name])
                for name in sorted(folder.children)]

    def walk(self, path: str = '/') -> typing.Iterator[Entry]:
        """Yield every entry below a directory, without following links.

        :raises: CorruptImageError
        """
        return self.main.walk(path)

    def read_file(self, path: str, offset: int = 0,
                  length: int | None = None) -> bytes:
        """Return content of a file.

        :param offset: first byte wanted.
        :param length: bytes wanted, None for the rest.
        :raises: NoSuchPathError, CorruptImageError; IsoError for content
            that is stored compressed (zisofs).
        """
        entry = self.stat(path)
        if entry.is_dir:
            raise errors.NoSuchPathError(
                f'{self.path}: {path} is a directory')
        return self.read_entry(entry, offset, length)

    def read_entry(self, entry: Entry, offset: int = 0,
                   length: int | None = None) -> bytes:
        """Return content of an entry; see :meth:`read_file`."""
        if entry.compressed:
            raise errors.IsoError(
                f'{self.path}: {entry.path} is stored compressed (zisofs), '
                f'which is not read')
        end = entry.size if length is None else min(offset + length,
                                                    entry.size)
        parts = []
        base = 0
        for start, size in entry.sections:
            low, high = max(offset, base), min(end, base + size)
            if low < high:
                parts.append(self.source.read(
                    start + low - base, high - low, entry.path))
            base += size
        return b''.join(parts)

    def close(self) -> None:
        """Close the file of the image."""
        self.source.close()

    def __enter__(self) -> 'IsoImage':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self.close()
