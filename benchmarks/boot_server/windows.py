# SPDX-License-Identifier: Apache-2.0

"""Windows of requests: how long answers took, and what they cost whom.

What else runs on the machine is measured, too: a window in which others took
more than they may says nothing, and is told apart.
"""

import collections.abc
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import random
import statistics
import time
import typing

from benchmarks.boot_server import constant_rate
from benchmarks.boot_server import sides

Side = sides.Server | sides.Nginx

_TICK = os.sysconf('SC_CLK_TCK')


@dataclasses.dataclass(frozen=True)
class Window:
    """Some seconds of requests.

    :ivar times: milliseconds until the answers were there, sorted.
    :ivar spent: milliseconds of a processor for each, user and system.
    :ivar others: part of all processors' time that others took.
    :ivar client: part of its time in which the client was busy.
    :ivar failed: requests without an answer, or with another one.
    """

    times: list[float]
    spent: float
    others: float
    client: float
    failed: int


class Meter:
    """What is looked at before and after."""

    def __init__(self, ours: collections.abc.Iterable[int]) -> None:
        """Take the processes that belong to the measurement."""
        self._ours = list(ours)

    def __enter__(self) -> 'Meter':
        self._wall, self._before = time.monotonic(), self._busy()
        return self

    def __exit__(self, *_exception: object) -> None:
        wall = time.monotonic() - self._wall
        self.others = max(0.0, (self._busy() - self._before) / wall / (
            len(os.sched_getaffinity(0))))

    def _busy(self) -> float:
        """Return the seconds that all others have computed, see proc(5).

        What other virtual machines took counts.
        """
        fields = pathlib.Path('/proc/stat').read_text().split('\n', 1)[0]
        numbers = [int(field) / _TICK for field in fields.split()[1:9]]
        # Neither idle nor waiting for disks.
        return sum(numbers) - numbers[3] - numbers[4] - sum(
            map(processor_time, [*self._ours, os.getpid()]))


def processor_time(pid: int) -> float:
    """Return the seconds that a process has computed, to the nanosecond.

    :raises: OSError when there is none
    """
    clock = ctypes.c_int()
    problem = ctypes.CDLL(None).clock_getcpuclockid(
        pid, ctypes.byref(clock))
    if problem:
        raise OSError(problem, os.strerror(problem))
    return time.clock_gettime(clock.value)


class Case:
    """One thing that is asked of one side, and its windows."""

    def __init__(self, side_name: str, side: Side, what: str, rate: float,
                 paths: collections.abc.Iterable[str], keep: bool) -> None:
        self.side_name, self.what = side_name, what
        self.connections = 'kept' if keep else 'new'
        self._keep, self._side, self._rate = keep, side, rate
        self._windows: list[Window] = []
        self._paths = list(paths)
        random.Random(1).shuffle(self._paths)

    def ask(self, client: constant_rate.Client, seconds: float,
            ours: collections.abc.Iterable[int]) -> None:
        """Ask for some time, after a moment of it unmeasured.

        :param ours: processes that belong to the measurement.
        :raises: SystemExit when none is answered as it should be
        """
        assert self._side.pid is not None
        self._asked(client, self._rate)
        before = processor_time(self._side.pid)
        with Meter(ours) as meter:
            found = self._asked(client, self._rate * seconds)
        spent = processor_time(self._side.pid) - before
        self._windows.append(Window(
            [time * 1e3 for time in found.times],
            spent / len(found.times) * 1e3, meter.others, found.busy,
            found.failed))

    def _asked(self, client: constant_rate.Client, count: float
               ) -> constant_rate.Found:
        paths = (self._paths * int(count // len(self._paths) + 1))
        found = client.ask(
            (self._side.host, self._side.port), paths[:int(count)],
            self._rate, keep=self._keep, authority=self._side.authority)
        if not found.times:
            raise SystemExit(f'{self.side_name}, {self.what}: all '
                             f'{found.failed} requests failed')
        return found

    def quiet(self, limit: float) -> list[Window]:
        """Return the windows in which others took little.

        :param limit: part of the processors' time.
        """
        return [window for window in self._windows if window.others <= limit]

    def row(self, limit: float) -> dict[str, typing.Any]:
        """Return what was found, in windows that others left alone.

        Without such windows, in all of them: ``undisturbed`` is 0 then.
        The cost is the least of all windows, too: what disturbs a process
        makes it compute more, never less.

        :param limit: see quiet().
        """
        quiet = self.quiet(limit)
        used = quiet or self._windows
        times = sorted(time for window in used for time in window.times)
        return {
            'side': self.side_name, 'what': self.what,
            'connections': self.connections, 'rate': self._rate,
            'windows': len(self._windows), 'undisturbed': len(quiet),
            'failed': sum(window.failed for window in self._windows),
            'p50 ms': statistics.median(times), 'p99 ms': p99(times),
            'least p99 ms': min(p99(window.times) for window in used),
            'CPU ms': statistics.median(window.spent for window in used),
            'least CPU ms': min(window.spent for window in self._windows),
            'client busy': max(window.client for window in used)}


def idle(side: sides.Server, seconds: float) -> float:
    """Return the milliseconds a second that a server takes for nothing."""
    assert side.pid is not None
    before, began = processor_time(side.pid), time.monotonic()
    with contextlib.suppress(InterruptedError):
        time.sleep(seconds)
    return ((processor_time(side.pid) - before) * 1e3
            / (time.monotonic() - began))


def p99(times: list[float]) -> float:
    """Return what 99 of 100 are below.

    :param times: sorted.
    """
    return times[int(len(times) * 0.99)]
