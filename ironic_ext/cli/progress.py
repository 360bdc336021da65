# SPDX-License-Identifier: Apache-2.0

"""A progress bar on standard error, for work that takes over a second.

It draws on terminals only. A few lines of our own: the base install of this
distribution depends on nothing, and a bar is no reason to change that.
"""

import time
import types
import typing

_QUIET_SECONDS = 1.0
_REDRAW_SECONDS = 0.1
_WIDTH = 30


def size_text(count: float) -> str:
    """Say a number of bytes for people, such as ``1.4 GiB``."""
    for unit in ('bytes', 'KiB', 'MiB', 'GiB'):
        if count < 1024:
            return f'{count:.0f} {unit}' if unit == 'bytes' else (
                f'{count:.1f} {unit}')
        count /= 1024
    return f'{count:.1f} TiB'


class Progress:
    """A bar for ``total`` bytes; a context manager, called with counts.

    :param clock: seconds, monotonic.
    """

    def __init__(self, total: int, title: str, stream: typing.TextIO, *,
                 clock: typing.Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._title = title
        self._stream = stream
        self._clock = clock
        self._done = 0
        self._start = clock()
        self._drawn_at: float | None = None
        self._enabled = stream.isatty()

    def __call__(self, count: int) -> None:
        """Note ``count`` more bytes done."""
        self._done += count
        now = self._clock()
        last = self._drawn_at
        due = (now - self._start >= _QUIET_SECONDS if last is None
               else now - last >= _REDRAW_SECONDS)
        if self._enabled and due:
            self._drawn_at = now
            self._draw(now - self._start)

    def _draw(self, elapsed: float) -> None:
        share = min(self._done / self._total, 1.0) if self._total else 1.0
        bar = ('#' * round(share * _WIDTH)).ljust(_WIDTH, '.')
        rate = size_text(self._done / elapsed)
        self._stream.write(f'\r\x1b[K{self._title} [{bar}] {share:4.0%}  '
                           f'{size_text(self._done)}  {rate}/s')
        self._stream.flush()

    def __enter__(self) -> 'Progress':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        if self._drawn_at is not None:
            self._stream.write('\r\x1b[K')
            self._stream.flush()
