# SPDX-License-Identifier: Apache-2.0

"""A tgtd of a test's own on the loopback interface, and an initiator."""

import collections.abc
import contextlib
import ctypes
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import typing
import unittest

import fixtures

from ironic_ext.san import location
from lab import process

#: Seconds; it takes a tenth of one.
_START = 60
_PATIENCE = 60
_SOCKETS = pathlib.Path('/var/run/tgtd')


class Tgtd(fixtures.Fixture):
    """A running tgtd; the test is skipped where that is impossible.

    :ivar control_port: what tgtadm knows it by.
    :ivar portal: where it listens.
    """

    def _setUp(self) -> None:
        for program in ('tgtd', 'tgtadm'):
            if shutil.which(program) is None:
                raise unittest.SkipTest(f'{program} is missing')
        if os.geteuid():
            raise unittest.SkipTest('tgtd obeys root only')
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()
        self.addCleanup(self._log.close)
        self.addCleanup(self._forget)
        for _ in range(10):
            self.control_port = random.randrange(1, 1 << 15)
            self.portal = location.Portal('127.0.0.1', process.free_port())
            if not self._socket().exists() and self._start():
                return
        raise process.LabError(f'tgtd does not start: {self._tail()}')

    def start(self) -> None:
        """Start it, with the same ports as before, and without targets."""
        if not self._start():
            raise process.LabError(f'tgtd does not start: {self._tail()}')

    def _start(self) -> bool:
        self._process = subprocess.Popen(
            # Not even a killed test leaves it behind.
            ['setpriv', '--pdeathsig', 'KILL', 'tgtd', '-f', '-C',
             str(self.control_port), '--iscsi', f'portal={self.portal}'],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        try:
            # True when it answers, False when it has ended.
            return process.await_condition(
                self._state, 'tgtd', timeout=_START) == 'up'
        except process.LabError:
            self.kill()
            return False

    def _state(self) -> str:
        assert self._process is not None
        if self._process.poll() is not None:
            return 'ended'
        # It may go on without a portal that it cannot have.
        shown = subprocess.run(
            ['tgtadm', '-C', str(self.control_port), '--lld', 'iscsi',
             '--mode', 'portal', '--op', 'show'], capture_output=True,
            text=True)
        return 'up' if f':{self.portal.port},' in shown.stdout else ''

    def kill(self) -> None:
        """End it as a crash would; it takes no notice of SIGTERM."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tgtadm(self, *arguments: str) -> str:
        """Run tgtadm as an operator would."""
        return subprocess.run(
            ['tgtadm', '-C', str(self.control_port), '--lld', 'iscsi',
             *arguments], check=True, capture_output=True, text=True).stdout

    def _socket(self) -> pathlib.Path:
        return _SOCKETS / f'socket.{self.control_port}'

    def _forget(self) -> None:
        self.kill()
        for path in (self._socket(), self._socket().with_name(
                f'{self._socket().name}.lock')):
            path.unlink(missing_ok=True)

    def _tail(self) -> str:
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors='replace')


def content(found: location.Location) -> bytes:
    """Read a whole LUN as a machine would, by qemu-img.

    :raises: InitiatorError
    """
    login = ''
    if found.chap is not None:
        login = f'{found.chap.username}%{found.chap.password}@'
    portal = location.Portal(found.portal, found.port)
    with tempfile.NamedTemporaryFile() as file:
        done = subprocess.run(
            ['qemu-img', 'convert', '-O', 'raw',
             f'iscsi://{login}{portal}/{found.iqn}/{found.lun}', file.name],
            capture_output=True, text=True)
        if done.returncode:
            raise InitiatorError(done.stderr.strip())
        return file.read()


@contextlib.contextmanager
def reading(found: location.Location) -> collections.abc.Iterator[None]:
    """Read a LUN without a pause, by many requests at a time."""
    portal = location.Portal(found.portal, found.port)
    login = (f'{found.chap.username}%{found.chap.password}@' if found.chap
             else '')
    reader = subprocess.Popen(
        ['qemu-img', 'bench', '-c', '100000000', '-d', '64', '-s', '2048',
         '-f', 'raw', f'iscsi://{login}{portal}/{found.iqn}/{found.lun}'],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


class InitiatorError(Exception):
    """A target does not let the initiator in; says what libiscsi says."""


class _Task(ctypes.Structure):
    # The first member of libiscsi's struct scsi_task.
    _fields_ = [('status', ctypes.c_int)]


class Initiator:
    """A machine's view of a LUN, by libiscsi.

    :raises: InitiatorError when it cannot log in.
    """

    def __init__(self, found: location.Location, *,
                 chap: location.Chap | None = None,
                 name: str = 'iqn.2000-01.org.example:machine') -> None:
        try:
            self._library = ctypes.CDLL('libiscsi.so.7')
        except OSError as exc:
            raise unittest.SkipTest(str(exc)) from exc
        self._lun = found.lun
        for function in ('create_context', 'write10_sync',
                         'startstopunit_sync', 'testunitready_sync'):
            self._function(function).restype = ctypes.c_void_p
        self._function('get_error').restype = ctypes.c_char_p
        self._context = ctypes.c_void_p(
            self._function('create_context')(name.encode()))
        self._call('set_session_type', 2)
        self._call('set_timeout', _PATIENCE)
        # A target that is gone stays gone.
        self._call('set_noautoreconnect', 1)
        self._call('set_targetname', found.iqn.encode())
        if chap is not None:
            self._call('set_initiator_username_pwd', chap.username.encode(),
                       chap.password.encode())
        portal = location.Portal(found.portal, found.port)
        if self._call('full_connect_sync', str(portal).encode(), found.lun):
            error = self._error()
            self.close()
            raise InitiatorError(error)

    def write(self, block: int, data: bytes) -> None:
        """Write blocks of 512 bytes.

        :raises: InitiatorError when the target refuses that.
        """
        task = self._call('write10_sync', self._lun, block, data, len(data),
                          512, 0, 0, 0, 0, 0)
        if self._status(task):
            raise InitiatorError(self._error())

    def eject(self) -> None:
        """Ask for the medium to be ejected (START STOP UNIT, LOEJ)."""
        # lun, immed, pcm, pc, no_flush, loej, start
        self._call('startstopunit_sync', self._lun, 0, 0, 0, 0, 1, 0)

    def is_ready(self) -> bool:
        """Tell whether there is a medium (TEST UNIT READY)."""
        return not self._status(self._call('testunitready_sync', self._lun))

    def close(self) -> None:
        """Log out."""
        self._call('logout_sync')
        self._call('destroy_context')

    def _function(self, name: str) -> typing.Any:
        return getattr(self._library, f'iscsi_{name}')

    def _call(self, name: str, *arguments: typing.Any) -> typing.Any:
        return self._function(name)(self._context, *arguments)

    def _status(self, task: int | None) -> int:
        if not task:
            return -1
        return ctypes.cast(task, ctypes.POINTER(_Task)).contents.status

    def _error(self) -> str:
        return self._function('get_error')(self._context).decode(
            errors='replace')

    def __enter__(self) -> 'Initiator':
        return self

    def __exit__(self, *details: object) -> None:
        self.close()
