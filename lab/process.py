# SPDX-License-Identifier: Apache-2.0

"""Child processes of the lab: start, await readiness, stop.

A service is done when what it does can be observed; nothing here sleeps for
a fixed time and hopes.
"""

from collections.abc import Callable, Mapping, Sequence
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time
from typing import TypeVar
import urllib.error
import urllib.request

T = TypeVar('T')

_PR_SET_PDEATHSIG = 1
_LOG_TAIL = 2000


class LabError(Exception):
    """The lab could not do what it was asked; the message says what."""


def await_condition(condition: Callable[[], T | None], what: str, *,
                    timeout: float, interval: float = 0.1) -> T:
    """Poll until condition() is true and return what it returned.

    :param what: what is awaited, for the error message.
    :param timeout: seconds.
    :raises: LabError when the time is over.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise LabError(f'waited {timeout:.0f} s in vain for {what}')
        time.sleep(interval)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of 127.0.0.1."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=5):
            return True
    except OSError:
        return False


def http_answers(url: str) -> bool:
    """Tell whether anything speaks HTTP at the URL, whatever it answers."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


def demote(user_id: int, group_id: int) -> Callable[[], None]:
    """Return a function that a child runs to become another user."""
    def become() -> None:
        os.setgroups([])
        os.setgid(group_id)
        os.setuid(user_id)
    return become


class Service:
    """One child process in its own process group, with a log file.

    :param outlives: the process goes on when the lab's process ends.
    """

    start_timeout = 180.0
    stop_timeout = 15.0
    #: What ends it, and what it gets when the lab's process dies.
    stop_signal = signal.SIGTERM
    #: Files outside its directory that it leaves behind.
    leaves: Sequence[pathlib.Path] = ()

    def __init__(self, name: str, directory: pathlib.Path, *,
                 outlives: bool = False) -> None:
        self.name = name
        self.directory = directory
        self.log_path = directory / f'{name}.log'
        self._outlives = outlives
        self._process: subprocess.Popen | None = None

    def command(self) -> Sequence[str]:
        """Return the command line; write configuration files before."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """Return the whole environment of the process."""
        return dict(os.environ)

    def is_ready(self) -> bool:
        """Tell whether the service does its work by now."""
        raise NotImplementedError

    def prepare_child(self) -> None:
        """Run in the child, before its program."""

    @property
    def pid(self) -> int | None:
        """The process id, which is also its group's, or None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start and wait until it is ready.

        :raises: LabError, with the end of the log.
        """
        command = self.command()
        libc = ctypes.CDLL(None)

        def before_exec() -> None:
            # In this order: a change of user clears the signal.
            self.prepare_child()
            if not self._outlives:
                libc.prctl(_PR_SET_PDEATHSIG, self.stop_signal)

        with open(self.log_path, 'ab') as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(), cwd=self.directory,
                start_new_session=True, preexec_fn=before_exec)
        try:
            await_condition(self._ready_or_dead, f'{self.name} to start',
                            timeout=self.start_timeout)
        except BaseException as exc:
            self.stop()
            if isinstance(exc, LabError):
                raise LabError(f'{exc}\n{self.log_tail()}') from exc
            raise

    def _ready_or_dead(self) -> bool:
        code = self._process.poll()
        if code is not None:
            raise LabError(f'{self.name} ended with {code} while starting')
        return self.is_ready()

    def stop(self) -> None:
        """End the process and its children; does nothing when it is over."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the process and its children with SIGKILL, like a crash."""
        self._end(signal.SIGKILL)

    def _end(self, first_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, first_signal)
            process.wait(self.stop_timeout)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        # The leader may be gone while a worker of its group lives on.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        for path in self.leaves:
            path.unlink(missing_ok=True)

    def log_tail(self) -> str:
        """Return the end of the log."""
        try:
            text = self.log_path.read_text(errors='replace')
        except FileNotFoundError:
            return ''
        return f'--- end of {self.log_path}\n{text[-_LOG_TAIL:]}'
