# SPDX-License-Identifier: Apache-2.0

"""A child process with a deadline, whose output is read as it comes.

It runs in a session of its own, so that ending it ends its children too.
Arguments and output are not logged here: they may hold secrets.
"""

import collections
import collections.abc
import dataclasses
import os
import selectors
import signal
import subprocess
import time

#: Lines of an output that are kept, and bytes of a line.
_MAX_LINES = 400
_MAX_LINE = 4096
#: Seconds between two looks at the clock.
_TICK = 1.0
#: Seconds that a closed output may take to be read to its end.
_GRACE = 2.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    #: As subprocess gives it: negative for a signal.
    code: int
    #: The last lines of standard output and error together.
    lines: tuple[str, ...]


class DeadlineError(Exception):
    """The process did not end in time and was killed."""


def run(arguments: collections.abc.Sequence[str],
        environment: collections.abc.Mapping[str, str], deadline: float,
        on_line: collections.abc.Callable[[str], None] | None = None,
        on_tick: collections.abc.Callable[[], None] | None = None
        ) -> Outcome:
    """Run a program to its end.

    :param environment: all of it; nothing is inherited.
    :param deadline: in terms of time.monotonic().
    :param on_line: told of each line as it comes.
    :param on_tick: called about once a second.
    :raises: DeadlineError; OSError when the program cannot be started.
    """
    child = subprocess.Popen(
        [*arguments], env=dict(environment), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, close_fds=True)
    try:
        reader = _Lines(on_line)
        _read(child, reader, deadline, on_tick)
        left = max(deadline - time.monotonic(), _TICK)
        try:
            code = child.wait(left)
        except subprocess.TimeoutExpired:
            raise DeadlineError from None
        return Outcome(code, reader.finish())
    finally:
        _end(child)


def _read(child: subprocess.Popen[bytes], reader: '_Lines', deadline: float,
          on_tick: collections.abc.Callable[[], None] | None) -> None:
    assert child.stdout is not None
    ended: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        ticked = time.monotonic()
        while True:
            if selector.select(_TICK):
                data = os.read(child.stdout.fileno(), 1 << 16)
                if not data:
                    return
                reader.feed(data)
            now = time.monotonic()
            if now >= deadline:
                raise DeadlineError
            if on_tick is not None and now - ticked >= _TICK:
                ticked = now
                on_tick()
            # A child's child may keep the output open.
            if child.poll() is not None:
                ended = ended or now
                if now - ended > _GRACE:
                    return


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and of its session."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


class _Lines:
    """Parts an output into lines; a terminal's line may end with CR."""

    def __init__(self, on_line: collections.abc.Callable[[str], None] | None
                 ) -> None:
        self._on_line = on_line
        self._kept: collections.deque[str] = collections.deque(
            maxlen=_MAX_LINES)
        self._rest = b''

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data.replace(b'\r', b'\n')).split(b'\n')
        for line in lines:
            self._add(line)
        self._rest = rest[:_MAX_LINE]

    def finish(self) -> tuple[str, ...]:
        self._add(self._rest)
        self._rest = b''
        return tuple(self._kept)

    def _add(self, line: bytes) -> None:
        text = line[:_MAX_LINE].decode(errors='replace').rstrip()
        if not text:
            return
        self._kept.append(text)
        if self._on_line is not None:
            self._on_line(text)
