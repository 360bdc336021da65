# SPDX-License-Identifier: Apache-2.0

"""Where an image can grow, and what must agree once it has.

An image grows at its end. When its file system is a partition with others
behind it (an appended ESP), it grows at that partition's end instead, and
the tail moves back unchanged: so the added files are inside the file system
however the image is read, as a CD or as a disk.
"""

import typing

from ironic_ext.iso import canvas as canvases
from ironic_ext.iso.ecma119 import volume
from ironic_ext.iso import el_torito
from ironic_ext.iso import image as images
from ironic_ext.iso import partitions
from ironic_ext.iso import segments as segs

SECTOR = canvases.SECTOR
_PROTECTIVE = '0xee'
_FIRST_DESCRIPTOR = volume.FIRST * SECTOR
#: Bytes. Partitioned images stay whole in cylinders of 64 heads by 32
#: sectors, the geometry of isohybrid's MBR.
_CYLINDER = 1 << 20
#: Sectors behind everything else, as xorriso and mkisofs have them by
#: default. BIOS GRUB reads 32 KiB at a time, and a BIOS refuses to read
#: beyond the end of a CD.
_PADDING = 150


def insertion_point(image: images.IsoImage) -> int:
    """Return the absolute sector before which new sectors are inserted."""
    end = -(-image.size // SECTOR)
    inner = image.inner_volumes
    if inner is None:
        return end
    cut = inner.primary.shift + inner.primary.sectors
    places = [(p.start, p.end) for p in image.tables.partitions
              if p.kind != _PROTECTIVE]
    places += [(entry.sector * SECTOR, entry.sector * SECTOR + 1)
               for entry in image.boot_entries]
    if not any(place == cut * SECTOR for _, place in places):
        return end
    whole = all(low >= cut * SECTOR or high <= cut * SECTOR
                for low, high in places)
    return cut if whole and cut < end else end


class MovedEsp(typing.NamedTuple):
    """An ESP that got a new place, because it had to grow.

    :ivar old: its byte offset in the base.
    :ivar content: its segments, of the base and new ones.
    :ivar sector: its new absolute sector; None to place it last.
    """

    old: int
    content: tuple[segs.Segment, ...]
    sector: int | None

    @property
    def length(self) -> int:
        """Bytes of the new ESP."""
        return sum(piece.length for piece in self.content)


class Growth(typing.NamedTuple):
    """What comes after the patched base and the inserted sectors.

    :ivar size: bytes of the new image.
    :ivar volume_sectors: sectors of its primary volume.
    """

    size: int
    volume_sectors: int
    trailer: tuple[segs.Segment, ...] = ()
    backup: bytes = b''


def settle(image: images.IsoImage, canvas: canvases.Canvas,
           esps: list[MovedEsp], appended: bytes = b'') -> Growth:
    """Make descriptors, boot catalog and partition tables agree.

    :param appended: what becomes a partition of its own, whole sectors.

    :raises: InjectionError, CorruptImageError
    """
    if not canvas.added and not esps and not appended:
        return Growth(image.size, image.volumes.primary.sectors)
    if canvas.cut * SECTOR < image.size:
        canvas.align(canvas.cut * SECTOR)
    tail = max(0, -(-image.size // SECTOR) - canvas.cut)
    end = canvas.cut + canvas.added + tail
    trailer: list[segs.Segment] = []
    moved: dict[int, tuple[int, int]] = {}
    for esp in esps:
        sector = esp.sector
        if sector is None:
            sector = end
            trailer.extend(esp.content)
            end += esp.length // SECTOR
        moved[esp.old] = (sector * SECTOR, esp.length)
    place = (end * SECTOR, len(appended))
    if appended:
        trailer.append(segs.Literal(appended))
        end += len(appended) // SECTOR
    end += _PADDING
    _grow_volumes(image, canvas, end)
    _move_boot_images(image, canvas, moved)
    size = end * SECTOR
    if image.tables.mbr is not None:
        size += partitions.backup_bytes(image.tables)
        size = -(-size // _CYLINDER) * _CYLINDER
    changes = _changed_partitions(image, canvas, moved, size)
    if appended:
        changes |= dict.fromkeys(partitions.free(image.tables), place)
    patches, backup = partitions.grown(image.tables, size, changes)
    for offset, data in patches:
        canvas.patch(offset, data)
    reach = int.from_bytes(canvas.read(
        image.volumes.primary.sector * SECTOR + 80, 4, 'the volume size'),
        'little')
    return Growth(size, reach, tuple(trailer), backup)


def assemble(canvas: canvases.Canvas, growth: Growth
             ) -> list[segs.Segment]:
    """Return the segments of the whole new image."""
    out = [*canvas.segments(), *growth.trailer]
    room = growth.size - len(growth.backup) - canvas.size - sum(
        segment.length for segment in growth.trailer)
    if room < 0:
        # The canvas pads to whole sectors; nothing follows, so do without.
        last = out.pop()
        while last.length < -room:
            room += last.length
            last = out.pop()
        room += last.length
    out.append(segs.Zeros(room))
    out.append(segs.Literal(growth.backup))
    pieces: list[segs.Segment] = []
    for segment in out:
        if isinstance(segment, segs.Literal):
            pieces += segs.sparse(segment)
        else:
            pieces.append(segment)
    return pieces


def _grow_volumes(image: images.IsoImage, canvas: canvases.Canvas,
                  end: int) -> None:
    """Let each volume's size reach as far as its files do."""
    inside = canvas.cut + canvas.added
    for tree in image.trees:
        for descriptor in tree.descriptors:
            present = descriptor.sectors + descriptor.shift
            # A volume that ended at the cut is the partition's; one that
            # reached over the tail reaches over it again.
            reach = inside if present <= canvas.cut else end
            canvas.patch(descriptor.sector * SECTOR + 80,
                         volume.both32(reach - descriptor.shift))


def _move_boot_images(image: images.IsoImage, canvas: canvases.Canvas,
                      moved: dict[int, tuple[int, int]]) -> None:
    for entry in image.boot_entries:
        start = entry.sector * SECTOR
        if start in moved:
            place, length = moved[start]
            canvas.patch(entry.offset + 6,
                         el_torito.moved(place // SECTOR, length))
        elif canvas.moved(start) != start:
            canvas.patch(entry.offset + 8, (
                canvas.moved(start) // SECTOR).to_bytes(4, 'little'))


def _changed_partitions(
        image: images.IsoImage, canvas: canvases.Canvas,
        moved: dict[int, tuple[int, int]],
        size: int) -> dict[tuple[str, int], tuple[int, int]]:
    """Return the partitions that move or grow; see partitions.grown."""
    changes: dict[tuple[str, int], tuple[int, int]] = {}
    cut = canvas.cut * SECTOR
    inside = cut + canvas.added * SECTOR
    usable = size - partitions.backup_bytes(image.tables)
    has_tail = cut < image.size
    for table in ('mbr', 'gpt'):
        members = [p for p in image.tables.partitions
                   if p.table == table and p.kind != _PROTECTIVE]
        limit = usable if table == 'gpt' else size
        last = max(members, key=lambda p: p.end, default=None)
        for partition in members:
            place = (partition.start, partition.length)
            if partition.start in moved:
                place = moved[partition.start]
            elif partition.start >= cut:
                place = (canvas.moved(partition.start), partition.length)
            elif has_tail and partition.end == cut:
                place = (partition.start, inside - partition.start)
            elif (not has_tail and partition is last
                    and partition.start <= _FIRST_DESCRIPTOR):
                # It is the file system's; one in a gap may stay short.
                end = limit // SECTOR * SECTOR
                place = (partition.start, end - partition.start)
            if place != (partition.start, partition.length):
                changes[table, partition.number] = place
    return changes
