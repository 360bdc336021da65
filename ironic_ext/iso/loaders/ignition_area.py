# SPDX-License-Identifier: Apache-2.0

"""The area that CoreOS live ISOs reserve for an Ignition config.

``/coreos/igninfo.json`` names a file and, where that has more in it, an
offset and a length; a header in the system area does in images older than
2021-12 (``coreiso+`` at byte 32744, then offset and length in the image as
64-bit little-endian words). The area holds a compressed initrd with
``config.ign`` and zeros behind it, as coreos-installer writes it.
"""

import collections.abc
import dataclasses
import struct

from ironic_ext.iso import cpio
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery

_NAME = 'config.ign'
#: Bytes; CoreOS reserves 256 KiB. What fills an area is held in memory.
_MAX_AREA = 16 << 20
_WORDS = struct.Struct('<8s2Q')


@dataclasses.dataclass(frozen=True)
class IgnitionArea:
    """Where the area is.

    :ivar path: of its file in the image.
    :ivar length: bytes.
    :ivar extents: byte offset in the image and length of each part of the
        area, in order.
    """

    path: str
    length: int
    extents: tuple[tuple[int, int], ...]


def locate(image: images.IsoImage) -> IgnitionArea | None:
    """Return the area of an image, None if it has none.

    :raises: CorruptImageError
    """
    found = image.main.find(coreos.IGNITION)
    if found is None:
        return _by_header(image) or _whole(image)
    import json
    raw = image.read_entry(image.main.entry(*found), 0, discovery.MAX_BYTES)
    path = coreos.ignition_path(raw)
    facts = json.loads(raw)
    entry = image.stat(path)
    offset = facts.get('offset', 0)
    length = facts.get('length', None)
    if (type(offset) is not int or offset < 0 or entry.is_dir
            or entry.compressed or type(length) not in (int, type(None))):
        raise errors.CorruptImageError(
            f'{coreos.IGNITION} of this image is malformed: offset '
            f'{offset!r:.40}, length {length!r:.40} of {path}')
    if length is None:
        length = entry.size - offset
    if not 0 < length <= min(entry.size - offset, _MAX_AREA):
        raise errors.CorruptImageError(
            f'{coreos.IGNITION} names {length} bytes at {offset} of {path}, '
            f'which has {entry.size}; an area has at most {_MAX_AREA}')
    return IgnitionArea(path, length, tuple(
        extents(entry.sections, offset, length)))


def _by_header(image: images.IsoImage) -> IgnitionArea | None:
    """Return the area that the system area names."""
    if image.size < coreos.OLD_IGNITION + _WORDS.size:
        return None
    magic, offset, length = _WORDS.unpack(image.source.read(
        coreos.OLD_IGNITION, _WORDS.size, 'the system area'))
    if magic != coreos.OLD_IGNITION_MAGIC:
        return None
    if not 0 < length <= min(_MAX_AREA, image.size - offset):
        raise errors.CorruptImageError(
            f'{image.path}: the area for an Ignition config of this CoreOS '
            f'image has {length} bytes at {offset}; an area has at most '
            f'{_MAX_AREA}, inside the image')
    return IgnitionArea(coreos.IGNITION_IMAGE, length, ((offset, length),))


def _whole(image: images.IsoImage) -> IgnitionArea | None:
    """Return the area of an image that does not describe it (to 2023)."""
    if (image.main.find(coreos.DESCRIPTION) is None
            or image.main.find(coreos.IGNITION_IMAGE) is None):
        return None
    entry = image.stat(coreos.IGNITION_IMAGE)
    if entry.is_dir or entry.compressed or not 0 < entry.size <= _MAX_AREA:
        return None
    return IgnitionArea(entry.path, entry.size, tuple(
        extents(entry.sections, 0, entry.size)))


def extents(sections: collections.abc.Iterable[tuple[int, int]],
            offset: int, length: int
            ) -> collections.abc.Iterator[tuple[int, int]]:
    """Yield where a part of a file lies in the image: offset, length.

    :param sections: of the file, likewise.
    """
    for start, size in sections:
        count = min(size - offset, length)
        if count > 0:
            yield start + offset, count
            length -= count
        offset = max(offset - size, 0)


def content(config: bytes, area: IgnitionArea) -> bytes:
    """Return what fills an area.

    :raises: NoSpaceError when the config is too large for it.
    """
    import gzip
    archive = cpio.archive({_NAME: config})
    # gzip, which every kernel has, unless only xz is small enough; kernels
    # check xz by CRC32 alone (Documentation/staging/xz.rst).
    packed = gzip.compress(archive, mtime=0)
    if len(packed) > area.length:
        import lzma
        packed = lzma.compress(archive, check=lzma.CHECK_CRC32)
    if len(packed) > area.length:
        raise errors.NoSpaceError(
            f'the Ignition config of {len(config)} bytes needs '
            f'{len(packed)} bytes when it is compressed; the area that this '
            f'CoreOS image reserves has {area.length}')
    return packed + bytes(area.length - len(packed))
