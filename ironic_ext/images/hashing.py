# SPDX-License-Identifier: Apache-2.0

"""Digests of files: at once, or in a thread behind whoever writes the file.

What was written is read back from the page cache. That costs less than
keeping it in memory would, whatever the distance between writer and reader.
"""

import collections.abc
import hashlib
import os
import threading

# Fits the caches of a processor core, and is long enough for hashlib and
# the kernel to work beside the writer, without the interpreter's lock.
_CHUNK = 1 << 20

Cancelled = collections.abc.Callable[[], bool]
Note = collections.abc.Callable[[int], object]


def of_file(fd: int, algorithms: collections.abc.Iterable[str],
            note: Note | None = None) -> dict[str, str]:
    """Digest a whole file.

    :param note: called with the number of bytes done so far.
    :returns: algorithm -> hexadecimal digest.
    :raises: OSError
    """
    hashes = {name: hashlib.new(name) for name in algorithms}
    buffer = memoryview(bytearray(_CHUNK))
    offset = 0
    while count := os.preadv(fd, [buffer], offset):
        offset += count
        for value in hashes.values():
            value.update(buffer[:count])
        if note:
            note(offset)
    return {name: value.hexdigest() for name, value in hashes.items()}


class FollowingDigest:
    """The digest of a file that is being written, in order.

    :param fd: of the file; stays open until ``result`` or ``cancel``.
    :param algorithm: as in hashlib.
    """

    def __init__(self, fd: int, algorithm: str) -> None:
        self._fd = fd
        self._hash = hashlib.new(algorithm)
        self._condition = threading.Condition()
        self._ready = 0
        self._end: int | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(
            target=self._follow, name=f'digest-{algorithm}', daemon=True)
        self._thread.start()

    def advance(self, ready: int) -> None:
        """Note that all bytes before ``ready`` are written."""
        with self._condition:
            if ready > self._ready:
                self._ready = ready
                self._condition.notify()

    def result(self, size: int) -> str:
        """Wait for the digest of the first ``size`` bytes, all written.

        :returns: hexadecimal digits.
        :raises: OSError
        """
        with self._condition:
            self._ready = self._end = size
            self._condition.notify()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._hash.hexdigest()

    def cancel(self) -> None:
        """Stop; the descriptor is not used after this."""
        with self._condition:
            self._end = -1
            self._condition.notify()
        self._thread.join()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        offset = 0
        try:
            while True:
                with self._condition:
                    while offset == self._ready and self._end is None:
                        self._condition.wait()
                    ready, end = self._ready, self._end
                if end == -1 or offset == end:
                    return
                count = os.preadv(
                    self._fd, [buffer[:min(_CHUNK, ready - offset)]], offset)
                if not count:
                    raise OSError(0, 'the file was cut short')
                self._hash.update(buffer[:count])
                offset += count
        except OSError as exc:
            self._error = exc
