# SPDX-License-Identifier: Apache-2.0

"""An image in the hands of a reader."""

import collections.abc
import dataclasses
import os
import types

from ironic_ext import blocks
from ironic_ext.images import errors
from ironic_ext.images import service

#: Inode, bytes, and when it was last written to, in nanoseconds.
Identity = tuple[int, int, int]


def identity(fd: int) -> Identity:
    """Return what changes when the content of a file does.

    The time of the last change of the inode is left out: another hard link
    to the file changes that as well.
    """
    info = os.fstat(fd)
    return info.st_ino, info.st_size, info.st_mtime_ns


class OpenFile:
    """A descriptor held open, with a path to the very same file.

    :ivar path: leads to the open file whatever happens to its name.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.path = f'/proc/{os.getpid()}/fd/{fd}'
        self._before = identity(fd)

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        return self._before[1]

    def changed(self) -> bool:
        """Tell whether it was written to since it was opened."""
        return identity(self.fd) != self._before

    def close(self) -> None:
        """Let go of it, and of the locks on it."""
        os.close(self.fd)

    def __enter__(self) -> 'OpenFile':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self.close()


@dataclasses.dataclass(frozen=True)
class BaseImage:
    """An image that may be read while its lease lasts.

    :param path: where to read it; other processes can, too.
    :param href: how it was asked for, fit for logs.
    :param size: bytes.
    :param digest: ``sha256:<hex>``; '' for a local file that was only
        looked at.
    :param version: as the source gave it, None when that is not known.
    """

    path: str
    href: str
    size: int
    digest: str
    version: service.ImageVersion | None = None
    _changed: collections.abc.Callable[[], bool] = dataclasses.field(
        default=lambda: False, repr=False, compare=False)

    def require_unchanged(self) -> None:
        """Make sure that what was read is one version of the image.

        :raises: ImageChangedError when the file was written to meanwhile.
        """
        if self._changed():
            raise errors.ImageChangedError(
                f'{self.href} was changed while it was being read: put a '
                'new version in place by a rename, then try again')

    def place(self, path: str) -> str:
        """Put the image at ``path`` as well, replacing what is there.

        It shares the blocks of the store's file where the file system can,
        else it is a hard link (so that it must not be written to), else a
        copy.

        :returns: ``reflink``, ``link`` or ``copy``.
        :raises: OSError
        """
        source = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return blocks.place(source, path)
        finally:
            os.close(source)
