# SPDX-License-Identifier: Apache-2.0

"""File systems of a test's own.

A test is skipped for what the machine lacks alone, which it names; anything
else that mkfs and mount(8) have to say is a failure.
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import typing
import unittest

# Of a kernel without a file system or loop devices, and of a container that
# may not mount. Not "bad superblock on /dev/loop0", which an image is to
# blame for.
_LACKING = re.compile(
    r'unknown filesystem type|permission denied|Operation not permitted'
    r'|failed to setup loop device|must be superuser', re.IGNORECASE)


def formatted(disk: pathlib.Path, size: int, *mkfs: str) -> pathlib.Path:
    """Make a file of some bytes with a file system; return its path.

    :param mkfs: the command up to the file.
    :raises: SkipTest where it is not installed.
    """
    if shutil.which(mkfs[0]) is None:
        raise unittest.SkipTest(f'{mkfs[0]} is not installed')
    with open(disk, 'wb') as stream:
        stream.truncate(size)
    _run(*mkfs, str(disk))
    return disk


@contextlib.contextmanager
def mounted(path: pathlib.Path, *arguments: str
            ) -> typing.Iterator[pathlib.Path]:
    """Have something mounted on a directory.

    :param arguments: of mount(8).
    :raises: SkipTest where this machine can mount no such thing.
    """
    if os.geteuid():
        raise unittest.SkipTest('root alone can mount')
    _run('mount', *arguments, str(path))
    try:
        yield path
    finally:
        _run('umount', str(path))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    reason = f'{command[0]}: {done.stderr.strip()}'
    if command[0] == 'mount' and _LACKING.search(reason):
        raise unittest.SkipTest(f'cannot mount here: {reason}')
    raise AssertionError(f'{" ".join(command)} failed: {reason}')
