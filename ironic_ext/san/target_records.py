# SPDX-License-Identifier: Apache-2.0

"""Records of targets: small files beside the images that are served.

Files and not the conductors' database, since a target belongs to the host
whose tgtd serves it: whoever can serve it can read its record, and the
record is gone with the image when the disk is. One directory is one target,
locked by flock(2) while anything about it changes.
"""

import collections.abc
import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import re
import typing

from ironic_ext import blocks
from ironic_ext.san import errors
from ironic_ext.san import location

LOG = logging.getLogger(__name__)

_KEY = re.compile(r'[0-9a-f]{32}')
_NAME = 'target.json'
_IMAGE = 'image.iso'


class DamagedError(errors.SanError):
    """A record is there, but does not make sense."""


@dataclasses.dataclass(frozen=True)
class TargetRecord:
    """What has to be known to serve an image again.

    :param key: names the target, the same for the same image.
    :param image: href of the base, fit for logs.
    :param size: bytes.
    :param owners: who needs it, sorted; nobody any more when empty.
    """

    key: str
    iqn: str
    image: str
    size: int
    customised: bool
    chap: location.Chap | None = None
    owners: tuple[str, ...] = ()

    def without(self, owner: str) -> 'TargetRecord':
        """Return it with one owner less."""
        return dataclasses.replace(self, owners=tuple(
            other for other in self.owners if other != owner))

    def with_owner(self, owner: str) -> 'TargetRecord':
        """Return it with an owner more, if that is a new one."""
        return dataclasses.replace(
            self, owners=tuple(sorted({*self.owners, owner})))


class TargetRecords:
    """The directory of all targets of this host.

    :param root: made when it is missing.
    """

    def __init__(self, root: str) -> None:
        self._folder = os.path.join(os.path.abspath(root), 'targets')

    @property
    def folder(self) -> str:
        """What every served image is in."""
        return self._folder

    def image(self, key: str) -> str:
        """Return the path of a target's image."""
        return os.path.join(self._folder, key, _IMAGE)

    def keys(self) -> list[str]:
        """Return what there are directories for, sorted.

        :raises: SanError
        """
        try:
            return sorted(name for name in os.listdir(self._folder)
                          if _KEY.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise _error('read', self._folder, exc) from exc

    def all(self) -> list[TargetRecord]:
        """Return every record that can be read, sorted by key.

        :raises: SanError
        """
        found = []
        for key in self.keys():
            try:
                record = self.read(key)
            except DamagedError as exc:
                LOG.warning('%s', exc)
                continue
            if record is not None:
                found.append(record)
        return found

    @contextlib.contextmanager
    def locked(self, key: str, *, make: bool = False, wait: bool = True
               ) -> collections.abc.Iterator[bool]:
        """Hold the lock of one target.

        :param make: its directory, too, where there is none.
        :param wait: for whoever holds it.
        :returns: False when it is not held: no such target, or no waiting.
        :raises: SanError
        """
        path = os.path.join(self._folder, key)
        try:
            fd = self._lock(path, make, wait)
        except OSError as exc:
            raise _error('lock', path, exc) from exc
        try:
            yield fd is not None
        finally:
            if fd is not None:
                os.close(fd)

    def _lock(self, path: str, make: bool, wait: bool) -> int | None:
        while True:
            if make:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, mode=0o700)
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY
                             | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                if make:
                    continue
                return None
            try:
                fcntl.flock(fd, fcntl.LOCK_EX
                            | (0 if wait else fcntl.LOCK_NB))
                # Whoever held it may have removed the directory.
                if os.path.samestat(os.fstat(fd), os.stat(path)):
                    return fd
            except BlockingIOError:
                os.close(fd)
                return None
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def read(self, key: str) -> TargetRecord | None:
        """Return a record, None where there is none.

        :raises: DamagedError
        """
        path = os.path.join(self._folder, key, _NAME)
        try:
            with open(path, encoding='utf-8') as file:
                return _parsed(key, json.load(file))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError,
                errors.SanError) as exc:
            raise DamagedError(
                f'{path}, the record of an iSCSI target, cannot be read '
                f'({type(exc).__name__}): remove its directory, then deploy '
                'or rebuild the nodes that boot it') from exc

    def write(self, record: TargetRecord) -> None:
        """Keep a record; its target is locked.

        :raises: SanError
        """
        folder = os.path.join(self._folder, record.key)
        path = os.path.join(folder, _NAME)
        try:
            # It has a password in it.
            with blocks.replacing(path, 0o600) as fd:
                blocks.write_all(fd, json.dumps(
                    dataclasses.asdict(record), indent=1).encode())
        except OSError as exc:
            raise _error('write', path, exc) from exc

    def remove(self, key: str) -> None:
        """Remove a target's directory; it is locked, and serves nothing.

        The record goes last, so that whatever is left has one.

        :raises: SanError
        """
        folder = os.path.join(self._folder, key)
        try:
            for name in sorted(os.listdir(folder), key=_NAME.__eq__):
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise _error('remove', folder, exc) from exc

    def sweep(self, key: str) -> None:
        """Remove what a killed writer has left of a target; it is locked.

        :raises: SanError
        """
        folder = os.path.join(self._folder, key)
        try:
            for name in os.listdir(folder):
                if name not in (_NAME, _IMAGE):
                    os.unlink(os.path.join(folder, name))
        except OSError as exc:
            raise _error('clean', folder, exc) from exc


def _parsed(key: str, facts: typing.Any) -> TargetRecord:
    chap = facts['chap']
    return TargetRecord(
        key, str(facts['iqn']), str(facts['image']), int(facts['size']),
        bool(facts['customised']),
        location.Chap(str(chap['username']), str(chap['password']))
        if chap else None,
        tuple(map(str, facts['owners'])))


def _error(verb: str, path: str, error: OSError) -> errors.SanError:
    return errors.of_file(f'cannot {verb} {path}', error)
