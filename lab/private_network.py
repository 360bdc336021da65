# SPDX-License-Identifier: Apache-2.0

"""A network namespace for a lab: loopback, and nothing else.

Nothing that runs in it reaches the world outside, and nobody from outside
reaches it. Ports of 127.0.0.1 there belong to the lab alone. Needs root.
"""

from collections.abc import Iterator
import contextlib
import ctypes
import os
import subprocess

from lab import process

_CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def private_network() -> Iterator[None]:
    """Let this thread, and all that it starts, use a network of its own.

    :raises: LabError when this is not allowed.
    """
    before = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    try:
        _call('unshare', _CLONE_NEWNET)
        try:
            subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True,
                           stdin=subprocess.DEVNULL)
            yield
        finally:
            _call('setns', before, _CLONE_NEWNET)
    finally:
        os.close(before)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        raise process.LabError(
            f'no network namespace can be used: {name}: '
            f'{os.strerror(ctypes.get_errno())}')
