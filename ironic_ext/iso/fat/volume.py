# SPDX-License-Identifier: Apache-2.0

"""FAT12, FAT16 and FAT32 volumes (an ESP): read, and plan changes.

Nothing is written: plan() returns byte patches, grow() a bigger volume as
pieces of the present one. Deleting files is left out.
"""

from collections.abc import Iterator
from collections.abc import Mapping

from ironic_ext.iso import errors
from ironic_ext.iso.fat import layout
from ironic_ext.iso.fat import read as fat_read

FatEntry = layout.FatEntry
Piece = layout.Piece
Reader = fat_read.Reader


class FatVolume(fat_read.FatReader):
    """A FAT volume, read lazily; see FatReader for the arguments.

    The base does not change, so directories are kept once they are read.
    """

    def __init__(self, read: Reader, size: int) -> None:
        super().__init__(read, size)
        self._listed: dict[str, list[layout.FatEntry]] = {}
        self._named: dict[str, dict[str, layout.FatEntry]] = {}

    def _entries(self, directory: layout.FatEntry
                 ) -> Iterator[layout.FatEntry]:
        found = self._listed.get(directory.path)
        if found is None:
            found = list(super()._entries(directory))
            self._listed[directory.path] = found
        return iter(found)

    def find(self, directory: layout.FatEntry, name: str
             ) -> layout.FatEntry | None:
        """Find a name in a directory, whatever its case."""
        found = self._named.get(directory.path)
        if found is None:
            found = layout.by_name(self._entries(directory))
            self._named[directory.path] = found
        return found.get(name.upper())

    @property
    def free_bytes(self) -> int:
        """Bytes in free clusters."""
        from ironic_ext.iso.fat import change as fat_change
        change = fat_change.Change(self)
        return change.free * self.geometry.cluster

    def plan(self, files: Mapping[str, bytes]) -> list[tuple[int, bytes]]:
        """Plan to replace or create files; directories come as needed.

        :returns: (offset, bytes) patches of this volume, sorted, that do
            not overlap.
        :raises NoSpaceError: when the free clusters do not suffice.
        :raises InjectionError: when a path cannot be a file here.
        """
        from ironic_ext.iso.fat import change as fat_change
        change = fat_change.Change(self)
        try:
            change.write(files)
        except fat_change.OutOfClusters:
            unit = self.geometry.cluster
            have = fat_change.Change(self).free * unit
            need = have + self._shortage(files) * unit
            raise errors.NoSpaceError(
                'the FAT volume has %d bytes of free clusters, the files '
                'need %d' % (have, need), need, have) from None
        return change.patches()

    def grow(self, files: Mapping[str, bytes]) -> list[Piece]:
        """Plan a replacement volume that has room for the files.

        :returns: pieces of a volume whose length is a multiple of 2048.
        :raises NoSpaceError: when the FAT type cannot address the clusters
            that are needed, or a fixed root directory is full.
        """
        from ironic_ext.iso.fat import change as fat_change
        from ironic_ext.iso.fat import grow as fat_grow
        # One more, as mtools refuses a volume whose last cluster is in use.
        bigger = fat_grow.Enlarged(self._reader, self.size,
                                   self._shortage(files) + 1)
        change = fat_change.Change(FatVolume(bigger.read, bigger.size))
        change.write(files)
        return bigger.pieces(change.patches())

    def _shortage(self, files: Mapping[str, bytes]) -> int:
        """How many clusters are missing to hold the files."""
        from ironic_ext.iso.fat import change as fat_change
        # With room for everything anew, count what lies past the end.
        unit = self.geometry.cluster
        spare = sum(-(-len(data) // unit) + (path.count('/') + 1)
                    * (2 + -(-fat_change.MAX_RECORDS // unit))
                    for path, data in files.items())
        change = fat_change.Change(self, spare)
        change.write(files)
        return change.used_spare
