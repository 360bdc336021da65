# SPDX-License-Identifier: Apache-2.0

"""Content of nodes' owners on disk, while a boot is planned and made.

It lies in a file without a name, so that it is gone with whoever has it
open, however that ends. All spools of a process share one budget.
"""

import collections.abc
import tempfile
import threading
import time
import types
import typing

from ironic_ext import blocks
from ironic_ext.images import errors
from ironic_ext.images import service
from ironic_ext import stored

_MIB = 1 << 20


class Budget:
    """Bytes that spools may take at a time, together.

    Who came first may have all of it, others leave what one alone can need:
    however many wait for one another, one of them gets on.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: dict[object, int] = {}

    @property
    def taken(self) -> int:
        """Bytes that are taken now."""
        return sum(self._taken.values())

    def enter(self, spool: object) -> None:
        """Let a spool queue up."""
        with self._changed:
            self._taken[spool] = 0

    def leave(self, spool: object) -> None:
        """Give all back that a spool has taken."""
        with self._changed:
            self._taken.pop(spool, None)
            self._changed.notify_all()

    def give_back(self, spool: object, count: int) -> None:
        """Give bytes back."""
        with self._changed:
            self._taken[spool] -= count
            self._changed.notify_all()

    def take(self, spool: object, count: int, limits: 'Limits') -> None:
        """Take bytes for a spool that has entered; waits for them.

        :raises: NoSpaceError
        """
        deadline = time.monotonic() + limits.timeout
        with self._changed:
            while True:
                first = next(iter(self._taken)) is spool
                free = limits.total - self.taken - (
                    0 if first else min(limits.alone, limits.total))
                if count <= free:
                    self._taken[spool] += count
                    return
                if self._taken[spool] + count > limits.total:
                    raise errors.NoSpaceError(
                        f'files and config drives of one node take more '
                        f'than {_text(limits.total)}, what all nodes of a '
                        'conductor may have on disk at a time: make them '
                        f'smaller, or raise {limits.option}')
                left = deadline - time.monotonic()
                if left <= 0:
                    raise errors.NoSpaceError(
                        'files and config drives of other nodes have taken '
                        f'the {_text(limits.total)} that all nodes of a '
                        f'conductor may have on disk at a time, for '
                        f'{limits.timeout:g} s: try again later, or raise '
                        f'{limits.option}')
                self._changed.wait(left)


class Limits(typing.NamedTuple):
    """What spools may take.

    :param total: bytes of all spools together.
    :param alone: bytes that one can need.
    :param timeout: seconds to wait for others.
    :param option: that sets the total.
    :param patience: seconds for all that one has, None for any.
    """

    total: int
    alone: int
    timeout: float
    option: str
    patience: float | None = None


#: Of this process.
BUDGET = Budget()


class Spool:
    """Content of one node; a context manager. Everything is gone then.

    Threads may write one download, not several.

    :param folder: makes, when needed, the directory where the file lies.
    :param budget: shared with others.
    """

    def __init__(self, folder: collections.abc.Callable[[], str],
                 limits: Limits,
                 budget: Budget = BUDGET) -> None:
        self._folder = folder
        self._limits = limits
        self._budget = budget
        self._file: typing.IO[bytes] | None = None
        self._end = 0
        self._began_at = time.monotonic()

    def __enter__(self) -> typing.Self:
        self._budget.enter(self)
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        finally:
            self._budget.leave(self)

    def keep(self, pieces: collections.abc.Iterable[bytes]
             ) -> stored.Stored:
        """Keep what the pieces are together.

        :raises: NoSpaceError, ImageError, and what the pieces raise
        """
        entry = Entry(self, None, 'content of a node')
        entry.begin(service.ImageVersion())
        offset = 0
        for piece in pieces:
            entry.write(offset, piece)
            offset += len(piece)
        return entry.content()

    def download(self, limit: int, name: str) -> 'Entry':
        """Return where one download goes.

        :param limit: bytes.
        :param name: fit for messages.
        :raises: ImageError
        """
        self._require_time()
        return Entry(self, limit, name)

    # What entries use

    def opened(self) -> typing.IO[bytes]:
        """Return the file.

        :raises: ImageError
        """
        if self._file is None:
            try:
                self._file = tempfile.TemporaryFile(dir=self._folder())
            except OSError as exc:
                raise _failure(exc) from exc
        return self._file

    def place(self) -> int:
        """Return where the next content begins."""
        return self._end

    def write(self, position: int, data: service.Buffer) -> None:
        """Write bytes within the budget.

        :raises: NoSpaceError, ImageError
        """
        self._require_time()
        count = memoryview(data).nbytes
        self._budget.take(self, count, self._limits)
        try:
            blocks.write_all(self.opened().fileno(), data, position)
        except OSError as exc:
            raise _failure(exc) from exc

    def _require_time(self) -> None:
        patience = self._limits.patience
        if patience is not None and (
                time.monotonic() - self._began_at > patience):
            raise errors.ImageError(
                'files and config drive of the node did not arrive within '
                f'{patience:g} s, for which an answer of the API waits: use '
                'a faster server, or smaller ones')

    def drop(self, count: int) -> None:
        """Drop what was written of a content that begins anew."""
        self.opened().truncate(self._end)
        self._budget.give_back(self, count)

    def finish(self, length: int) -> stored.Stored:
        """Return the content whose bytes are all there."""
        start, self._end = self._end, self._end + length
        return stored.Stored(self.opened(), start, length)


class Entry:
    """Takes one download: the Target that image services are given."""

    def __init__(self, spool: Spool, limit: int | None, name: str) -> None:
        self._spool = spool
        self._limit = limit
        self._name = name
        self._lock = threading.Lock()
        self._written = 0
        self._length = 0

    def begin(self, version: service.ImageVersion
              ) -> list[service.ByteRange]:
        """Take the size; everything is missing.

        :raises: ImageTooLargeError
        """
        self._judge(version.size or 0)
        with self._lock:
            if self._written:
                self._spool.drop(self._written)
            self._written = self._length = 0
        return [(0, -1 if version.size is None else version.size)]

    def write(self, offset: int, data: service.Buffer) -> None:
        """Take the bytes at ``offset``.

        :raises: ImageTooLargeError, NoSpaceError, ImageError
        """
        count = memoryview(data).nbytes
        self._judge(offset + count)
        self._spool.write(self._spool.place() + offset, data)
        with self._lock:
            self._written += count
            self._length = max(self._length, offset + count)

    def content(self) -> stored.Stored:
        """Return what has arrived."""
        return self._spool.finish(self._length)

    def _judge(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise errors.ImageTooLargeError(
                f'{self._name} is larger than the limit of '
                f'{self._limit} bytes')


def _failure(error: OSError) -> errors.ImageError:
    kind = errors.NoSpaceError if blocks.is_full(error) else errors.ImageError
    where = f' ({error.filename})' if error.filename else ''
    return kind('files and config drives of nodes cannot be kept in '
                f'[ext_state]dir: {error.strerror}{where}')


def _text(size: int) -> str:
    return f'{size >> 20} MiB' if size >= _MIB else f'{size} bytes'
