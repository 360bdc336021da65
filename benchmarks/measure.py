# SPDX-License-Identifier: Apache-2.0

"""Time, bytes written and peak memory of commands, each a child process.

Linux only, see proc(5). The bytes are ``wchar`` of /proc/PID/io, read between
the process's end and its reaping. The memory is VmHWM of /proc/PID/status,
a high-water mark, looked at every few milliseconds while the process runs:
the ru_maxrss of wait4(2) would start at what this process itself has.
"""

import collections.abc
import dataclasses
import os
import pathlib
import signal
import statistics
import subprocess
import threading
import time

_LOOK_SECONDS = 0.004


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a job needed: seconds, bytes written, peak resident bytes."""

    seconds: float
    written: int
    memory: int


class ToolError(Exception):
    """A measured command failed; the message is its last output."""


class _PeakMemory(threading.Thread):
    """Follows a process's VmHWM until :meth:`stop`."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = pathlib.Path(f'/proc/{pid}/status')
        self._stopped = threading.Event()
        self.bytes = 0
        self.start()

    def run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            for line in self._status.read_text().splitlines():
                if line.startswith('VmHWM:'):
                    self.bytes = int(line.split()[1]) * 1024

    def stop(self) -> None:
        """Return once the process is no longer looked at."""
        self._stopped.set()
        self.join()


def child_environment(directory: pathlib.Path) -> dict[str, str]:
    """Let Python keep its byte code in ``directory``.

    An installed program has it; without, each start would compile anew.
    """
    environment = {**os.environ,
                   'PYTHONPYCACHEPREFIX': str(directory / 'pycache')}
    environment.pop('PYTHONDONTWRITEBYTECODE', None)
    return environment


def run(commands: collections.abc.Iterable[collections.abc.Sequence[str]],
        directory: pathlib.Path) -> Cost:
    """Run commands one after the other and return their cost together.

    :param directory: for the commands' output and for Python's byte code.
    :raises: ToolError
    """
    costs = [_run_one(command, directory) for command in commands]
    return Cost(sum(cost.seconds for cost in costs),
                sum(cost.written for cost in costs),
                max(cost.memory for cost in costs))


def _run_one(command: collections.abc.Sequence[str],
             directory: pathlib.Path) -> Cost:
    log = directory / 'log'
    with log.open('wb') as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, env=child_environment(directory))
        peak = _PeakMemory(child.pid)
        try:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            seconds = time.perf_counter() - started
            written = _written(child.pid)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            peak.stop()
            status = child.wait()
    if status:
        raise ToolError(f'{command[0]} failed ({status}): '
                        + log.read_text(errors='replace').strip()[-300:])
    return Cost(seconds, written, peak.bytes)


def _written(pid: int) -> int:
    for line in pathlib.Path(f'/proc/{pid}/io').read_text().splitlines():
        key, _, value = line.partition(': ')
        if key == 'wchar':
            return int(value)
    raise ToolError('/proc has no wchar')


def median(costs: collections.abc.Sequence[Cost]) -> Cost:
    """The median of each value."""
    return Cost(statistics.median(cost.seconds for cost in costs),
                int(statistics.median(cost.written for cost in costs)),
                int(statistics.median(cost.memory for cost in costs)))
