# SPDX-License-Identifier: Apache-2.0

"""What bodies of answers are made of: ranges of files, and bytes at hand."""

import collections.abc
import typing


class SourceError(Exception):
    """A source does not give its bytes; the answer is cut off."""


class TruncatedError(SourceError):
    """A file became shorter while it was sent."""


class Source(typing.Protocol):
    """Where bytes of a body come from: a file, or what becomes one."""

    @property
    def fd(self) -> int | None:
        """The descriptor of a regular file.

        None while the bytes are elsewhere: then :meth:`read` is used. It
        may become a number later on, and stays one from then on. Called
        from the event loop for each piece: it must not block.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, from wherever they are.

        Blocks. Called while there is no descriptor.

        :raises: SourceError
        """

    def check(self) -> None:
        """Make sure that the file is still the one that was opened.

        Called from the event loop before each piece is sent.

        :raises: SourceError
        """


#: Where bytes come from, the offset there, their number, and their place
#: in the representation (-1: they are not of it).
Piece = tuple[Source | bytes, int, int, int]


class Body(typing.Protocol):
    """The bytes of a representation."""

    def pieces(self, first: int, end: int
               ) -> collections.abc.Iterator[Piece]:
        """Yield the pieces of ``first`` to ``end``."""


class Reader(typing.Protocol):
    """Who hears what of a representation went out."""

    def add(self, first: int, end: int) -> None:
        """Note that the bytes from first to end were sent."""
