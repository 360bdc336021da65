# SPDX-License-Identifier: Apache-2.0

"""The files that ``DEST=SRC`` options of `ironic-iso` name.

A source is a file, standard input, or a directory, whose files are then
named below DEST.
"""

import collections.abc
import dataclasses
import os
import stat
import sys

from ironic_ext.cli import errors

#: Bytes read of one file to inject; far above any configuration or initrd
#: addition, far below what would fill the memory.
_MAX_BYTES = 1 << 30
#: Files of one directory.
_MAX_FILES = 10_000


@dataclasses.dataclass
class Sources:
    """What one option names.

    :ivar files: destination -> content.
    :ivar modes: destination -> permissions, where the source has any.
    """

    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    modes: dict[str, int] = dataclasses.field(default_factory=dict)


_Texts = collections.abc.Sequence[str]


def read(options: collections.abc.Mapping[str, _Texts],
         modes: _Texts = (), *,
         taken: bool = False) -> dict[str, Sources]:
    """Read what options name; at most one source is standard input.

    :param options: an option -> its ``DEST=SRC`` values.
    :param modes: ``DEST=MODE``: permissions other than the sources' own.
    :param taken: standard input is the ISO itself.
    :returns: an option -> its files.
    :raises: UsageError, CommandError, OSError
    """
    uses = int(taken)
    found: dict[str, Sources] = {}
    for option, texts in options.items():
        group = found.setdefault(option, Sources())
        for text in texts:
            destination, equals, source = text.partition('=')
            if not (destination and equals and source):
                raise errors.UsageError(f'{option} "{text}" is not DEST=SRC')
            uses += source == '-'
            if uses > 1:
                raise errors.UsageError('only one SRC can be standard input'
                                        + (': the ISO is' if taken else ''))
            for where, path in _below(option, destination, source):
                if where in group.files:
                    raise errors.CommandError(
                        f'{option}: {where} is given twice')
                _read_one(group, where, path)
    for text in modes:
        _set_mode(found.values(), text)
    return found


def _below(option: str, destination: str, source: str
           ) -> list[tuple[str, str]]:
    """Return (destination, source) of a file, or of a directory's files."""
    if source == '-' or not os.path.isdir(source):
        return [(destination, source)]
    found: list[tuple[str, str]] = []

    def failed(error: OSError) -> None:
        raise error
    for folder, _, names in os.walk(source, onerror=failed):
        inside = os.path.relpath(folder, source)
        for name in names:
            path = os.path.join(folder, name)
            # Of a link to a directory os.walk() says that it is one.
            if not os.path.isfile(path):
                raise errors.CommandError(
                    f'{path} is no regular file, nor a link to one, and '
                    f'cannot be injected')
            where = '/'.join(part for part in (
                destination.rstrip('/'), '' if inside == '.' else inside,
                name) if part)
            found.append((where if where.startswith('/') else f'/{where}',
                          path))
            if len(found) > _MAX_FILES:
                raise errors.CommandError(
                    f'{source} has more than {_MAX_FILES} files, too many '
                    f'to inject')
    if not found:
        raise errors.CommandError(f'{option}: the directory {source} has no '
                                  f'file')
    return sorted(found)


def _read_one(group: Sources, where: str, path: str) -> None:
    if path == '-':
        content = sys.stdin.buffer.read(_MAX_BYTES + 1)
    else:
        with open(path, 'rb') as stream:
            content = stream.read(_MAX_BYTES + 1)
            status = os.fstat(stream.fileno())
        if stat.S_ISREG(status.st_mode):
            group.modes[where] = stat.S_IMODE(status.st_mode)
    if len(content) > _MAX_BYTES:
        raise errors.CommandError(f'{path} has more than {_MAX_BYTES} bytes, '
                                  f'too many to inject')
    group.files[where] = content


def _set_mode(groups: collections.abc.Iterable[Sources], text: str) -> None:
    destination, _, digits = text.rpartition('=')
    if not destination or len(digits) > 5 or digits.strip('01234567'):
        raise errors.UsageError(f'--mode "{text}" is not DEST=MODE, such as '
                                f'/run.sh=0755')
    having = [group for group in groups if destination in group.files]
    if not having:
        raise errors.CommandError(f'--mode: {destination} is not injected')
    for group in having:
        group.modes[destination] = int(digits or '0', 8)
