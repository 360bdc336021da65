# SPDX-License-Identifier: Apache-2.0

"""Changes to a FAT volume, gathered in memory: files in, byte patches out.

Works on an overlay of sectors over the volume's reader; the table is
loaded whole, as free clusters have to be found.
"""

import array
import collections
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import struct
import sys

from ironic_ext.iso import errors
from ironic_ext.iso.fat import layout
from ironic_ext.iso.fat import read

#: Bytes of directory records that one entry can need: 20 for 255
#: characters, and the short one.
MAX_RECORDS = 21 * layout.SLOT

# Numbers of a table that are compared at once.
_RUN = 1024
# So many clusters are looked for one by one.
_FEW = 16
_INFO_SIGNATURES = (0x41615252, 0x61417272)


class OutOfClusters(errors.NoSpaceError):
    """The free clusters are used up."""


class Change(read.FatReader):
    """The volume as it will be.

    :param base: the volume as it is.
    :param spare: clusters to pretend behind the volume's end; patches()
        has no meaning then.
    """

    def __init__(self, base: read.FatReader, spare: int = 0) -> None:
        geo = base.geometry
        if geo.total > base.size:
            raise errors.CorruptImageError(
                'the FAT volume is cut off: it claims %d bytes and has %d'
                % (geo.total, base.size))
        self._original = _load_table(base.read(
            geo.reserved + geo.active_fat * geo.fat, geo.fat), geo)
        self.table = self._original[:]
        size = base.size
        if spare:
            self.table.extend([0] * spare)
            size = max(size, geo.offset(geo.clusters + 2)
                       + spare * geo.cluster)
            geo = geo._replace(clusters=geo.clusters + spare)
        super().__init__(base.read, size, geo)
        self._volume = base
        self._sectors: dict[int, bytearray] = {}
        self._next_free = 2
        self._own: set[int] = set()

    @property
    def free(self) -> int:
        """The number of free clusters."""
        return self.table[2:].count(0)

    @property
    def used_spare(self) -> int:
        """How many of the pretended clusters are in use."""
        spare = self.table[self._volume.geometry.clusters + 2:]
        return len(spare) - spare.count(0)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace or create files, and the directories they need.

        :raises OutOfClusters: when there is no free cluster left.
        :raises NoSpaceError: when a fixed root directory is full.
        :raises InjectionError: for a path that cannot be a file here.
        """
        for path, data in sorted(files.items()):
            names = read.parts(path)
            if not names or len(data) > 0xffffffff:
                raise errors.InjectionError(
                    'a file at %r of %d bytes cannot be written to a FAT '
                    'volume' % (path, len(data)))
            for name in names:
                layout.check_name(name, path)
            directory = read.ROOT
            for name in names[:-1]:
                directory = self._enter(directory, name, path)
            self._put(directory, names[-1], data, path)

    def patches(self) -> list[tuple[int, bytes]]:
        """Return (offset, bytes), sorted and apart from one another."""
        self._store_table()
        result: list[tuple[int, bytearray]] = []
        unit = self.geometry.sector
        for number, new in sorted(self._sectors.items()):
            old = self._base(number * unit, unit)
            if new == old:
                continue
            start, end = _difference(old, new)
            at = number * unit + start
            if result and result[-1][0] + len(result[-1][1]) == at:
                result[-1][1].extend(new[start:end])
            else:
                result.append((at, new[start:end]))
        return [(at, bytes(data)) for at, data in result]

    def _enter(self, directory: layout.FatEntry, name: str,
               path: str) -> layout.FatEntry:
        entry = self.find(directory, name)
        if entry is None:
            cluster = self._allocate(1)[0]
            parent = directory.cluster
            dots = b''.join(
                layout.short_record(
                    short.ljust(11), layout.ATTR_DIRECTORY, number, 0)
                for short, number in ((b'.', cluster), (b'..', parent)))
            self._write(self.geometry.offset(cluster),
                        dots.ljust(self.geometry.cluster, b'\0'))
            self._add(directory, name, layout.ATTR_DIRECTORY, cluster, 0)
            entry = self.find(directory, name)
        if entry is None or not entry.is_dir:
            raise errors.InjectionError(
                'cannot write %s: %s is a file of the FAT volume, not a '
                'directory' % (path, name))
        return entry

    def _put(self, directory: layout.FatEntry, name: str, data: bytes,
             path: str) -> None:
        geo = self.geometry
        need = -(-len(data) // geo.cluster)
        entry = self.find(directory, name)
        if entry is not None and entry.is_dir:
            raise errors.InjectionError(
                'cannot write %s: it is a directory of the FAT volume' % path)
        chain = []
        if entry is not None and entry.cluster:
            chain = list(self._chain(entry.cluster, None, entry.path))
            self._check_unshared(chain, entry.path)
        chain = self._resize(chain, need)
        first = chain[0] if chain else 0
        for index, cluster in enumerate(chain):
            part = data[index * geo.cluster:(index + 1) * geo.cluster]
            self._write(geo.offset(cluster), part)
        if entry is None:
            self._add(directory, name, layout.ATTR_ARCHIVE, first,
                      len(data))
            return
        self._write(entry.slot + 20, struct.pack('<H', first >> 16)
                    if geo.bits == 32 else b'')
        self._write(entry.slot + 26,
                    struct.pack('<HI', first & 0xffff, len(data)))

    def _add(self, directory: layout.FatEntry, name: str,
             attributes: int, cluster: int, size: int) -> None:
        """Add an entry to a directory, which grows if need be."""
        taken = {entry.short_name for entry in self._entries(directory)}
        new = layout.records(name, taken, attributes, cluster, size)
        places, behind = self._free_slots(directory, len(new))
        for offset, record in zip(places, new):
            self._write(offset, record)
        if behind is not None:
            # The end mark has moved on.
            self._write(behind, b'\0')

    def _free_slots(self, directory: layout.FatEntry,
                    count: int) -> tuple[list[int], int | None]:
        """Find ``count`` records in a row.

        :returns: their offsets, and that of the record that must become
            the end mark, if any.
        """
        run: list[int] = []
        ended = False
        total = 0
        for offset, length in list(self._directory_extents(directory)):
            data = self._read(offset, length)
            for at in range(0, length, layout.SLOT):
                if len(run) == count:
                    return run, offset + at if ended else None
                ended = ended or not data[at]
                if ended or data[at] == layout.DELETED:
                    run.append(offset + at)
                else:
                    run = []
            total += length
        if len(run) == count:
            return run, None
        unit = self.geometry.cluster
        more = -(-(count - len(run)) * layout.SLOT // unit)
        first = directory.cluster or self.geometry.root_cluster
        if not first or total + more * unit > max(
                read.MAX_DIRECTORY, unit):
            raise errors.NoSpaceError(
                'the directory %s of the FAT volume is full'
                % directory.path, count * layout.SLOT,
                len(run) * layout.SLOT)
        chain = list(self._chain(first, None, directory.path))
        self._check_unshared(chain, directory.path)
        for cluster in self._resize(chain, len(chain) + more)[len(chain):]:
            start = self.geometry.offset(cluster)
            self._write(start, bytes(unit))
            run += range(start, start + unit, layout.SLOT)
        return run[:count], None

    def _resize(self, chain: Sequence[int], count: int) -> list[int]:
        """Free the end of a chain, or extend it."""
        for cluster in chain[count:]:
            self.table[cluster] = 0
            self._next_free = min(self._next_free, cluster)
        result = list(chain[:count])
        result += self._allocate(count - len(result))
        for cluster, following in zip(result, result[1:]):
            self.table[cluster] = following
        if result:
            self.table[result[-1]] = self.geometry.end_mark | 7
        return result

    def _allocate(self, count: int) -> list[int]:
        """Take free clusters, each the end of its own chain for now."""
        result: list[int] = []
        for _number in range(count):
            cluster = self._next_free
            try:
                cluster = self.table.index(0, cluster)
                while self._references.count(cluster) \
                        and cluster not in self._own \
                        and not self._was_used(cluster):
                    # Marked free, and yet a file or a chain names it.
                    cluster = self.table.index(0, cluster + 1)
            except ValueError:
                raise OutOfClusters('the FAT volume is full') from None
            self.table[cluster] = self.geometry.end_mark | 7
            self._own.add(cluster)
            self._next_free = cluster + 1
            result.append(cluster)
        return result

    def _was_used(self, cluster: int) -> bool:
        return cluster < len(self._original) \
            and bool(self._original[cluster])

    @functools.cached_property
    def _references(self) -> '_References':
        starts = collections.Counter(
            entry.cluster for entry in self._volume.walk())
        starts[self.geometry.root_cluster] += 1
        return _References(self._original, starts)

    def _check_unshared(self, chain: Sequence[int], path: str) -> None:
        for cluster in chain:
            if cluster not in self._own \
                    and self._references.count(cluster) > 1:
                raise errors.CorruptImageError(
                    '%s shares cluster %d of the FAT volume with another '
                    'file; repair the volume first' % (path, cluster))

    def _store_table(self) -> None:
        geo = self.geometry
        used = 0
        for cluster in _changed(self._original, self.table):
            new = self.table[cluster]
            used += bool(new) - bool(self._original[cluster])
            for copy in range(geo.fats):
                self._store(geo.reserved + copy * geo.fat, cluster, new)
        if not used or not geo.info:
            return
        sector = self._read(geo.info, 512)
        first, = struct.unpack_from('<I', sector, 0)
        second, free, _next = struct.unpack_from('<III', sector, 484)
        if (first, second) == _INFO_SIGNATURES and free <= geo.clusters:
            self._write(geo.info + 488, struct.pack('<I', max(
                0, min(geo.clusters, free - used))))

    def _store(self, table: int, cluster: int, value: int) -> None:
        bits = self.geometry.bits
        if bits == 16:
            self._write(table + cluster * 2, struct.pack('<H', value))
        elif bits == 32:
            at = table + cluster * 4
            old = int.from_bytes(self._read(at, 4), 'little')
            self._write(at, struct.pack('<I', old & 0xf0000000 | value))
        else:
            at = table + cluster * 3 // 2
            old = int.from_bytes(self._read(at, 2), 'little')
            new = old & 0xf | value << 4 if cluster % 2 \
                else old & 0xf000 | value
            self._write(at, struct.pack('<H', new))

    def find(self, directory: layout.FatEntry, name: str
             ) -> layout.FatEntry | None:
        """Find a name in a directory, whatever its case."""
        # Before anything is written the volume knows its directories.
        if not self._sectors:
            return self._volume.find(directory, name)
        return super().find(directory, name)

    def _next(self, cluster: int) -> int:
        return self.table[cluster]

    def _base(self, offset: int, length: int) -> bytes:
        """Read the unchanged volume; what is pretended reads as zeros."""
        real = max(0, min(length, self._volume.size - offset))
        return self._volume.read(offset, real).ljust(length, b'\0')

    def _read(self, offset: int, length: int) -> bytes:
        if not self._sectors and offset + length <= self._volume.size:
            return super()._read(offset, length)
        data = bytearray(self._base(offset, length))
        unit = self.geometry.sector
        for number in range(offset // unit, -(-(offset + length) // unit)):
            sector = self._sectors.get(number)
            if sector is not None:
                start = max(offset, number * unit)
                end = min(offset + length, (number + 1) * unit)
                data[start - offset:end - offset] = sector[
                    start - number * unit:end - number * unit]
        return bytes(data)

    def _write(self, offset: int, data: bytes) -> None:
        unit = self.geometry.sector
        done = 0
        while done < len(data):
            number, at = divmod(offset + done, unit)
            sector = self._sectors.get(number)
            if sector is None:
                sector = bytearray(self._base(number * unit, unit))
                self._sectors[number] = sector
            part = data[done:done + unit - at]
            sector[at:at + len(part)] = part
            done += len(part)


def _difference(old: bytes, new: bytearray) -> tuple[int, int]:
    """Where unlike strings of one length first and last differ."""
    bits = int.from_bytes(old, 'big') ^ int.from_bytes(new, 'big')
    return (len(old) - (bits.bit_length() + 7) // 8,
            len(old) - ((bits & -bits).bit_length() - 1) // 8)


class _References:
    """How many chains and directory entries name a cluster."""

    def __init__(self, table: 'array.array[int]',
                 starts: collections.Counter[int]) -> None:
        self._table = table
        self._raw = table.tobytes()
        self._counts = starts
        self._asked = 0

    def count(self, cluster: int) -> int:
        """Count the references to a cluster; two stand for many."""
        self._asked += 1
        if self._asked == _FEW:
            self._counts.update(self._table)
        if self._asked >= _FEW:
            return self._counts[cluster]
        # A search in memory beats counting all of a large table.
        width = self._table.itemsize
        wanted = cluster.to_bytes(width, sys.byteorder)
        count = self._counts[cluster]
        at = self._raw.find(wanted)
        while at >= 0 and count < 2:
            count += at % width == 0
            at = self._raw.find(wanted, at + 1)
        return count


def _changed(old: 'array.array[int]', new: 'array.array[int]'
             ) -> Iterator[int]:
    """Yield where two tables differ; most of a large one does not."""
    for start in range(0, len(old), _RUN):
        if old[start:start + _RUN] != new[start:start + _RUN]:
            for cluster in range(start, min(start + _RUN, len(old))):
                if old[cluster] != new[cluster]:
                    yield cluster


# An image is customised for many nodes.
@functools.lru_cache(maxsize=4)
def _load_table(data: bytes, geo: layout.Geometry
                ) -> 'array.array[int]':
    """Decode a table: one number per cluster, those of 0 and 1 included."""
    count = geo.clusters + 2
    if geo.bits == 12:
        values = array.array('I', [
            value for one, two, three in zip(data[0::3], data[1::3],
                                             data[2::3])
            for value in (one | (two & 15) << 8, two >> 4 | three << 4)])
        if len(values) < count:
            # An odd number of clusters in a table cut to two bytes.
            values.append(int.from_bytes(data[-2:], 'little') & 0xfff)
        return values[:count]
    values = array.array('H' if geo.bits == 16 else 'I')
    values.frombytes(data[:count * values.itemsize])
    if sys.byteorder == 'big':
        values.byteswap()
    if geo.bits == 32 and data[3:count * 4:4].translate(
            None, bytes(range(16))):
        # The upper four bits are not part of the number.
        return array.array('I', (value & 0x0fffffff for value in values))
    return array.array('I', values)
