# SPDX-License-Identifier: Apache-2.0

"""A tgtd of the lab's own, beside any that runs on this machine."""

from collections.abc import Sequence
import pathlib
import random
import signal
import subprocess

from lab import process

_TGTD = '/usr/sbin/tgtd'
_TGTADM = '/usr/sbin/tgtadm'
# tgtd's sockets have numbers; 0 is the one of a tgtd that is installed.
_NUMBERS = range(1000, 32000)
_SOCKETS = pathlib.Path('/run/tgtd')


class Tgtd(process.Service):
    """tgtd in the foreground, without targets; needs to be root.

    :ivar number: of its control socket (tgtd -C).
    :ivar port: where it serves iSCSI.
    """

    # As long as it has targets it takes no notice of SIGTERM.
    stop_signal = signal.SIGKILL

    def __init__(self, directory: pathlib.Path, *,
                 outlives: bool = False) -> None:
        super().__init__('tgtd', directory, outlives=outlives)
        self.number = random.choice(_NUMBERS)
        self.port = process.free_port()
        name = f'socket.{self.number}'
        self.leaves = (_SOCKETS / name, _SOCKETS / f'{name}.lock')

    def command(self) -> Sequence[str]:
        return [_TGTD, '-f', '-C', str(self.number), '--iscsi',
                f'portal=127.0.0.1:{self.port}']

    def is_ready(self) -> bool:
        try:
            self.tgtadm('system', 'show')
        except process.LabError:
            return False
        return True

    def tgtadm(self, mode: str, operation: str, *options: str) -> str:
        """Run tgtadm as an administrator does, and return what it prints.

        :raises: LabError with what it said.
        """
        done = subprocess.run(
            [_TGTADM, '-C', str(self.number), '--lld', 'iscsi', '--mode',
             mode, '--op', operation, *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60)
        if done.returncode:
            raise process.LabError(f'tgtadm {mode} {operation}: '
                                   f'{done.stderr.strip()}')
        return done.stdout

    def add(self, iqn: str, path: pathlib.Path, *, number: int = 1,
            lun: int = 1) -> None:
        """Serve a file read-only to everybody."""
        tid = str(number)
        self.tgtadm('target', 'new', '--tid', tid, '-T', iqn)
        self.tgtadm('logicalunit', 'new', '--tid', tid, '--lun', str(lun),
                    '-b', str(path))
        self.tgtadm('logicalunit', 'update', '--tid', tid, '--lun',
                    str(lun), '--params', 'readonly=1')
        self.tgtadm('target', 'bind', '--tid', tid, '-I', 'ALL')

    def remove(self, number: int = 1) -> None:
        """Remove a target, whoever is logged in."""
        self.tgtadm('target', 'delete', '--force', '--tid', str(number))
