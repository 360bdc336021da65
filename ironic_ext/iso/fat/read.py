# SPDX-License-Identifier: Apache-2.0

"""FAT12, FAT16 and FAT32 volumes: lookups and reading, block by block.

A hostile volume (loops, values out of range, a cut-off end) ends in a
CorruptImageError that says where.
"""

from collections.abc import Callable
from collections.abc import Iterator

from ironic_ext.iso import errors
from ironic_ext.iso.fat import layout

#: Reads ``length`` bytes at ``offset`` of the volume.
Reader = Callable[[int, int], bytes]

# A directory may have 65536 records (specification, section 6).
MAX_DIRECTORY = 65536 * layout.SLOT
_MAX_DEPTH = 64
_MAX_ENTRIES = 100_000
_BLOCK = 4096
#: The root directory of any volume.
ROOT = layout.FatEntry('', '/', True, 0, 0, 0, b'')


class FatReader:
    """A FAT volume, read lazily.

    :param read: reads bytes of the volume.
    :param size: bytes of the file or partition that holds it.
    :param geometry: where it is known already.
    :raises CorruptImageError: when it is not a FAT volume; so does every
        method for what is out of range, cyclic or cross-linked.
    """

    def __init__(self, read: Reader, size: int,
                 geometry: layout.Geometry | None = None) -> None:
        self._reader = read
        self.size = size
        self._blocks: dict[int, bytes] = {}
        if geometry is not None:
            self.geometry = geometry
            return
        self.geometry = layout.parse_geometry(self._read(0, 512))
        if self.geometry.data > size:
            raise errors.CorruptImageError(
                'the FAT volume is cut off: its data starts at byte %d of %d'
                % (self.geometry.data, size))

    @property
    def bits(self) -> int:
        """12, 16 or 32."""
        return self.geometry.bits

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the volume.

        :raises CorruptImageError: when they are outside.
        """
        return self._read(offset, length)

    def lookup(self, path: str) -> layout.FatEntry | None:
        """Find a path, whatever its case; None if there is none."""
        entry = ROOT
        for name in parts(path):
            if not entry.is_dir:
                return None
            found = self.find(entry, name)
            if found is None:
                return None
            entry = found
        return entry

    def listdir(self, path: str = '/') -> list[layout.FatEntry]:
        """List a directory in its own order.

        :raises NoSuchPathError: when it is not a directory.
        """
        entry = self.lookup(path)
        if entry is None or not entry.is_dir:
            raise errors.NoSuchPathError(
                'the FAT volume has no directory %s' % path)
        return list(self._entries(entry))

    def read_file(self, path: str) -> bytes:
        """Return a file's content.

        :raises NoSuchPathError: when it is not a file.
        """
        entry = self.lookup(path)
        if entry is None or entry.is_dir:
            raise errors.NoSuchPathError(
                'the FAT volume has no file %s' % path)
        return b''.join(self._read(offset, length) for offset, length
                        in self.extents(entry))

    def extents(self, entry: layout.FatEntry) -> Iterator[tuple[int, int]]:
        """Yield (offset, length) of a file's content, in order, joined."""
        geo = self.geometry
        count = -(-entry.size // geo.cluster)
        if count > geo.clusters:
            raise errors.CorruptImageError(
                'the file %s of the FAT volume claims %d bytes, more than '
                'the volume holds' % (entry.path, entry.size))
        left = entry.size
        start = length = 0
        for cluster in self._chain(entry.cluster, count, entry.path):
            offset, part = geo.offset(cluster), min(left, geo.cluster)
            left -= part
            if length and offset == start + length:
                length += part
            else:
                if length:
                    yield start, length
                start, length = offset, part
        if left:
            raise errors.CorruptImageError(
                'the file %s of the FAT volume ends %d bytes early'
                % (entry.path, left))
        if length:
            yield start, length

    def walk(self) -> Iterator[layout.FatEntry]:
        """Yield every file and directory below the root, parents first."""
        pending = [(ROOT, 0)]
        # The root of FAT32 may be named by its cluster as well.
        seen = {self.geometry.root_cluster} - {0}
        count = 0
        while pending:
            directory, depth = pending.pop()
            if directory.cluster in seen or depth > _MAX_DEPTH:
                raise errors.CorruptImageError(
                    'the directories of the FAT volume form a loop at %s'
                    % directory.path)
            seen.add(directory.cluster)
            for entry in self._entries(directory):
                count += 1
                if count > _MAX_ENTRIES:
                    raise errors.CorruptImageError(
                        'the FAT volume has more than %d files'
                        % _MAX_ENTRIES)
                yield entry
                if entry.is_dir:
                    pending.append((entry, depth + 1))

    def _entries(self, directory: layout.FatEntry
                 ) -> Iterator[layout.FatEntry]:
        return layout.entries(self._slots(directory), directory.path,
                              self.geometry.bits)

    def find(self, directory: layout.FatEntry, name: str
             ) -> layout.FatEntry | None:
        """Find a name in a directory, whatever its case."""
        return layout.by_name(self._entries(directory)).get(name.upper())

    def _slots(self, directory: layout.FatEntry
               ) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, record) of a directory up to its end mark."""
        for offset, length in self._directory_extents(directory):
            data = self._read(offset, length)
            for at in range(0, length, layout.SLOT):
                if not data[at]:
                    return
                yield offset + at, data[at:at + layout.SLOT]

    def _directory_extents(self, directory: layout.FatEntry
                           ) -> Iterator[tuple[int, int]]:
        geo = self.geometry
        cluster = directory.cluster
        if not cluster:
            if directory.path != '/':
                raise errors.CorruptImageError(
                    'the directory %s of the FAT volume has no cluster'
                    % directory.path)
            if geo.bits != 32:
                yield geo.root, geo.root_entries * layout.SLOT
                return
            cluster = geo.root_cluster
        size = 0
        for number in self._chain(cluster, None, directory.path):
            size += geo.cluster
            if size > max(MAX_DIRECTORY, geo.cluster):
                raise errors.CorruptImageError(
                    'the directory %s of the FAT volume is too long'
                    % directory.path)
            yield geo.offset(number), geo.cluster

    def _chain(self, cluster: int, count: int | None,
               path: str) -> Iterator[int]:
        """Follow a chain; at most ``count`` clusters, or to its end."""
        seen: set[int] = set()
        geo = self.geometry
        while count is None or len(seen) < count:
            if cluster >= geo.end_mark and seen:
                return
            if not 2 <= cluster < geo.clusters + 2:
                raise errors.CorruptImageError(
                    '%s of the FAT volume refers to cluster %d of %d'
                    % (path, cluster, geo.clusters))
            if cluster in seen:
                raise errors.CorruptImageError(
                    'the cluster chain of %s of the FAT volume is a loop'
                    % path)
            seen.add(cluster)
            yield cluster
            if count is None or len(seen) < count:
                cluster = self._next(cluster)

    def _next(self, cluster: int) -> int:
        geo = self.geometry
        base = geo.reserved + geo.active_fat * geo.fat
        if geo.bits == 12:
            value = int.from_bytes(
                self._cached(base + cluster * 3 // 2, 2), 'little')
            return value >> 4 if cluster % 2 else value & 0xfff
        width = geo.bits // 8
        value = int.from_bytes(
            self._cached(base + cluster * width, width), 'little')
        return value & 0x0fffffff

    def _cached(self, offset: int, length: int) -> bytes:
        """Read a few bytes, by way of a cached block."""
        data = b''
        while len(data) < length:
            at = offset + len(data)
            number = at // _BLOCK
            block = self._blocks.get(number)
            if block is None:
                start = number * _BLOCK
                block = self._read(start, min(_BLOCK, self.size - start))
                self._blocks[number] = block
            part = block[at % _BLOCK:][:length - len(data)]
            if not part:
                break
            data += part
        return data

    def _read(self, offset: int, length: int) -> bytes:
        data = b''
        if 0 <= offset and 0 <= length and offset + length <= self.size:
            data = self._reader(offset, length)
        if len(data) != length:
            raise errors.CorruptImageError(
                'the FAT volume is cut off: bytes %d to %d are outside its '
                '%d bytes' % (offset, offset + length, self.size))
        return data


def parts(path: str) -> list[str]:
    """The components of a path."""
    return [part for part in path.split('/') if part]
