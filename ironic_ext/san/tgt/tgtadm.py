# SPDX-License-Identifier: Apache-2.0

"""tgtadm(8), and what it prints. One call is one process of 2 ms."""

import dataclasses
import json
import os
import subprocess
import sys

from ironic_ext.san import errors
from ironic_ext.san import location
from ironic_ext.san import settings as san_settings
from ironic_ext.san.tgt import account

#: What it prints where nobody listens, or not to us.
_NOT_CONNECTED = account.NOT_CONNECTED
_CLOSED = 'closed the socket'
_EXISTS = 'already exists'
#: Of a target with sessions, and of a LUN that a command is at.
_ACTIVE = 'is still active'

#: Beside this interpreter, as pip installs it.
_ACCOUNT_COMMAND = os.path.join(os.path.dirname(sys.executable),
                                'ironic-ext-tgt-account')


class NotRunningError(errors.TargetDaemonError):
    """tgtd does not run, so that it serves nothing either."""


class ExistsError(errors.TargetDaemonError):
    """tgtd has such a thing already."""


class ActiveError(errors.TargetDaemonError):
    """tgtd still works for an initiator there."""


@dataclasses.dataclass(frozen=True)
class Lun:
    """A logical unit as tgtadm shows it.

    :param path: of its file, '' where it has none.
    """

    number: int
    path: str = ''
    readonly: bool = False


@dataclasses.dataclass(frozen=True)
class Shown:
    """A target as tgtadm shows it.

    :param accounts: names of those that may log in, everybody if empty.
    :param acl: addresses and names of initiators.
    :param sessions: initiators that are logged in.
    """

    tid: int
    iqn: str
    luns: tuple[Lun, ...] = ()
    accounts: frozenset[str] = frozenset()
    acl: frozenset[str] = frozenset()
    sessions: int = 0


class Tgtadm:
    """Runs tgtadm. Everything raises TargetDaemonError.

    :param settings: who may, and which tgtd.
    """

    def __init__(self, settings: san_settings.Settings) -> None:
        self._helper = settings.root_helper
        self._port = str(settings.control_port)
        self._timeout = settings.timeout

    def targets(self) -> list[Shown]:
        """Return all targets, those of others included."""
        return parse(self.run('target', 'show'))

    def accounts(self) -> list[str]:
        """Return the names of all accounts, those of others included."""
        _heading, *lines = self.run('account', 'show').splitlines() or ['']
        return [line.strip() for line in lines]

    def add_account(self, chap: location.Chap) -> None:
        """Add an account; its password is on no command line."""
        if self._helper:
            self._execute([_ACCOUNT_COMMAND, '--control-port', self._port],
                          json.dumps({'username': chap.username,
                                      'password': chap.password}))
            return
        try:
            complaint = account.add(chap.username, chap.password,
                                    int(self._port))
        except OSError as exc:
            raise _not_run(exc) from exc
        if complaint:
            raise self._error('account new', complaint)

    def run(self, mode: str, operation: str, **options: str | int) -> str:
        """Run one command and return what it prints.

        :param mode: ``target``, ``logicalunit``, ``account``.
        :param operation: ``new``, ``delete``, ``show``, ``bind``, ...
        :param options: such as ``tid=1``; True for a word without a value.
        :raises: NotRunningError, ExistsError, ActiveError,
            TargetDaemonError
        """
        command = ['tgtadm', '--control-port', self._port, '--lld', 'iscsi',
                   '--mode', mode, '--op', operation]
        for name, value in options.items():
            command.append(f'--{name.replace("_", "-")}')
            if value is not True:
                command.append(str(value))
        return self._execute(command)

    def _execute(self, command: list[str], text: str | None = None) -> str:
        what = ' '.join(command[5:]) or command[0]
        try:
            done = subprocess.run(
                [*self._helper, *command], input=text or '',
                capture_output=True, text=True, errors='replace',
                timeout=self._timeout)
        except subprocess.TimeoutExpired as exc:
            raise errors.TargetDaemonError(
                f'tgtd has not answered in {self._timeout:g} s: {what}'
            ) from exc
        except OSError as exc:
            raise _not_run(exc) from exc
        if done.returncode or _CLOSED in done.stderr:
            raise self._error(what, done.stderr.strip()
                              or f'it ended with {done.returncode}')
        return done.stdout

    def _error(self, what: str, complaint: str) -> errors.TargetDaemonError:
        if _NOT_CONNECTED in complaint or _CLOSED in complaint:
            if not self._helper and os.geteuid():
                return errors.TargetDaemonError(
                    'tgtd obeys root only: set [ext_san]root_helper, such '
                    'as "sudo -n"')
            return NotRunningError(
                'tgtd does not run on this host, or not with control port '
                f'{self._port}: start it')
        kind = (ExistsError if _EXISTS in complaint
                else ActiveError if _ACTIVE in complaint
                else errors.TargetDaemonError)
        return kind(f'tgtd refuses "{what}": {complaint.splitlines()[-1]}')


def parse(text: str) -> list[Shown]:
    """Read what ``tgtadm --mode target --op show`` prints."""
    found: list[_Reading] = []
    section = ''
    for line in text.splitlines():
        content = line.lstrip()
        depth = len(line) - len(content)
        if depth == 4:
            section = content
        elif depth and found:
            found[-1].read(section, *content.partition(': ')[::2])
        elif content.startswith('Target '):
            tid, _, iqn = content[len('Target '):].partition(': ')
            if tid.isdigit():
                found.append(_Reading(int(tid), iqn))
    return [target.shown() for target in found]


class _Reading:
    """A target whose lines are being read."""

    def __init__(self, tid: int, iqn: str) -> None:
        self._tid = tid
        self._iqn = iqn
        self._luns: list[dict[str, str]] = []
        self._accounts: set[str] = set()
        self._acl: set[str] = set()
        self._sessions = 0

    def read(self, section: str, name: str, value: str) -> None:
        if section == 'LUN information:':
            if name == 'LUN':
                self._luns.append({})
            if self._luns:
                self._luns[-1][name] = value
        elif section == 'Account information:':
            self._accounts.add(name)
        elif section == 'ACL information:':
            self._acl.add(name)
        elif name == 'I_T nexus':
            self._sessions += 1

    def shown(self) -> Shown:
        return Shown(
            self._tid, self._iqn,
            tuple(Lun(int(lun['LUN']), lun.get('Backing store path', ''),
                      lun.get('Readonly') == 'Yes') for lun in self._luns
                  if lun['LUN'].isdigit()),
            frozenset(self._accounts), frozenset(self._acl), self._sessions)


def _not_run(error: OSError) -> errors.TargetDaemonError:
    if isinstance(error, FileNotFoundError):
        return errors.TargetDaemonError(
            f'there is no command {error.filename} on this host: install '
            'tgt')
    return errors.TargetDaemonError(f'tgtadm cannot be run: {error}')
