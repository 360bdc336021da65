# SPDX-License-Identifier: Apache-2.0

"""Writes into the system that bootc has installed: secrets of its updates.

ostree's and bootc's own place for them is /etc/ostree/auth.json, read by
"bootc upgrade" as containers-auth.json(5). What is on the disk is the image's
doing: no link in it is followed.
"""

import contextlib
import errno
import json
import os
import pathlib
import typing

from ironic_python_agent import utils
from oslo_concurrency import processutils

from ironic_ext.bootc import errors

#: Where /etc of a deployment is: with ostree, and with composefs' back end.
_DEPLOYMENTS = ('ostree/deploy/*/deploy/*.0', 'state/deploy/*')
_LABEL = 'security.selinux'
#: Where an installed system is mounted meanwhile. It lies in no directory
#: that is removed with all that is in it.
PLACE = pathlib.Path('/run/ironic-bootc-root')


def write_auth(partition: str, filesystem: str,
               content: dict[str, typing.Any]) -> None:
    """Leave the logins for updates in an installed system.

    :param partition: path of its root partition.
    :param content: of the auth file.
    :raises: VerifyError
    """
    PLACE.mkdir(mode=0o700, exist_ok=True)
    try:
        utils.execute('mount', '-t', filesystem, '-o', 'nosuid,nodev,noexec',
                      partition, str(PLACE))
        try:
            _write(PLACE, json.dumps(content))
        finally:
            release()
    except (OSError, processutils.ProcessExecutionError) as exc:
        raise errors.VerifyError(
            'the system is installed, but the secret for its updates cannot '
            f'be left in it (option "update_auth"): {exc!s:.300}') from exc


def release() -> None:
    """Unmount the installed system, also where a killed agent left it.

    :raises: OSError, ProcessExecutionError
    """
    if PLACE.is_mount():
        utils.execute('umount', str(PLACE))
    if PLACE.exists():
        PLACE.rmdir()


def _write(root: pathlib.Path, text: str) -> None:
    found = [path for pattern in _DEPLOYMENTS
             for path in root.glob(pattern) if (path / 'etc').is_dir()]
    if len(found) != 1:
        raise OSError(errno.ENOENT,
                      f'there are {len(found)} deployments on the disk')
    with contextlib.ExitStack() as opened:
        number = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        opened.callback(os.close, number)
        for part in (*found[0].relative_to(root).parts, 'etc'):
            number = _open(part, number)
            opened.callback(os.close, number)
        label = _label(number)
        with contextlib.suppress(FileExistsError):
            os.mkdir('ostree', 0o755, dir_fd=number)
        number = _open('ostree', number)
        opened.callback(os.close, number)
        with contextlib.suppress(FileNotFoundError):
            os.unlink('auth.json', dir_fd=number)
        file = os.open('auth.json', os.O_WRONLY | os.O_CREAT | os.O_EXCL
                       | os.O_NOFOLLOW, 0o600, dir_fd=number)
        with os.fdopen(file, 'w') as target:
            target.write(text)
            if label is not None:
                for one in (number, target.fileno()):
                    os.setxattr(one, _LABEL, label)
            target.flush()
            os.fsync(target.fileno())


def _open(name: str, within: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
                   dir_fd=within)


def _label(number: int) -> bytes | None:
    """Return a directory's label, which what is new in it gets, too."""
    try:
        return os.getxattr(number, _LABEL)
    except OSError:
        return None
