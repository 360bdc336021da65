# SPDX-License-Identifier: Apache-2.0

"""Small JSON files beside the images, written whole or not at all.

They are a cache of what can be found out again: one that is missing or
damaged reads as None, and is not worth an fsync(2).
"""

import collections.abc
import contextlib
import fcntl
import json
import os
import typing

from ironic_ext import blocks
from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import service

Facts = dict[str, typing.Any]


@contextlib.contextmanager
def locked(path: str) -> collections.abc.Iterator[None]:
    """Hold the lock of a store's small files; for microseconds only."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def read(path: str) -> Facts | None:
    """Read an object from a file; None when there is no such thing."""
    try:
        with open(path, encoding='utf-8') as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write(path: str, facts: Facts) -> None:
    """Replace a file; its writers exclude one another.

    :raises: OSError
    """
    # One name for all tries: what a killed writer leaves is written over.
    with blocks.replacing(path, 0o600, durable=False,
                          temporary=f'{path}.new') as fd:
        blocks.write_all(fd, json.dumps(facts).encode())


def remove(path: str) -> None:
    """Remove a file that may be missing."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def of_version(version: service.ImageVersion) -> Facts:
    """Return what is kept of a version."""
    return {'size': version.size, 'etag': version.etag,
            'last_modified': version.last_modified,
            'checksum': str(version.checksum) if version.checksum else None,
            'no_cache': version.no_cache}


def as_version(facts: object) -> service.ImageVersion | None:
    """Return the version that was kept; None when it is damaged."""
    if not isinstance(facts, dict):
        return None
    size, checksum = facts.get('size'), facts.get('checksum')
    etag, modified = facts.get('etag'), facts.get('last_modified')
    if (not isinstance(size, int | None) or not isinstance(etag, str)
            or not isinstance(modified, str)
            or not isinstance(checksum, str | None)):
        return None
    try:
        promised = checksums.Checksum.parse(
            checksum, allow_md5=True) if checksum else None
    except errors.ChecksumError:
        return None
    return service.ImageVersion(size, etag, modified, checksum=promised,
                                no_cache=bool(facts.get('no_cache')))
