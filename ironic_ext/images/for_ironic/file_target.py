# SPDX-License-Identifier: Apache-2.0

"""A download straight into an open file, verified on the way.

For Ironic's own caches, which bring the file; nothing is resumed by another
process. What the image store writes into is partial.PartialFile.
"""

import collections.abc
import contextlib
import hashlib
import io
import os
import stat
import threading
import typing

from ironic_ext import blocks
from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import hashing
from ironic_ext.images import service
from ironic_ext import spans

_CHUNK = 1 << 20


class FileTarget:
    """Takes one download; close it in the end.

    :param file: open for writing, in binary mode.
    :param name: of the image, fit for messages.
    :param wanted: the checksum that the image must have.
    """

    def __init__(self, file: typing.BinaryIO, name: str,
                 wanted: checksums.Checksum | None = None) -> None:
        self._file = file
        self._name = name
        self._wanted = wanted
        self._fd = _regular(file)
        self._lock = threading.Lock()
        self._version: service.ImageVersion | None = None
        self._spans = spans.Spans()
        # The descriptor at hand need not be open for reading.
        self._reader = -1 if self._fd is None else os.open(
            f'/proc/self/fd/{self._fd}', os.O_RDONLY | os.O_CLOEXEC)
        self._digests: dict[str, hashing.FollowingDigest] = {}

    # What services use

    def begin(self, version: service.ImageVersion
              ) -> list[service.ByteRange]:
        """Take the size; return the ranges that are missing, in order.

        :raises: NoSpaceError, ImageError
        """
        with self._lock, self._translated():
            if self._version is None or not version.resumes(self._version):
                self._version = version
                self._start_over()
            return self._missing()

    def write(self, offset: int, data: service.Buffer) -> None:
        """Take the bytes at ``offset``.

        :raises: NoSpaceError, ImageError
        """
        view = memoryview(data).cast('B')
        start, end = offset, offset + len(view)
        with self._translated():
            if self._fd is None:
                with self._lock:
                    self._file.seek(offset)
                    self._file.write(view)
            else:
                while view:
                    count = os.pwrite(self._fd, view, offset)
                    view, offset = view[count:], offset + count
        with self._lock:
            self._spans.add(start, end)
            for digest in self._digests.values():
                digest.advance(self._spans.head)

    # What the caller of a service uses

    def finish(self) -> None:
        """Make sure that everything has arrived, and compare checksums.

        :raises: ChecksumError, ImageError
        """
        size = self._spans.head
        for start, end in self._missing():
            if end != -1:
                raise errors.ImageError(
                    f'the download of {self._name} lacks the bytes from '
                    f'{start} to {end}: try again')
        with self._translated():
            for checksum in self._checksums():
                checksum.require(self._digest(checksum.algorithm, size),
                                 self._name)
            self._file.seek(size)
            self._file.flush()

    def close(self) -> None:
        """Stop reading the file, which itself stays open."""
        with self._lock:
            for digest in self._digests.values():
                digest.cancel()
            self._digests = {}
            if self._reader != -1:
                os.close(self._reader)
                self._reader = -1

    # Bookkeeping

    def _checksums(self) -> set[checksums.Checksum]:
        promised = self._version.checksum if self._version else None
        return {c for c in (self._wanted, promised) if c is not None}

    def _start_over(self) -> None:
        for digest in self._digests.values():
            digest.cancel()
        self._digests = {}
        self._spans = spans.Spans()
        self._file.seek(0)
        self._file.truncate()
        if self._fd is None:
            return
        self._require_room(self._fd)
        self._digests = {
            c.algorithm: hashing.FollowingDigest(self._reader, c.algorithm)
            for c in self._checksums()}

    def _require_room(self, fd: int) -> None:
        info = os.fstatvfs(fd)
        room = info.f_bavail * info.f_frsize
        size = self._version.size if self._version else None
        if size is not None and size > room:
            raise errors.NoSpaceError(
                f'{self._name} needs {size} bytes, but only {room} are free '
                'on the disk it is downloaded to: make room there')

    def _missing(self) -> list[service.ByteRange]:
        size = self._version.size if self._version else None
        if size is None:
            return [(self._spans.head, -1)]
        return self._spans.missing(size)

    def _digest(self, algorithm: str, size: int) -> str:
        if algorithm in self._digests:
            # Not to be cancelled any more.
            return self._digests.pop(algorithm).result(size)
        value = hashlib.new(algorithm)
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            value.update(chunk)
        return value.hexdigest()

    @contextlib.contextmanager
    def _translated(self) -> collections.abc.Iterator[None]:
        try:
            yield
        except OSError as exc:
            if blocks.is_full(exc):
                raise errors.NoSpaceError(
                    f'no space is left on the disk that {self._name} is '
                    'downloaded to: make room there') from exc
            raise errors.ImageError(
                f'cannot write {self._name} to disk: '
                f'{exc.strerror or exc}') from exc


def _regular(file: typing.BinaryIO) -> int | None:
    """Return the descriptor if writes at any offset work on it."""
    try:
        fd = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return None
    return fd if stat.S_ISREG(os.fstat(fd).st_mode) else None
