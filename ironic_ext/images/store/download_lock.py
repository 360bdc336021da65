# SPDX-License-Identifier: Apache-2.0

"""One download of an image at a time, in a process and on the whole host.

Threads of a process wait for one another on a lock of the process; the
first of them alone waits for other processes, on a flock(2) that dies with
its holder. It polls, since a blocking flock could not be given up, and
would stop all green threads of a process that has some. Those who waited
for a download get the lock together, shared, so that a row of them costs no
more than one.
"""

import collections
import collections.abc
import contextlib
import fcntl
import os
import threading
import time
import types

from ironic_ext.images import errors

_FIRST_POLL = 0.002
_LAST_POLL = 0.05
_TELL_SECONDS = 1.0

_gates: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)
_users: dict[str, int] = collections.defaultdict(int)
_registry = threading.Lock()


class DownloadLock:
    """A context manager; ``acquire`` is called within, perhaps repeatedly.

    :param path: of a file that exists as long as there is interest in it.
    :param timeout: seconds to wait for others, all in all.
    :param name: of the image, fit for messages.
    :param waiting: called about once a second while waiting.
    """

    def __init__(self, path: str, timeout: float, name: str,
                 waiting: collections.abc.Callable[[], object]) -> None:
        self._path = path
        self._timeout = timeout
        self._name = name
        self._waiting = waiting
        self._fd: int | None = None
        self._gate: threading.Lock | None = None
        self._deadline = 0.0

    def __enter__(self) -> 'DownloadLock':
        self._deadline = time.monotonic() + self._timeout
        with _registry:
            gate = _gates[self._path]
            _users[self._path] += 1
        try:
            while not gate.acquire(timeout=max(0, min(
                    _TELL_SECONDS, self._left()))):
                self._require_time()
                self._waiting()
        except BaseException:
            self._leave()
            raise
        self._gate = gate
        return self

    def acquire(self) -> bool:
        """Wait until nobody else downloads.

        :returns: True when the caller may download now, False when somebody
            else did meanwhile: look at what came of it, then perhaps try
            again.
        :raises: ImageError when the time is over.
        """
        self._release_file()
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                     0o600)
        try:
            if _try(fd, fcntl.LOCK_EX) and os.fstat(fd).st_nlink:
                self._fd, fd = fd, -1
                return True
            self._wait(fd)
            return False
        finally:
            if fd != -1:
                os.close(fd)

    def _wait(self, fd: int) -> None:
        """Wait until the lock is free, or its file is done with."""
        pause, tell_at = _FIRST_POLL, time.monotonic()
        while os.fstat(fd).st_nlink and not _try(fd, fcntl.LOCK_SH):
            self._require_time()
            if time.monotonic() >= tell_at:
                tell_at = time.monotonic() + _TELL_SECONDS
                self._waiting()
            time.sleep(min(pause, max(0, self._left())))
            pause = min(pause * 1.5, _LAST_POLL)

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _require_time(self) -> None:
        if self._left() <= 0:
            raise errors.ImageError(
                f'another download of {self._name} has been going on for '
                f'{self._timeout:.0f} s: try again later')

    def _release_file(self) -> None:
        if self._fd is None:
            return
        # Before the lock goes: whoever has the file open sees that it has
        # no name any more, and opens it anew.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self._fd)
        self._fd = None

    def _leave(self) -> None:
        with _registry:
            _users[self._path] -= 1
            if not _users[self._path]:
                del _users[self._path]
                del _gates[self._path]

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self._release_file()
        if self._gate is not None:
            self._gate.release()
            self._gate = None
        self._leave()


def is_busy(path: str) -> bool:
    """Tell whether somebody holds the lock at this moment."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
