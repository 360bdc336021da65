# SPDX-License-Identifier: Apache-2.0

"""Finding the kernel argument areas of CoreOS live ISOs.

``/coreos/kargs.json`` names them; images from 2020-09 to 2021-12 have a
header in the system area instead: ``coreKarg`` at byte 32672, then 64-bit
little-endian words: bytes of an area, offset of the default arguments, up
to six offsets of areas, all in the image (coreos-installer, iso9660.rs).
"""

import collections.abc
import struct

from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery

_HEADER = 32672
_MAGIC = b'coreKarg'
_WORDS = struct.Struct('<8s8Q')


def reserved(image: images.IsoImage) -> bool:
    """Tell whether an image reserves such areas."""
    return (image.main.find(coreos.DESCRIPTION) is not None
            or _header(image) is not None)


def locate(image: images.IsoImage) -> coreos.KernelArgumentAreas | None:
    """Return the areas of an image, None if it has none.

    :raises: CorruptImageError
    """
    found = image.main.find(coreos.DESCRIPTION)
    if found is not None:
        return coreos.parse(image.read_entry(
            image.main.entry(*found), 0, discovery.MAX_BYTES))
    header = _header(image)
    return None if header is None else _of_header(image, *header)


#: Path in the tree, offset -> bytes that lie there in place of others.
Parts = collections.abc.Mapping[tuple[str, int], bytes]


def at(image: images.IsoImage, offset: int, parts: Parts
       ) -> tuple[str, tuple[str, ...]] | None:
    """Return path and arguments of a file that has such an area.

    :param offset: of the file in the image.
    :param parts: what is to be in place of what there is.
    """
    try:
        areas = locate(image)
        for area in areas.areas if areas else ():
            entry = image.stat(area.path)
            if areas and entry.sections and entry.sections[0][0] == offset:
                text = parts.get((entry.path, area.offset))
                if text is None:
                    text = image.read_entry(entry, area.offset, areas.size)
                return entry.path, areas.content(
                    area._replace(offset=0), text)
    except errors.IsoError:
        # It is told to those who want arguments there.
        pass
    return None


def _header(image: images.IsoImage) -> tuple[int, int, list[int]] | None:
    if image.size < _HEADER + _WORDS.size:
        return None
    magic, size, default, *offsets = _WORDS.unpack(image.source.read(
        _HEADER, _WORDS.size, 'the system area'))
    if magic != _MAGIC:
        return None
    return size, default, [offset for offset in offsets if offset]


def _of_header(image: images.IsoImage, size: int, default: int,
               offsets: list[int]) -> coreos.KernelArgumentAreas:
    if not 0 < size <= coreos.MAX_AREA or not offsets:
        raise errors.CorruptImageError(
            f'{image.path}: the kernel argument areas of this CoreOS image '
            f'have {size} bytes, in {len(offsets)} places')
    places = []
    for config in discovery.tree_configs(image):
        entry = image.stat(config.path)
        start, length = entry.sections[0] if entry.sections else (0, 0)
        places += [(offset, coreos.Area(entry.path, offset - start,
                                        coreos.PAD, coreos.END))
                   for offset in offsets
                   if start <= offset <= start + length - size]
    missing = sorted(set(offsets) - {offset for offset, _ in places})
    if missing:
        raise errors.CorruptImageError(
            f'{image.path}: this CoreOS image has a kernel argument area at '
            f'byte {missing[0]}, in no boot configuration')
    text = image.source.read(default, size, 'the default kernel arguments')
    return coreos.KernelArgumentAreas(
        size, tuple(area for _, area in sorted(
            places, key=lambda place: place[0])),
        text.rstrip(coreos.PAD).rstrip(coreos.END))
