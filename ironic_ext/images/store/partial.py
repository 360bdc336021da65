# SPDX-License-Identifier: Apache-2.0

"""A download on its way into the store, which another process can resume.

Beside the file of the bytes is one that says of which version they are, and
then, a line for each, which ranges of it are whole. A line is added after
its bytes: what a killed process wrote is in the page cache and survives it.
A power cut may have taken those bytes, so that a download of another boot
counts only where a checksum is going to judge it.
"""

import collections.abc
import contextlib
import dataclasses
import functools
import json
import os
import threading

from ironic_ext import blocks
from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import hashing
from ironic_ext.images import progress
from ironic_ext.images import service
from ironic_ext.images.store import metadata
from ironic_ext import spans

_MIB = 1 << 20
# Bytes between two beginnings of a write-back.
_WRITEBACK = 8 * _MIB
# Bytes that room is made for at a time: what a source promises costs other
# images nothing before it arrives.
_GRANT = 16 * _MIB

Room = collections.abc.Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class State:
    """What is on record of a partial download.

    :param version: that the bytes are of.
    :param boot: of the machine when they were written.
    :param spans: those that are whole.
    :param project: that it counts for; '' is the operator.
    """

    version: service.ImageVersion
    boot: str
    spans: spans.Spans
    project: str = ''

    @classmethod
    def read(cls, path: str) -> 'State | None':
        """Read the state of a download; None when it is damaged.

        :param path: of its bytes.
        """
        try:
            with open(f'{path}.state', encoding='utf-8') as file:
                head, *lines = file.read().split('\n')
            facts = json.loads(head)
            version = metadata.as_version(facts['version'])
            whole = spans.Spans()
            # After the last newline is what a writer did not finish.
            for line in lines[:-1]:
                start, end = map(int, line.split())
                if not 0 <= start < end:
                    return None
                whole.add(start, end)
            if version is None:
                return None
            return cls(version, str(facts['boot']), whole,
                       str(facts.get('project', '')))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a download must not exceed.

    :param size: bytes of the largest image that is accepted.
    :param room: called with a number of bytes that are about to be
        written: makes room, or raises NoSpaceError.
    :param possible: called with the number of bytes that are still to come:
        raises NoSpaceError if there can be no room, and makes none.
    """

    size: int
    room: Room
    possible: Room


class PartialFile:
    """The Target that the store gives to image services.

    One process has it at a time. Nothing is on disk before ``begin``.

    :param path: of the bytes; the state is at ``path`` with ``.state``.
    :param name: of the image, fit for messages.
    :param wanted: what the caller will compare with; its algorithm is
        computed besides SHA-256.
    :param project: that it counts for.
    :ivar version: of the source, None before ``begin``.
    :ivar doubtful: bytes of another boot of the machine are in it.
    """

    def __init__(self, path: str, name: str, limits: Limits, *,
                 wanted: checksums.Checksum | None = None,
                 reporter: progress.Reporter | None = None,
                 project: str = '') -> None:
        self.path = path
        self.version: service.ImageVersion | None = None
        self.doubtful = False
        self._name = name
        self._limits = limits
        self._wanted = wanted
        self._project = project
        self._reporter = reporter or progress.Reporter(name)
        self._lock = threading.Lock()
        self._fd = -1
        self._spans = spans.Spans()
        self._digests: dict[str, hashing.FollowingDigest] = {}
        self._state_fd = -1
        self._written_back = 0
        # Bytes of the whole that room was made for.
        self._granted = 0

    # What services use

    def begin(self, version: service.ImageVersion
              ) -> list[service.ByteRange]:
        """Take the size; return the ranges that are missing, in order.

        :raises: ImageTooLargeError, NoSpaceError, ImageError
        """
        if version.size is not None and version.size > self._limits.size:
            raise errors.ImageTooLargeError(
                f'{self._name} has {version.size} bytes, more than the '
                f'limit of {_size_text(self._limits.size)}')
        with self._lock, self._translated():
            self._open()
            self._stop_digests()
            kept = (self._spans if self.version is not None
                    and self.version.resumes(version)
                    else self._kept_by_other(version))
            self.version = version
            self._spans = kept or spans.Spans()
            self._prepare(keeping=kept is not None)
            self._start_state()
            for name in self._algorithms():
                self._digests[name] = hashing.FollowingDigest(self._fd, name)
                self._digests[name].advance(self._spans.head)
            self._written_back = self._spans.total
            self._reporter.begin(self._spans.total, version.size)
            if version.size is None:
                return [(self._spans.head, -1)]
            return self._spans.missing(version.size)

    def write(self, offset: int, data: service.Buffer) -> None:
        """Take the bytes at ``offset``; the buffer may be reused after.

        :raises: ImageTooLargeError, NoSpaceError, ImageError
        """
        assert self.version is not None
        view = memoryview(data).cast('B')
        start, end = offset, offset + len(view)
        self._judge_end(end)
        with self._translated():
            with self._lock:
                self._make_room(len(view))
            while view:
                count = os.pwrite(self._fd, view, offset)
                offset += count
                view = view[count:]
            with self._lock:
                self._spans.add(start, end)
                total = self._spans.total
                head = self._spans.head
                os.write(self._state_fd, _line(start, end))
                written_back = self._written_back
                if total - written_back >= _WRITEBACK:
                    self._written_back = total
            for digest in self._digests.values():
                digest.advance(head)
            if total - written_back >= _WRITEBACK:
                blocks.start_writeback(self._fd, 0, 0)
        self._reporter.note(total)

    # What the store uses

    @property
    def fd(self) -> int:
        """The open file; only after ``begin``."""
        return self._fd

    def finish(self) -> dict[str, str]:
        """Make the bytes durable and return their digests.

        :returns: algorithm -> hexadecimal digest, SHA-256 always.
        :raises: ImageError
        """
        with self._lock, self._translated():
            if self.version is None:
                raise errors.ImageError(
                    f'the source sent nothing for {self._name}')
            size = self.version.size
            if size is None:
                size = self._spans.head
                os.ftruncate(self._fd, size)
            if missing := self._spans.missing(size):
                raise errors.ImageError(
                    f'the download of {self._name} ended without the bytes '
                    f'from {missing[0][0]} to {missing[0][1]} of {size}: '
                    'try again')
            self._reporter.note(size, progress.VERIFYING)
            # The digests go on meanwhile.
            os.fsync(self._fd)
            found = {name: digest.result(size)
                     for name, digest in self._digests.items()}
            self._digests = {}
            return found

    def close(self, keep: bool) -> None:
        """End the work on it.

        :param keep: leave what can be resumed for the next try.
        """
        with self._lock:
            self._stop_digests()
            if self._fd == -1:
                return
            version = self.version
            if not (keep and version is not None and version.resumes(version)
                    and self._spans.total):
                remove(self.path)
            os.close(self._fd)
            if self._state_fd != -1:
                os.close(self._state_fd)
            self._fd = self._state_fd = -1

    # Bookkeeping

    def _algorithms(self) -> set[str]:
        names = {'sha256'}
        for checksum in (self._wanted,
                         self.version.checksum if self.version else None):
            if checksum is not None:
                names.add(checksum.algorithm)
        return names

    def _open(self) -> None:
        if self._fd == -1:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT
                               | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _kept_by_other(self, version: service.ImageVersion
                       ) -> spans.Spans | None:
        """Return what an earlier process has left of this version."""
        self.doubtful = False
        if self.version is not None:
            return None
        state = State.read(self.path)
        size = min(version.size or 0, os.fstat(self._fd).st_size)
        if (state is None or not state.version.resumes(version)
                or any(end > size for _start, end in state.spans.spans)):
            return None
        self.doubtful = state.boot != boot_id()
        if self.doubtful and self._wanted is None and not version.checksum:
            return None
        return state.spans

    def _prepare(self, keeping: bool) -> None:
        assert self.version is not None
        if not keeping:
            os.ftruncate(self._fd, 0)
        self._granted = self._spans.total
        size = self.version.size
        if size is None:
            self._limits.possible(0)
            return
        self._limits.possible(size - os.fstat(self._fd).st_blocks * 512)
        os.ftruncate(self._fd, size)

    def _make_room(self, length: int) -> None:
        """Make room for bytes that are here."""
        needed = self._spans.total + length
        if needed <= self._granted:
            return
        count = max(_GRANT, needed - self._granted)
        if self.version is not None and self.version.size is not None:
            # Several connections may write at once.
            count = max(length, min(count, self.version.size
                                    - self._spans.total))
        self._limits.room(count)
        self._granted = self._spans.total + count

    def _judge_end(self, end: int) -> None:
        size = self.version.size if self.version else None
        if size is not None and end > size:
            raise errors.ImageError(
                f'the source sends more than the {size} bytes that '
                f'{self._name} is said to have')
        if end > self._limits.size:
            raise errors.ImageTooLargeError(
                f'{self._name} is larger than the limit of '
                f'{_size_text(self._limits.size)}')

    def _start_state(self) -> None:
        assert self.version is not None
        head = json.dumps({'image': self._name, 'boot': boot_id(),
                           'project': self._project,
                           'version': metadata.of_version(self.version)})
        path = f'{self.path}.state'
        if self._state_fd != -1:
            os.close(self._state_fd)
            self._state_fd = -1
        with blocks.replacing(path, 0o600, durable=False,
                              temporary=f'{path}.new') as fd:
            blocks.write_all(fd, head.encode() + b'\n' + b''.join(
                _line(start, end) for start, end in self._spans.spans))
        self._state_fd = os.open(path, os.O_WRONLY | os.O_APPEND
                                 | os.O_CLOEXEC | os.O_NOFOLLOW)

    def _stop_digests(self) -> None:
        for digest in self._digests.values():
            digest.cancel()
        self._digests = {}

    @contextlib.contextmanager
    def _translated(self) -> collections.abc.Iterator[None]:
        try:
            yield
        except OSError as exc:
            where = os.path.dirname(self.path)
            if blocks.is_full(exc):
                raise errors.NoSpaceError(
                    f'no space is left for {self._name} in {where}: make '
                    'room there, or move [ext_images]cache_dir') from exc
            raise errors.ImageError(
                f'cannot write {self._name} to {where}: '
                f'{exc.strerror or exc}') from exc


def remove(path: str) -> None:
    """Remove a partial download and its state."""
    for name in (path, f'{path}.state', f'{path}.state.new'):
        metadata.remove(name)


def _line(start: int, end: int) -> bytes:
    return b'%d %d\n' % (start, end)


@functools.cache
def boot_id() -> str:
    """Return what differs from one boot of the machine to the next."""
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
        return file.read().strip()


def _size_text(size: int) -> str:
    return f'{size >> 20} MiB' if size >= _MIB else f'{size} bytes'
