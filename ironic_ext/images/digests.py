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

"""Digesting and limiting an image on its way into the cache."""

import collections.abc
import hashlib
import os
import typing

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import services

_CHUNK = 1 << 20


class Sink:
    """Takes a download: counts, limits and digests it on the way.

    :param file: where the content goes.
    :param limit: bytes.
    :param href: for messages.
    :param wanted: its algorithm is computed beside SHA-256.
    """

    def __init__(self, file: typing.BinaryIO, limit: int, href: str,
                 wanted: checksums.Checksum | None) -> None:
        self._file = file
        self._limit = limit
        self._href = href
        names = {'sha256'} | ({wanted.algorithm} if wanted else set())
        self._hashes = {name: hashlib.new(name) for name in names}
        self._count = 0

    def write(self, data: bytes) -> int:
        """Take the next bytes.

        :raises: ImageError past the limit
        """
        self._count += len(data)
        if self._count > self._limit:
            raise errors.ImageError(too_large(self._href, self._limit))
        for algorithm in self._hashes.values():
            algorithm.update(data)
        return self._file.write(data)

    def fileno(self) -> int:
        """Return the descriptor of the file, for os.sendfile()."""
        return self._file.fileno()

    def digests(self) -> dict[str, str]:
        """Return algorithm -> hexadecimal digest of what arrived.

        :raises: ImageError past the limit
        """
        self._file.flush()
        size = os.fstat(self._file.fileno()).st_size
        if size > self._limit:
            raise errors.ImageError(too_large(self._href, self._limit))
        if size != self._count:
            # Glance's direct file access goes past write().
            return of_file(self._file.fileno(), self._hashes.keys())
        return {k: v.hexdigest() for k, v in self._hashes.items()}


def of_file(fd: int, algorithms: collections.abc.Set[str]
            ) -> dict[str, str]:
    """Return algorithm -> hexadecimal digest of a whole file."""
    hashes = {name: hashlib.new(name) for name in algorithms}
    offset = 0
    while chunk := os.pread(fd, _CHUNK, offset):
        offset += len(chunk)
        for algorithm in hashes.values():
            algorithm.update(chunk)
    return {name: value.hexdigest() for name, value in hashes.items()}


def too_large(href: str, limit: int) -> str:
    """Return the sentence for an image of more than ``limit`` bytes."""
    size = f'{limit >> 20} MiB' if limit >= 1 << 20 else f'{limit} bytes'
    return (f'{services.redacted(href)} is larger than the limit of {size}')
