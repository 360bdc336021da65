# SPDX-License-Identifier: Apache-2.0

"""Bytes that lie in an open file, and stand where bytes are expected.

They have a length, can be sliced and walked through, and cost no memory.
"""

import collections.abc
import os
import typing

#: Bytes that are in memory at a time.
_PIECE = 1 << 20


class Opened(typing.Protocol):
    """An open file; whoever opened it closes it."""

    def fileno(self) -> int:
        """Return its descriptor."""


class Stored:
    """A part of an open file, read-only; reading is thread-safe.

    It is good as long as the file is open and as it was.

    :ivar offset: of its first byte in the file.
    """

    __slots__ = ('_file', '_length', 'offset')

    def __init__(self, file: Opened, offset: int, length: int) -> None:
        self._file = file
        self._length = length
        self.offset = offset

    @property
    def fd(self) -> int:
        """The descriptor of the file."""
        return self._file.fileno()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, where: slice) -> bytes:
        """Return the bytes of a slice.

        :raises: OSError, also when the file became shorter
        """
        start, end, step = where.indices(self._length)
        if step != 1:
            raise ValueError('only what lies together is read')
        parts = []
        while start < end:
            part = os.pread(self.fd, end - start, self.offset + start)
            if not part:
                raise OSError('a temporary file became shorter')
            parts.append(part)
            start += len(part)
        return b''.join(parts)

    def part(self, start: int, length: int) -> 'Stored':
        """Return ``length`` bytes from ``start`` on, which it must have."""
        if not 0 <= start <= start + length <= self._length:
            raise ValueError('no such part')
        return Stored(self._file, self.offset + start, length)


#: What is small as it is, what is large where it lies.
Content = bytes | Stored


def pieces(content: Content) -> collections.abc.Iterator[bytes]:
    """Return the content, little of it at a time.

    :raises: OSError
    """
    if isinstance(content, bytes):
        return iter((content,))
    return (content[start:start + _PIECE]
            for start in range(0, len(content), _PIECE))
