# SPDX-License-Identifier: Apache-2.0

"""Copying files out of an image into a directory of their own.

An image is foreign input: nothing is written outside of that directory,
over anything, or through a link.
"""

import collections.abc
import os

from ironic_ext.cli import errors
from ironic_ext import iso

_CHUNK = 1 << 20
#: Names of one image may share their content; no honest one has so many
#: that they make more of it than this times the image.
_MOST = 8


def into(directory: str) -> None:
    """Make a directory, unless it is there and empty.

    :raises: CommandError, OSError
    """
    os.makedirs(directory, exist_ok=True)
    if os.listdir(directory):
        raise errors.CommandError(
            f'{directory} is not empty; name a directory that is new')


def extract(image: iso.IsoImage, paths: collections.abc.Iterable[str],
            directory: str) -> int:
    """Copy files and whole directories; returns how many files.

    :param paths: in the image; each lies at the same path below
        ``directory`` then.
    :raises: CommandError, IsoError, OSError
    """
    into(directory)
    found: dict[str, iso.Entry] = {}
    for path in paths:
        entry = image.stat(path)
        found[entry.path] = entry
        if entry.is_dir:
            found.update((inside.path, inside)
                         for inside in image.walk(entry.path))
    room = _MOST * image.size
    count = 0
    links: list[tuple[str, str]] = []
    for entry in found.values():
        target = _target(directory, entry.path)
        if entry.is_dir:
            os.makedirs(target, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        count += 1
        if entry.link_target is not None:
            links.append((entry.link_target, target))
            continue
        room -= entry.size
        if room < 0:
            raise errors.CommandError(
                f'the files of {image.path} have more than {_MOST} times '
                f'the bytes of the image: it is damaged, or made so')
        _copy(image, entry, target)
    # Now that nothing else is written, none of them leads anywhere.
    for text, target in links:
        os.symlink(text, target)
    return count


def _target(directory: str, path: str) -> str:
    parts = [part for part in path.split('/') if part]
    if any(part in ('.', '..') or '\0' in part for part in parts):
        raise errors.CommandError(f'the image names a file "{path}", which '
                                  f'no file system can have')
    return os.path.join(directory, *parts)


def _copy(image: iso.IsoImage, entry: iso.Entry, target: str) -> None:
    mode = 0o644 if entry.mode is None else entry.mode & 0o777 | 0o600
    with open(target, 'xb', opener=lambda path, flags: os.open(
            path, flags | os.O_NOFOLLOW, mode)) as stream:
        for offset in range(0, entry.size, _CHUNK):
            stream.write(image.read_entry(entry, offset, _CHUNK))
