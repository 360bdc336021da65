# SPDX-License-Identifier: Apache-2.0

"""The base image as a bounded, read-only sequence of bytes.

Reads use ``pread``, so one open file serves any number of threads.
"""

import os
import stat
import types
import typing

from ironic_ext.iso import errors

#: Bytes in a logical sector of ISO 9660 (ECMA-119 section 6.1.2).
SECTOR = 2048
#: Bytes asked of one call.
_CHUNK = 1 << 26
#: Bytes that a buffered source reads at once, and how many times that it
#: keeps.
_BLOCK = 16384
_MAX_BLOCKS = 64


class Source:
    """An open base image.

    :ivar path: the path as given.
    :ivar size: bytes at the time of opening.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the image.

        :raises: IsoError when it is not a regular file or block device, or
            cannot be read.
        """
        self.path = os.fspath(path)
        try:
            # Opening a FIFO would otherwise wait for its writer.
            self.fd = os.open(
                self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as exc:
            raise errors.IsoError(
                f'cannot open {self.path}: {exc.strerror}') from exc
        status = os.fstat(self.fd)
        mode = status.st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            self.close()
            raise errors.IsoError(
                f'{self.path} is neither a regular file nor a block device')
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        #: Tells files apart, and a file from what it was; None for a
        #: device, of which that is not known.
        self.identity: tuple[int, ...] | None = None
        if stat.S_ISREG(mode):
            self.identity = (status.st_dev, status.st_ino, self.size,
                             status.st_mtime_ns, status.st_ctime_ns)

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Read exactly ``length`` bytes.

        :param what: names the structure in the error message.
        :raises: CorruptImageError when the range leaves the image.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise errors.CorruptImageError(
                f'{self.path}: {what} lies at bytes {offset} to '
                f'{offset + length}, outside the image of {self.size} '
                f'bytes: the image is truncated or damaged')
        if length <= _CHUNK:
            chunk = self._pread(length, offset)
            if len(chunk) == length:
                return chunk
        chunk = self._pread(min(length, _CHUNK), offset)
        chunks = []
        while chunk:
            chunks.append(chunk)
            offset += len(chunk)
            length -= len(chunk)
            if not length:
                return b''.join(chunks)
            chunk = self._pread(min(length, _CHUNK), offset)
        raise errors.CorruptImageError(
            f'{self.path}: the image became shorter while it was read (at '
            f'byte {offset}, reading {what})')

    def _pread(self, length: int, offset: int) -> bytes:
        return os.pread(self.fd, length, offset)

    def again(self) -> 'Source':
        """Return a source of the same image, for who outlives this one.

        :raises: IsoError
        """
        return Source(self.path)

    def check_size(self) -> None:
        """Check that the image is as long as when it was opened.

        :raises: CorruptImageError
        """
        if os.lseek(self.fd, 0, os.SEEK_END) != self.size:
            raise errors.CorruptImageError(
                f'{self.path}: the size of the image changed while it was '
                f'read')

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> 'Source':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self.close()


class BufferedSource(Source):
    """A base image whose structures are read: small, and close together.

    Blocks are kept, so the base must not change meanwhile.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._blocks: dict[int, bytes] = {}

    def read(self, offset: int, length: int, what: str) -> bytes:
        """Read exactly ``length`` bytes; see :meth:`Source.read`."""
        number, skip = divmod(offset, _BLOCK)
        block = self._blocks.get(number)
        if block is None:
            start = number * _BLOCK
            if (offset < 0 or skip + length > _BLOCK
                    or offset + length > self.size):
                return super().read(offset, length, what)
            block = super().read(start, min(_BLOCK, self.size - start), what)
            if len(self._blocks) == _MAX_BLOCKS:
                self._blocks.clear()
            self._blocks[number] = block
        data = block[skip:skip + length] if length >= 0 else b''
        if len(data) != length:
            return super().read(offset, length, what)
        return data


class Sliced(typing.Protocol):
    """Bytes that are somewhere: with a length, and to be sliced."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, where: slice, /) -> bytes:
        """Return those of a slice."""


class ContentSource(BufferedSource):
    """An image that is no file of its own."""

    def __init__(self, content: Sliced, name: str) -> None:
        """Take the image.

        :param name: for messages.
        """
        self.path = name
        self.fd = -1
        self.size = len(content)
        self.identity = None
        self._content = content
        self._blocks = {}

    def _pread(self, length: int, offset: int) -> bytes:
        return self._content[offset:offset + length]

    def again(self) -> Source:
        """Return itself: there is nothing to open."""
        return self

    def check_size(self) -> None:
        """What it is made of does not become shorter unnoticed."""
