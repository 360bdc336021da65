# SPDX-License-Identifier: Apache-2.0

"""Where a pulled image lies until it is installed: a decision on values.

A deploy ramdisk has its memory, and disks that are not its own. podman keeps
the layers as they came until the last one is unpacked: what is compressed
already stays as large as it is, in compressed memory too. bootc then has one
layer at a time unpacked once more, in /var/tmp. The figures come
from an image of 284 MiB (99 MiB as gzip), whose files took 159 MiB by lz4,
154 MiB by lzo-rle and 121 MiB by zstd, the tables of zram and of the file
system included. One of 437 MiB (218 MiB as gzip: drivers and firmware are
compressed already) did not fit by them: what gzip makes less of, others do.
"""

import dataclasses

from ironic_ext.bootc import errors

MIB = 1 << 20

#: What podman and bootc themselves need at the peak, bytes: 104 MiB with the
#: stand-in for bootc, 130 to 155 MiB with bootc 1.16.9 on three runs.
WORKING = 160 * MIB
#: What is left over when memory is plenty, bytes.
_COMFORT = 128 * MIB
# What zram makes of an unpacked operating system, the fastest first.
_RATIOS = {'lz4': 0.57, 'lzo-rle': 0.55, 'zstd': 0.44}
# Of what else a kernel may have.
_RATIO = 0.6
# What gzip made of the image that the ratios come from.
_PACKED_RATIO = 0.35
# gzip makes a third of an operating system; for images of unknown size.
_UNPACKED_RATIO = 3
#: What partition table and alignment need at a disk's end, bytes: the backup
#: GPT has 33 sectors, and is written amid an install.
BACKUP_TABLE = MIB
# File systems need room for their own tables.
_FILE_SYSTEM = 1.1

TMPFS = 'tmpfs'
ZRAM = 'zram'
DISK = 'disk'
TARGET = 'target'


@dataclasses.dataclass(frozen=True)
class ImageSize:
    """How large an image is, in bytes; 0 when unknown."""

    #: The layers as they are transferred.
    packed: int = 0
    unpacked: int = 0
    #: The largest layer, unpacked.
    largest: int = 0

    @property
    def known(self) -> bool:
        """Whether there is anything to reckon with."""
        return bool(self.packed or self.unpacked)

    @property
    def files(self) -> int:
        """Bytes of the unpacked files, estimated where not known."""
        return self.unpacked or self.packed * _UNPACKED_RATIO

    def ratio(self, compressor: str | None) -> float:
        """Return what a compressor leaves of the unpacked files."""
        ratio = _RATIOS.get(compressor or '', _RATIO)
        if self.packed and self.unpacked:
            ratio *= max(1.0, self.packed / self.unpacked / _PACKED_RATIO)
        return min(ratio, 1.0)

    @property
    def layer(self) -> int:
        """Bytes of the largest unpacked layer; all, where not known."""
        return min(self.largest or self.files, self.files)

    @property
    def peak(self) -> int:
        """Bytes in a store at the most.

        That is while podman unpacks the last layer, and has all of them
        packed, or while bootc reads the largest one.
        """
        return self.files + max(self.packed, self.layer)


@dataclasses.dataclass(frozen=True)
class Hints:
    """What the operator wants, or lets the agent use."""

    #: "auto", or the one kind that will do: "memory", "zram" or "disk".
    kind: str = 'auto'
    #: A disk beside the target; what is on it is lost.
    scratch: str | None = None
    #: The disk to install on, when its end may hold the image meanwhile.
    target: str | None = None
    #: Bytes at the target's end that the new system does not need.
    target_room: int = 0


@dataclasses.dataclass(frozen=True)
class StorePlan:
    """A file system to make for the image."""

    kind: str
    #: Bytes of the file system, compressed or not.
    size: int
    #: Bytes of memory that it may take; 0 for disks.
    memory: int = 0
    device: str | None = None
    compressor: str | None = None


def plan(memory: int, image: ImageSize, hints: Hints = Hints(),
         zram: bool = False, compressors: tuple[str, ...] = ()) -> StorePlan:
    """Choose the store of an image.

    Memory is taken while there is plenty of it, since it is fastest. Then
    come what the operator named, compressed memory, and the disk to install
    on.

    :param memory: bytes that can be taken.
    :raises: MemoryShortError
    """
    limit = max(memory - WORKING, 0)
    tmpfs = StorePlan(TMPFS, limit, limit)
    compressor = _compressor(memory, image, compressors)
    compressed = _compressed(memory, limit, image, compressor)
    needed = _needed_with_zram(image, compressor)
    disk = _disk(image, hints)
    if hints.kind == 'disk':
        if disk is None:
            raise errors.StoreError(
                'the image is to lie on a disk, and there is none but the '
                'one to install on that is named or blank')
        return disk
    if not image.known:
        return compressed if zram and hints.kind != 'memory' else tmpfs
    if hints.kind == 'memory':
        zram, disk = False, None
    elif (hints.kind != 'zram'
          and memory >= image.peak + WORKING + _COMFORT):
        return tmpfs
    if disk is not None and disk.kind == DISK and hints.kind == 'auto':
        return disk
    if zram and memory >= needed:
        return compressed
    if disk is not None and hints.kind == 'auto':
        return disk
    if hints.kind != 'zram' and memory >= image.peak + WORKING:
        return tmpfs
    raise errors.MemoryShortError(
        _what_is_missing(memory, image, needed if zram else None))


def _disk(image: ImageSize, hints: Hints) -> StorePlan | None:
    if hints.scratch:
        return StorePlan(DISK, 0, device=hints.scratch)
    size = int(image.peak * _FILE_SYSTEM) + 64 * MIB
    if (hints.target and image.known
            and hints.target_room >= size + BACKUP_TABLE):
        return StorePlan(TARGET, size // MIB * MIB, device=hints.target)
    return None


def _compressor(memory: int, image: ImageSize,
                compressors: tuple[str, ...]) -> str | None:
    """Return the fastest with which the image fits, else the strongest."""
    known = [name for name in _RATIOS if name in compressors]
    for name in known:
        if image.known and memory >= _needed_with_zram(image, name):
            return name
    return min(known, key=_RATIOS.__getitem__, default=None)


def _compressed(memory: int, limit: int, image: ImageSize,
                compressor: str | None) -> StorePlan:
    size = max(image.peak * 2 + 256 * MIB, 2 * memory)
    return StorePlan(ZRAM, size // MIB * MIB, limit, compressor=compressor)


def _needed_with_zram(image: ImageSize, compressor: str | None) -> int:
    ratio = image.ratio(compressor)
    return max(int(image.files * ratio) + image.packed,
               int((image.files + image.layer) * ratio)) + WORKING


def require_room(image: str, room: int, largest: int) -> None:
    """Make sure that bootc can unpack a pulled image's layers, one by one.

    :param room: bytes that the store can still take.
    :param largest: bytes of the largest layer, unpacked.
    :raises: MemoryShortError
    """
    needed = int(largest * _FILE_SYSTEM)
    if room < needed:
        raise errors.MemoryShortError(
            f'bootc unpacks image {image} layer by layer, the largest one of '
            f'{_mib(largest)} MiB, and where the image lies is room for '
            f'{max(room, 0) // MIB} MiB: name a scratch disk, or deploy a '
            'machine with more memory')


def _what_is_missing(memory: int, image: ImageSize,
                     with_zram: int | None) -> str:
    need = image.peak + WORKING
    if with_zram is not None:
        need = min(need, with_zram)
    text = (f'the image of {_mib(image.files)} MiB needs {_mib(need)} MiB of '
            f'free memory, and the machine has {_mib(memory)} MiB')
    if with_zram is None:
        text += ' (the ramdisk\'s kernel has no zram to compress it)'
    return f'{text}: name a scratch disk, or deploy a machine with more memory'


def _mib(size: int) -> int:
    return -(-size // MIB)
