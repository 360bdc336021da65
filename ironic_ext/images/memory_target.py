# SPDX-License-Identifier: Apache-2.0

"""Something small that is downloaded into memory: a checksum file, a page."""

from ironic_ext.images import errors
from ironic_ext.images import service


class MemoryTarget:
    """Takes one download of at most so many bytes.

    :param limit: bytes.
    :param name: of the file, fit for messages.
    :ivar content: what has arrived.
    """

    def __init__(self, limit: int, name: str) -> None:
        self.content = bytearray()
        self._limit = limit
        self._name = name

    def begin(self, version: service.ImageVersion
              ) -> list[service.ByteRange]:
        """Take the size; everything is missing.

        :raises: ImageTooLargeError
        """
        self._judge(version.size or 0)
        self.content.clear()
        return [(0, -1 if version.size is None else version.size)]

    def write(self, offset: int, data: service.Buffer) -> None:
        """Take the bytes at ``offset``.

        :raises: ImageTooLargeError
        """
        view = memoryview(data).cast('B')
        end = offset + len(view)
        self._judge(end)
        if end > len(self.content):
            self.content.extend(bytes(end - len(self.content)))
        self.content[offset:end] = view

    def _judge(self, size: int) -> None:
        if size > self._limit:
            raise errors.ImageTooLargeError(
                f'{self._name} is larger than the limit of '
                f'{self._limit} bytes')
