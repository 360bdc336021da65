# SPDX-License-Identifier: Apache-2.0

"""Areas that CoreOS live ISOs reserve for kernel arguments and Ignition.

``/coreos/kargs.json`` lists areas of one fixed size in boot configurations;
their content is kernel arguments, an end and padding, and the same in every
file. The format is coreos-installer's, a file without an end and padding
has a line feed and "#".
"""

import typing

from ironic_ext.iso import errors
from ironic_ext.iso import kernel_args

DESCRIPTION = '/coreos/kargs.json'
IGNITION = '/coreos/igninfo.json'
#: What images without that description have instead, as a whole.
IGNITION_IMAGE = '/images/ignition.img'
#: Byte of the system area where images older than 2021-12 say where the
#: Ignition config goes, and what stands there then.
OLD_IGNITION = 32744
OLD_IGNITION_MAGIC = b'coreiso+'
#: Bytes of an area.
MAX_AREA = 65536
#: Areas; the header of old images has room for six.
_MAX_AREAS = 64
PAD, END = b'#', b'\n'


class Area(typing.NamedTuple):
    """An area for kernel arguments, in a file.

    :ivar path: absolute path of its file.
    :ivar offset: byte offset in the file.
    """

    path: str
    offset: int
    pad: bytes
    end: bytes


class KernelArgumentAreas(typing.NamedTuple):
    """Every area of an image.

    :ivar size: bytes of each.
    :ivar own: the arguments that the image came with.
    """

    size: int
    areas: tuple[Area, ...]
    own: bytes = b''

    def default(self, area: Area) -> bytes:
        """Return what an area of the image held when it was made.

        :raises: CorruptImageError
        """
        if len(self.own) + len(area.end) > self.size:
            raise errors.CorruptImageError(
                f'the kernel arguments that this CoreOS image came with '
                f'have {len(self.own)} bytes, its areas {self.size}')
        return (self.own + area.end).ljust(self.size, area.pad)

    def content(self, area: Area, data: bytes) -> tuple[str, ...]:
        """Return the arguments that an area of a file's content holds.

        :raises: CorruptImageError when it leaves the file.
        """
        raw = data[area.offset:area.offset + self.size]
        if len(raw) != self.size:
            raise errors.CorruptImageError(
                f'{DESCRIPTION} names {self.size} bytes at '
                f'{area.offset} of {area.path}, which has {len(data)}')
        text = raw.rstrip(area.pad) if area.pad else raw
        if area.end and text.endswith(area.end):
            text = text[:-len(area.end)]
        words = text.decode('utf-8', 'surrogateescape')
        return tuple(words[start:end]
                     for start, end in kernel_args.spans(words))

    def edited(self, area: Area, data: bytes, append: tuple[str, ...],
               delete: tuple[str, ...]) -> bytes:
        """Return a file's content with other arguments in its area.

        :raises: KernelArgumentError when they do not fit the area, or a
            word to delete stands outside it.
        """
        words = kernel_args.edit(self.content(area, data), append, delete)
        outside = (data[:area.offset] + data[area.offset + self.size:]
                   ).decode('utf-8', 'surrogateescape').split()
        for item in delete:
            if any(word == item or word.startswith(item + '=')
                   for word in outside):
                raise errors.KernelArgumentError(
                    f'"{item}" stands outside the kernel argument area of '
                    f'{area.path}: a CoreOS image lets only arguments in '
                    f'the area be removed')
        text = ' '.join(words).encode('utf-8', 'surrogateescape')
        room = self.size - len(area.end)
        if len(text) > room:
            raise errors.KernelArgumentError(
                f'the kernel arguments need {len(text)} bytes; the area '
                f'that this CoreOS image reserves has {room}')
        filled = text + area.end
        filled += area.pad * (self.size - len(filled))
        return (data[:area.offset] + filled
                + data[area.offset + self.size:])


def parse(description: bytes) -> KernelArgumentAreas:
    """Read the areas that ``kargs.json`` describes.

    :raises: CorruptImageError
    """
    import json
    try:
        facts = json.loads(description)
        size = facts['size']
        own = facts.get('default', '').encode('utf-8', 'surrogateescape')
        areas = tuple(
            Area('/' + row['path'].lstrip('/'), row['offset'],
                 row.get('pad', PAD.decode()).encode(),
                 row.get('end', END.decode()).encode())
            for row in facts['files'])
        if (not isinstance(size, int) or not 0 < size <= MAX_AREA
                or not areas):
            raise ValueError(f'size {size!r}')
        if len(areas) > _MAX_AREAS:
            raise ValueError(f'{len(areas)} areas')
        for area in areas:
            if (not isinstance(area.offset, int) or area.offset < 0
                    or len(area.pad) != 1 or len(area.end) > size):
                raise ValueError(f'area in {area.path}')
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as exc:
        raise errors.CorruptImageError(
            f'{DESCRIPTION} of this image is malformed: {exc!r}') from exc
    return KernelArgumentAreas(size, areas, own)


def ignition_path(description: bytes) -> str:
    """Return the initrd that ``igninfo.json`` reserves for Ignition.

    :raises: CorruptImageError
    """
    import json
    try:
        path: str = json.loads(description)['file']
        return '/' + path.lstrip('/')
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as exc:
        raise errors.CorruptImageError(
            f'{IGNITION} of this image is malformed: {exc!r}') from exc
