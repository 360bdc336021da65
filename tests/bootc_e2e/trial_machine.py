# SPDX-License-Identifier: Apache-2.0

"""The machine of a trial, as it is looked at: its disk, and a root shell."""

import json
import pathlib
import subprocess
import time

from lab import debian_root
from lab import process

#: Seconds of an attempt to log in, and between two of them.
_ATTEMPT = 60
_PAUSE = 5.0


class Shell:
    """Commands for root of a machine, over SSH with a key of its own."""

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        """Make the key.

        :param port: of 127.0.0.1, which leads to the machine's 22.
        """
        self._key = folder / 'trial-key'
        debian_root.run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C',
                        'trial', '-f', self._key)
        #: What authorized_keys is to have.
        self.public_key = self._key.with_suffix('.pub').read_text().strip()
        self._command = [
            'ssh', '-F', 'none', '-i', str(self._key), '-p', str(port),
            '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no',
            '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR',
            '-o', 'IdentitiesOnly=yes', '-o', f'ConnectTimeout={_ATTEMPT}',
            '-o', 'ServerAliveInterval=30', '-o', 'ServerAliveCountMax=20',
            'root@127.0.0.1']

    def run(self, command: str, given: str = '', *,
            timeout: float | None = None) -> str:
        """Run a command and return what it prints.

        :raises: LabError with the end of what it said.
        """
        try:
            done = subprocess.run(
                [*self._command, command], input=given, text=True,
                capture_output=True, errors='replace', timeout=timeout)
        except subprocess.TimeoutExpired as exc:
            raise process.LabError(
                f'"{command[:80]}" took too long in the machine') from exc
        if done.returncode:
            raise process.LabError(
                f'"{command[:80]}" ended with {done.returncode} in the '
                f'machine: {(done.stderr or done.stdout)[-1500:]}')
        return done.stdout

    def await_login(self, timeout: float, command: str = 'true') -> None:
        """Wait until a command succeeds.

        :raises: LabError with the last reason why it did not.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.run(command, timeout=2 * _ATTEMPT)
                return
            except process.LabError as exc:
                if time.monotonic() > deadline:
                    raise process.LabError(
                        f'root cannot log in by SSH after {timeout:.0f} s, '
                        'which the update is tried by (an image without '
                        f'sshd or DHCP: --no-update): {exc}') from exc
            time.sleep(_PAUSE)


def partitions(disk: pathlib.Path) -> list[dict[str, object]]:
    """Return number, MiB, type and label of a raw disk's partitions."""
    table = json.loads(debian_root.run(
        '/usr/sbin/sfdisk', '--json', disk))['partitiontable']
    sector = table.get('sectorsize', 512)
    found: list[dict[str, object]] = []
    for number, part in enumerate(table['partitions'], 1):
        tags = {}
        probed = subprocess.run(
            ['/usr/sbin/blkid', '--probe', '--output', 'export',
             '--offset', str(part['start'] * sector), '--size',
             str(part['size'] * sector), str(disk)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for line in probed.stdout.splitlines():
            name, _equals, value = line.partition('=')
            tags[name] = value
        found.append({'number': number,
                      'mib': part['size'] * sector >> 20,
                      'type': tags.get('TYPE', ''),
                      'label': tags.get('LABEL', '')})
    return found
