# SPDX-License-Identifier: Apache-2.0

"""The progress bar of a download, on a terminal."""

import collections.abc
import types
import typing

from ironic_ext.cli import progress
from ironic_ext import images

_WIDTH = 30
_CLEAR = '\r\x1b[K'


def in_steps(bar: collections.abc.Callable[[int], object]
             ) -> collections.abc.Callable[[int], None]:
    """Return what tells a bar that counts of what is done in all."""
    done = 0

    def note(now_done: int) -> None:
        nonlocal done
        bar(now_done - done)
        done = now_done

    return note


class DownloadBar:
    """An observer of a download, and a context manager.

    :param quiet: draw nothing, as without a terminal.
    """

    def __init__(self, stream: typing.TextIO, *, quiet: bool = False
                 ) -> None:
        self._stream = stream
        self._enabled = not quiet and stream.isatty()
        self._drawn = False

    def __call__(self, now: images.Progress) -> None:
        """Draw how far the download is."""
        if not self._enabled or now.phase in ('done', 'failed'):
            return
        share = min(now.received / now.size, 1.0) if now.size else 0.0
        bar = ('#' * round(share * _WIDTH)).ljust(_WIDTH, '.')
        percent = '' if now.percent is None else f' {now.percent:3} %'
        left = ('' if now.seconds_left is None
                else f'  {now.seconds_left:.0f} s left')
        self._stream.write(
            f'{_CLEAR}{now.phase} [{bar}]{percent}  '
            f'{progress.size_text(now.received)}  '
            f'{progress.size_text(now.rate)}/s{left}')
        self._stream.flush()
        self._drawn = True

    def __enter__(self) -> 'DownloadBar':
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        if self._drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()
