# SPDX-License-Identifier: Apache-2.0

"""A target in memory for downloads, which remembers what a service did."""

import threading

from ironic_ext.images import service


class MemoryTarget:
    """Takes one image, as the store's partial files do.

    :ivar versions: those that ``begin`` got.
    :ivar written: bytes that ``write`` got in all.
    :ivar threads: names of the threads that wrote.
    """

    def __init__(self) -> None:
        self.content = bytearray()
        self.versions: list[service.ImageVersion] = []
        self.written = 0
        self.threads: set[str] = set()
        self._here = bytearray()
        self._lock = threading.Lock()

    def have(self, version: service.ImageVersion, offset: int, data: bytes
             ) -> None:
        """Hold a part of a version already, as from an earlier process."""
        if not self.versions:
            self.versions.append(version)
            self.content = bytearray(version.size or 0)
            self._here = bytearray(version.size or 0)
        self._put(offset, data)

    def begin(self, version: service.ImageVersion
              ) -> list[service.ByteRange]:
        """Start, or go on with a version that resumes the last one."""
        if not self.versions or not version.resumes(self.versions[-1]):
            self.content = bytearray(version.size or 0)
            self._here = bytearray(version.size or 0)
        self.versions.append(version)
        if version.size is None:
            return [(0, -1)]
        return self.missing()

    def write(self, offset: int, data: service.Buffer) -> None:
        """Take bytes; none may come twice."""
        with self._lock:
            if any(self._here[offset:offset + len(data)]):
                raise AssertionError(f'bytes at {offset} came twice')
            self._put(offset, data)
            self.written += len(data)
            self.threads.add(threading.current_thread().name)

    def missing(self) -> list[service.ByteRange]:
        """Return the ranges that have not come."""
        found = []
        end = 0
        while (start := self._here.find(b'\0', end)) >= 0:
            end = self._here.find(b'\1', start)
            end = len(self._here) if end < 0 else end
            found.append((start, end))
        return found

    def _put(self, offset: int, data: service.Buffer) -> None:
        end = offset + len(data)
        if end > len(self.content):
            self.content.extend(bytes(end - len(self.content)))
            self._here.extend(bytes(end - len(self._here)))
        self.content[offset:end] = data
        self._here[offset:end] = b'\1' * len(data)
