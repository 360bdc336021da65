# SPDX-License-Identifier: Apache-2.0

"""Takes down what lies on a disk that is to be overwritten.

Volumes of LVM, LUKS, multipath (device mapper) and software RAID (md) hold a
disk, so that bootc cannot wipe it; they are taken down from the top. The
agent assembles what it finds when it starts, so that any machine that had
RAID has its arrays running. What says of a partition that it belongs to one
is wiped, or it would be assembled again.
"""

import os
import pathlib
import time

from ironic_python_agent import utils
from oslo_concurrency import processutils
from oslo_log import log

from ironic_ext.bootc import errors

LOG = log.getLogger(__name__)

_BLOCK = pathlib.Path('/sys/class/block')
# Stacks are not deeper than that, and never circular.
_DEEPEST = 16
#: Seconds until a partition that somebody looks at is free.
_BUSY = 10.0
_PAUSE = 0.2


def above(name: str) -> list[str]:
    """Return the kernel's names of what lies on a device, the top first.

    :param name: such as "sda"; partitions of it are looked at, too, and are
        not in the list.
    """
    found: list[str] = []
    _visit(name, found, 0)
    return found


def _visit(name: str, found: list[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise errors.DiskBusyError(
            f'/dev/{name} lies in a stack of more than {_DEEPEST} devices')
    for part in partitions(name):
        _visit(part, found, depth + 1)
    try:
        holders = sorted(os.listdir(_BLOCK / name / 'holders'))
    except OSError:
        holders = []
    for holder in holders:
        _visit(holder, found, depth + 1)
        if holder not in found:
            found.append(holder)


def partitions(name: str) -> list[str]:
    """Return the kernel's names of a device's partitions."""
    return sorted(path.parent.name for path in
                  (_BLOCK / name).glob(f'{name}*/partition'))


def take_down(device: str) -> None:
    """Free a disk of all that lies on it.

    :param device: path of the disk; its content is lost.
    :raises: DiskBusyError; the disk itself is as it was then.
    """
    name = os.path.basename(os.path.realpath(device))
    deadline = time.monotonic() + _BUSY
    while True:
        _free(device, name)
        _wipe(name)
        _settle()
        left = above(name)
        if not left:
            return
        if time.monotonic() > deadline:
            raise errors.DiskBusyError(
                f'disk {device} is in use by {_named(left[0])}, which comes '
                'back when it is taken down')


def _free(device: str, name: str) -> None:
    """Take down what lies on a disk, from the top, and see that it is free.

    :raises: DiskBusyError
    """
    for held in above(name):
        LOG.warning('Taking down %(what)s, which lies on %(disk)s',
                    {'what': _named(held), 'disk': device})
        try:
            _remove(held)
        except (OSError, processutils.ProcessExecutionError) as exc:
            raise errors.DiskBusyError(
                f'disk {device} is in use by {_named(held)}, which cannot be '
                f'taken down: {_why(exc)}') from exc
    for part in [*partitions(name), name]:
        _require_free(device, part)


def _settle() -> None:
    """Await udev, which looks at what changed and assembles what it knows."""
    try:
        utils.execute('udevadm', 'settle')
    except (OSError, processutils.ProcessExecutionError) as exc:
        LOG.warning('udev cannot be waited for: %s', _why(exc))


def _wipe(name: str) -> None:
    """Wipe what says of partitions that they belong to an array or volume."""
    for part in partitions(name):
        try:
            utils.execute('wipefs', '--all', '--quiet', f'/dev/{part}')
        except (OSError, processutils.ProcessExecutionError) as exc:
            # bootc does it again, and is the judge.
            LOG.warning('/dev/%(part)s cannot be wiped: %(why)s',
                        {'part': part, 'why': _why(exc)})


def _remove(name: str) -> None:
    if (_BLOCK / name / 'dm').is_dir():
        utils.execute('dmsetup', 'remove', '--retry', _mapping(name))
    elif (_BLOCK / name / 'md').is_dir():
        utils.execute('mdadm', '--stop', f'/dev/{name}')
    else:
        raise OSError(f'nobody knows here what /dev/{name} is')


def _mapping(name: str) -> str:
    return (_BLOCK / name / 'dm/name').read_text().strip()


def _named(name: str) -> str:
    """Return a device's name for people."""
    try:
        return f'/dev/mapper/{_mapping(name)}'
    except OSError:
        return f'/dev/{name}'


def _require_free(device: str, name: str) -> None:
    """Wait until nobody has a device for itself (O_EXCL, open(2))."""
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            # Not to write: that alone has udev assemble arrays again.
            os.close(os.open(f'/dev/{name}', os.O_RDONLY | os.O_EXCL))
            return
        except FileNotFoundError:
            return
        except OSError as exc:
            if time.monotonic() > deadline:
                raise errors.DiskBusyError(
                    f'/dev/{name} of disk {device} is in use, such as '
                    f'mounted: {exc.strerror}') from exc
        time.sleep(_PAUSE)


def _why(exc: Exception) -> str:
    if isinstance(exc, processutils.ProcessExecutionError):
        return ' '.join((exc.stderr or exc.stdout or str(exc)).split())[:300]
    if isinstance(exc, FileNotFoundError):
        return f'the ramdisk has no {exc.filename or exc}'
    return str(exc)
