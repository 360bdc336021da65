# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A download straight into an open file, verified on the way.

For Ironic's own caches, which bring the file; nothing is resumed by another
process. What the image store writes into is not here.
"""

import errno
import hashlib
import io
import os
import stat
import threading
import typing

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import service

_CHUNK = 1 << 20


class FileTarget:
    """Takes one download.

    Bytes that arrive in order are digested as they come, the others are
    read back in the end.

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
        self._spans: list[service.ByteRange] = []
        self._digested = 0
        self._digesting = False
        self._hashes: dict[str, typing.Any] = {}

    # What services use

    def begin(self, version: service.ImageVersion
              ) -> list[service.ByteRange]:
        """Take the size; return the ranges that are missing, in order.

        :raises: NoSpaceError, ImageError
        """
        with self._lock:
            if self._version is None or not version.resumes(self._version):
                self._start_over(version)
            self._version = version
            return self._missing()

    def write(self, offset: int, data: service.Buffer) -> None:
        """Take the bytes at ``offset``.

        :raises: NoSpaceError, ImageError
        """
        view = memoryview(data)
        self._store(offset, view)
        with self._lock:
            in_order = offset == self._digested and not self._digesting
            self._digesting |= in_order
            self._spans = _joined([*self._spans,
                                   (offset, offset + len(view))])
        if in_order:
            for value in self._hashes.values():
                value.update(view)
            with self._lock:
                self._digested += len(view)
                self._digesting = False

    # What the caller of a service uses

    def finish(self) -> None:
        """Make sure that everything has arrived, and compare checksums.

        :raises: ChecksumError, ImageError
        """
        missing = self._missing()
        if missing and missing[0][1] != -1:
            raise errors.ImageError(
                f'the download of {self._name} lacks the bytes from '
                f'{missing[0][0]} to {missing[0][1]}: try again')
        size = self._spans[-1][1] if self._spans else 0
        self._digest_rest(size)
        for checksum in self._checksums():
            found = self._hashes[checksum.algorithm].hexdigest()
            checksum.require(found, self._name)
        try:
            if self._fd is None:
                self._file.seek(size)
            self._file.flush()
        except OSError as exc:
            raise self._failure(exc) from exc

    # Bookkeeping

    def _checksums(self) -> list[checksums.Checksum]:
        promised = self._version.checksum if self._version else None
        return [c for c in (self._wanted, promised) if c is not None]

    def _start_over(self, version: service.ImageVersion) -> None:
        try:
            if self._fd is not None:
                os.ftruncate(self._fd, 0)
                free = os.fstatvfs(self._fd)
                room = free.f_bavail * free.f_frsize
                if version.size is not None and version.size > room:
                    raise errors.NoSpaceError(
                        f'{self._name} needs {version.size} bytes, but only '
                        f'{room} are free on the disk it is downloaded to: '
                        'make room there')
            elif self._spans:
                self._file.seek(0)
                self._file.truncate()
        except OSError as exc:
            raise self._failure(exc) from exc
        self._version = version
        self._spans = []
        self._digested = 0
        self._hashes = {c.algorithm: hashlib.new(c.algorithm)
                        for c in self._checksums()}

    def _missing(self) -> list[service.ByteRange]:
        size = self._version.size if self._version else None
        if size is None:
            return [(self._spans[-1][1] if self._spans else 0, -1)]
        found = []
        offset = 0
        for start, end in self._spans:
            if start > offset:
                found.append((offset, start))
            offset = end
        if offset < size:
            found.append((offset, size))
        return found

    # The file

    def _store(self, offset: int, view: memoryview) -> None:
        try:
            if self._fd is None:
                with self._lock:
                    self._file.seek(offset)
                    self._file.write(view)
                return
            while view:
                count = os.pwrite(self._fd, view, offset)
                view, offset = view[count:], offset + count
        except OSError as exc:
            raise self._failure(exc) from exc

    def _digest_rest(self, size: int) -> None:
        if self._digested >= size or not self._hashes:
            return
        try:
            if self._fd is None:
                self._file.seek(self._digested)
                self._digest(self._file)
                return
            # The descriptor at hand need not be open for reading.
            with open(f'/proc/self/fd/{self._fd}', 'rb') as source:
                source.seek(self._digested)
                self._digest(source)
        except OSError as exc:
            raise self._failure(exc) from exc

    def _digest(self, source: typing.BinaryIO) -> None:
        while chunk := source.read(_CHUNK):
            for value in self._hashes.values():
                value.update(chunk)

    def _failure(self, exc: OSError) -> errors.ImageError:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return errors.NoSpaceError(
                f'no space is left on the disk that {self._name} is '
                'downloaded to: make room there')
        return errors.ImageError(
            f'cannot write {self._name} to disk: {exc.strerror or exc}')


def _regular(file: typing.BinaryIO) -> int | None:
    """Return the descriptor if writes at any offset work on it."""
    try:
        fd = file.fileno()
        return fd if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except (AttributeError, io.UnsupportedOperation):
        return None


def _joined(spans: list[service.ByteRange]) -> list[service.ByteRange]:
    found: list[service.ByteRange] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
