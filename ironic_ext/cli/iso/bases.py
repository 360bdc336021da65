# SPDX-License-Identifier: Apache-2.0

"""The image that a command of `ironic-iso` works on.

It is a file or a device, standard input, a URL, or an overlay together with
the ISO that it was made from.
"""

import collections.abc
import contextlib
import os
import stat
import sys
import typing

from ironic_ext.cli import errors
from ironic_ext.cli import progress
from ironic_ext import iso
from ironic_ext.iso import source as base_source
from ironic_ext import stored

_CHUNK = 1 << 20
_OVERLAY = b'ironic-ext overlay '


def source(where: str, *, download: bool = False) -> base_source.Source:
    """Open what is somewhere, for its structures to be read.

    :param where: a path, a URL, or ``-`` for standard input.
    :param download: fetch what a URL names as a whole.
    :raises: CommandError, IsoError, OSError
    """
    if where == '-':
        return _standard_input()
    if not is_file(where):
        from ironic_ext.cli.iso import remote
        if not download:
            return remote.RemoteSource(where)
        return _downloaded(where)
    return base_source.BufferedSource(where)


@contextlib.contextmanager
def opened(where: str, *, base: str | None = None, download: bool = False
           ) -> collections.abc.Iterator[iso.IsoImage]:
    """Open an image.

    :param base: the ISO that ``where``, an overlay, was made from.
    :raises: CommandError, IsoError, OSError
    """
    if base is not None:
        with mapped(where, base, download=download) as smap:
            yield image_of(smap, where)
    elif is_file(where):
        with _file(where) as image:
            yield image
    else:
        with source(where, download=download) as found:
            yield iso.IsoImage(found)


def _file(path: str) -> iso.IsoImage:
    try:
        return iso.IsoImage.open(path)
    except iso.NotAnIsoError:
        if is_overlay(path):
            raise errors.CommandError(
                f'{path} is an overlay: name the ISO that it was made from '
                f'with --base') from None
        raise


def mapped(overlay: str, base: str, *, download: bool = False
           ) -> iso.SegmentMap:
    """Return the image that an overlay and its base are.

    :raises: CommandError, IsoError, OSError
    """
    if overlay == base == '-':
        raise errors.UsageError('only one of overlay and base can be '
                                'standard input')
    found = source(base, download=download)
    if overlay == '-':
        return iso.SegmentMap.parse(sys.stdin.buffer.read(), base=found,
                                    name='standard input')
    return iso.SegmentMap.load(overlay, base=found)


def image_of(smap: iso.SegmentMap, name: str) -> iso.IsoImage:
    """Return a customised image, to look into.

    :raises: IsoError
    """
    return iso.IsoImage(base_source.ContentSource(smap, name))


def is_file(where: str) -> bool:
    """Tell whether a base is something in the file system."""
    return where != '-' and not where.lower().startswith(
        ('http://', 'https://'))


def is_overlay(path: str) -> bool:
    """Tell whether a file is an overlay.

    :raises: OSError
    """
    with open(path, 'rb') as stream:
        return stream.read(len(_OVERLAY)) == _OVERLAY


def _standard_input() -> base_source.Source:
    stream = sys.stdin.buffer
    if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        size = os.fstat(stream.fileno()).st_size
        return base_source.ContentSource(
            stored.Stored(stream, 0, size), 'standard input')
    spool = _spool()
    while data := stream.read(_CHUNK):
        spool.write(data)
    return _spooled(spool, 'standard input')


def _downloaded(url: str) -> base_source.Source:
    from ironic_ext.cli.iso import remote
    spool = _spool()
    bar: progress.Progress | None = None
    with contextlib.ExitStack() as drawn:
        for data, total in remote.pieces(url):
            bar = bar or drawn.enter_context(progress.Progress(
                total, 'downloading', sys.stderr))
            spool.write(data)
            bar(len(data))
    return _spooled(spool, remote.shown(url))


def _spool() -> typing.IO[bytes]:
    import tempfile
    return tempfile.TemporaryFile(prefix='ironic-iso-')


def _spooled(spool: typing.IO[bytes], name: str) -> base_source.Source:
    spool.flush()
    return base_source.ContentSource(
        stored.Stored(spool, 0, spool.tell()), name)
