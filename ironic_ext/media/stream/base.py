# SPDX-License-Identifier: Apache-2.0

"""A local file that images are served from, and the guard that it is still
the same file content: the one that was verified when it was opened.

A writer with access to the file can outrun any guard by microseconds; the
image store's files are read-only, so this is about accidents.
"""

import collections.abc
import os
import stat

from ironic_ext.media.stream import contract


class FileBase:
    """An open regular file; the :class:`.contract.Base` of local images.

    :ivar fd: the descriptor; -1 when closed.
    :ivar size: bytes.
    """

    fd: int | None

    def __init__(self, path: str | os.PathLike[str], *,
                 release: collections.abc.Callable[[], None] | None = None
                 ) -> None:
        """Open the file.

        :param release: called once by :meth:`close`, to end a lease.
        :raises: BaseMissingError; ``release`` is not called then.
        """
        name = os.path.basename(os.fspath(path))
        try:
            # Opening a FIFO would otherwise wait for its writer.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as exc:
            raise contract.BaseMissingError(
                f'cannot open the file {name}: {exc.strerror}') from exc
        self._found = os.fstat(fd)
        if not stat.S_ISREG(self._found.st_mode):
            os.close(fd)
            raise contract.BaseMissingError(
                f'{name} is not a regular file')
        self.fd = fd
        self.size = self._found.st_size
        self._name = name
        self._release = release

    def fileno(self) -> int:
        """Return the descriptor."""
        assert self.fd is not None
        return self.fd

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes.

        :raises: BaseChangedError when the file is shorter.
        """
        self.check()
        assert self.fd is not None
        chunks = []
        while length:
            chunk = os.pread(self.fd, length, offset)
            if not chunk:
                raise self._changed()
            chunks.append(chunk)
            offset += len(chunk)
            length -= len(chunk)
        return b''.join(chunks)

    def check(self) -> None:
        """Compare the file's identity with that at opening.

        :raises: BaseChangedError
        """
        assert self.fd is not None
        found = os.fstat(self.fd)
        known = self._found
        if (found.st_ctime_ns == known.st_ctime_ns
                and found.st_size == known.st_size):
            return
        # A hard link more or less touches ctime, not the content.
        if (found.st_size != known.st_size
                or found.st_mtime_ns != known.st_mtime_ns
                or found.st_nlink == known.st_nlink):
            raise self._changed()
        self._found = found

    def _changed(self) -> contract.BaseChangedError:
        return contract.BaseChangedError(
            f'the file {self._name} was changed after it had been verified; '
            f'nothing more is served from it')

    def close(self) -> None:
        """Close the file and end the lease; twice is allowed."""
        if self.fd is not None and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            if self._release:
                self._release()
