# SPDX-License-Identifier: Apache-2.0

"""The directory of ISOs: uploads that survive being broken off, files found.

A file appears under its name at once and whole, or not at all; it is never
changed or replaced afterwards, since machines boot from it.
"""

import collections.abc
import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import stat
import time
import typing

from ironic_ext import blocks
from ironic_ext.catalog import errors
from ironic_ext.catalog import resources

_CHUNK = 1 << 20
_PART, _NOTE = '.part', '.uploaded'

_Hashes = dict[str, typing.Any]
Judge = collections.abc.Callable[[str], typing.Any]


@dataclasses.dataclass(frozen=True)
class IsoFile:
    """An ISO in the directory.

    :ivar size: bytes.
    :ivar digest: ``sha256:<hex>``.
    :ivar judged: what the judge of an upload returned.
    """

    path: str
    size: int
    digest: str
    judged: typing.Any = None


class IsoDirectory:
    """The directory. Several processes may share it.

    Everything raises CatalogError; OSErrors are translated.
    """

    def __init__(self, root: str, max_size: int) -> None:
        """Name the directory; it is made when it is needed.

        :param max_size: of an ISO, in bytes.
        """
        self._root = root
        #: Bytes of an ISO.
        self.max_size = max_size

    def path(self, name: str) -> str:
        """Return where an ISO of that name is or would be.

        :raises: InvalidError for what is no name of a file
        """
        if not resources.is_name(name) or name.startswith('.'):
            raise errors.InvalidError(errors.Problem(
                'spec.isoFile', 'is no name of a file'))
        return os.path.join(self._root, name)

    def names(self) -> list[str]:
        """Return the names of the ISOs that are there, sorted."""
        with self.translated():
            with os.scandir(self._root) as entries:
                return sorted(
                    entry.name for entry in entries
                    if entry.name.lower().endswith('.iso')
                    and resources.is_name(entry.name)
                    and not entry.name.startswith('.')
                    and entry.is_file(follow_symlinks=False))

    def has(self, name: str) -> bool:
        """Tell whether there is such a file, or an upload of one.

        :raises: InvalidError
        """
        path = self.path(name)
        return os.path.lexists(path) or os.path.lexists(path + _PART)

    def find(self, name: str, checksum: str = '') -> IsoFile | None:
        """Return an ISO with its digest; reads it whole if need be.

        :param checksum: that it must have, as for :meth:`receive`.
        :returns: None when there is none.
        :raises: InvalidError
        """
        path = self.path(name)
        with self.translated():
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC
                             | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError:
                return None
            with open(fd, 'rb', buffering=0) as file:
                facts = os.fstat(fd)
                if not stat.S_ISREG(facts.st_mode):
                    raise errors.ConflictError(f'{path} is no file')
                noted = self._noted(name, facts)
                if noted is not None and checksum in ('', noted):
                    return IsoFile(path, facts.st_size, noted)
                hashes = _hashes(checksum)
                _read_into(file, hashes)
                _require_checksum(hashes, checksum)
        return IsoFile(path, facts.st_size, _digest(hashes))

    # Uploads

    def received(self, name: str) -> int:
        """Return the bytes that are here of an upload that was broken off."""
        with self.translated():
            try:
                return os.stat(self.path(name) + _PART).st_size
            except FileNotFoundError:
                return 0

    def begin_upload(self, name: str, *, offset: int = 0,
                     total: int | None = None, checksum: str = ''
                     ) -> 'Upload':
        """Begin to store an upload, or go on with one. It is to be closed.

        :param offset: where it begins, in bytes; 0 begins anew.
        :param total: bytes of the whole; None for what comes until the end.
        :param checksum: ``sha256:<hex>`` or ``sha512:<hex>`` of the whole,
            or ''.
        :raises: ConflictError, InvalidError
        """
        path = self.path(name)
        with self.translated():
            os.makedirs(self._root, mode=0o755, exist_ok=True)
            if os.path.lexists(path):
                raise _exists(name)
            if total is not None and total > self.max_size:
                raise self.too_large()
            with contextlib.ExitStack() as stack:
                part = stack.enter_context(self._locked_part(name))
                hashes = self._resume(part, name, offset, checksum)
                return Upload(self, name, part, hashes, total,
                              stack.pop_all())

    def discard(self, name: str) -> None:
        """Forget an upload that was broken off."""
        with self.translated(), contextlib.suppress(FileNotFoundError):
            with self._locked_part(name, create=False):
                os.unlink(self.path(name) + _PART)

    def remove(self, name: str) -> bool:
        """Delete an ISO that was uploaded.

        One that somebody put there stays: it is theirs.

        :returns: whether it was deleted.
        """
        path = self.path(name)
        self.discard(name)
        with self.translated():
            try:
                os.unlink(self._note(name))
            except FileNotFoundError:
                return False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return True

    def purge(self, lifetime: float) -> list[str]:
        """Forget uploads that nobody went on with.

        :param lifetime: seconds since the last byte.
        :returns: the names of the ISOs.
        """
        gone = []
        with self.translated(), os.scandir(self._root) as entries:
            for entry in entries:
                name = entry.name.removesuffix(_PART)
                if (name == entry.name or not resources.is_name(name)
                        or entry.stat().st_mtime > time.time() - lifetime):
                    continue
                with contextlib.suppress(errors.ConflictError):
                    self.discard(name)
                    gone.append(name)
        return gone

    @contextlib.contextmanager
    def _locked_part(self, name: str, create: bool = True
                     ) -> collections.abc.Iterator[typing.BinaryIO]:
        path = self.path(name) + _PART
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags | (os.O_CREAT if create else 0), 0o600)
        with open(fd, 'r+b', buffering=0) as part:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), os.stat(path)):
                    yield typing.cast(typing.BinaryIO, part)
                    return
            except BlockingIOError:
                pass
            # Locked by another one, who may have finished by now.
            raise errors.ConflictError(
                f'"{name}" is being uploaded by somebody else')

    def _resume(self, part: typing.BinaryIO, name: str, offset: int,
                checksum: str) -> _Hashes:
        """Return the hashes of what is here, positioned behind it."""
        size = os.fstat(part.fileno()).st_size
        if offset == 0:
            part.truncate(0)
        elif offset != size:
            raise errors.ConflictError(
                f'the upload of "{name}" has {size} bytes, so it goes on '
                f'from there, not from {offset}')
        hashes = _hashes(checksum)
        _read_into(part, hashes)
        return hashes

    def publish(self, part: typing.BinaryIO, name: str, digest: str
                ) -> None:
        """Give a part that is whole its name.

        :raises: ConflictError, OSError
        """
        path = self.path(name)
        os.fchmod(part.fileno(), 0o444)
        os.fsync(part.fileno())
        try:
            blocks.publish(path + _PART, path)
        except FileExistsError as exc:
            raise _exists(name) from exc
        facts = os.fstat(part.fileno())
        note = self._note(name)
        with blocks.replacing(note, 0o644, temporary=f'{note}.new') as fd:
            blocks.write_all(fd, json.dumps(
                {'digest': digest, 'size': facts.st_size,
                 'mtime': facts.st_mtime_ns}).encode())

    def _note(self, name: str) -> str:
        return os.path.join(self._root, f'.{name}{_NOTE}')

    def _noted(self, name: str, facts: os.stat_result) -> str | None:
        """Return the digest of an upload that nobody touched since."""
        try:
            with open(self._note(name)) as file:
                note = json.load(file)
            if (note['size'], note['mtime']) == (facts.st_size,
                                                 facts.st_mtime_ns):
                return str(note['digest'])
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            pass
        return None

    def too_large(self) -> errors.InvalidError:
        """Return the error for an ISO of too many bytes."""
        return errors.InvalidError(errors.Problem(
            '', f'the ISO has more than {self.max_size} bytes '
                f'([ext_catalog]max_iso_size)'))

    @contextlib.contextmanager
    def translated(self) -> collections.abc.Iterator[None]:
        """Translate OSErrors into CatalogErrors."""
        try:
            yield
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                raise errors.CatalogError(
                    f'the disk of {self._root} is full') from exc
            raise errors.CatalogError(
                f'{self._root} ([ext_catalog]iso_dir) fails: '
                f'{exc.strerror}') from exc


class Upload:
    """An upload that is going on; for one thread at a time.

    What fails here is of no use any more and is deleted. What was written
    before :meth:`close` stays, for the upload to go on with.
    """

    def __init__(self, directory: IsoDirectory, name: str,
                 part: typing.BinaryIO, hashes: _Hashes, total: int | None,
                 holding: contextlib.ExitStack) -> None:
        """Take a part that is positioned at its end.

        :param holding: keeps its lock.
        """
        self._directory = directory
        self._name = name
        self._path = directory.path(name)
        self._part = part
        self._hashes = hashes
        self._total = total
        self._size = part.tell()
        self._holding = holding

    def write(self, data: bytes) -> None:
        """Add bytes that came to the end.

        :raises: InvalidError, CatalogError
        """
        most = self._directory.max_size
        with self._all_or_nothing():
            self._size += len(data)
            if self._size > most:
                raise self._directory.too_large()
            if self._total is not None and self._size > self._total:
                raise errors.InvalidError(errors.Problem(
                    '', f'the upload has more bytes than the {self._total} '
                        'that were announced'))
            rest = memoryview(data)
            while rest:
                rest = rest[self._part.write(rest):]
            for running in self._hashes.values():
                running.update(data)

    def finish(self, judge: Judge, checksum: str = '') -> IsoFile | None:
        """Publish the ISO if all of it is here.

        :param judge: is called with the path of the whole file before
            anybody can see it; what it raises ends the upload.
        :param checksum: see IsoDirectory.begin_upload().
        :returns: None as long as bytes are missing.
        :raises: ConflictError, InvalidError, CatalogError
        """
        if self._total not in (None, self._size):
            return None
        with self._all_or_nothing():
            _require_checksum(self._hashes, checksum)
            judged = judge(self._path + _PART)
            digest = _digest(self._hashes)
            self._directory.publish(self._part, self._name, digest)
            return IsoFile(self._path, self._size, digest, judged)

    def close(self) -> None:
        """Let somebody else go on with it."""
        self._holding.close()

    @contextlib.contextmanager
    def _all_or_nothing(self) -> collections.abc.Iterator[None]:
        with self._directory.translated():
            try:
                yield
            except Exception:
                # Nothing of it is of use, and it may fill the disk.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path + _PART)
                raise


def _hashes(checksum: str) -> _Hashes:
    found: _Hashes = {'sha256': hashlib.sha256()}
    if checksum.startswith('sha512:'):
        found['sha512'] = hashlib.sha512()
    return found


def _read_into(file: typing.BinaryIO, hashes: _Hashes) -> None:
    while chunk := file.read(_CHUNK):
        for running in hashes.values():
            running.update(chunk)


def _digest(hashes: _Hashes) -> str:
    return f'sha256:{hashes["sha256"].hexdigest()}'


def _require_checksum(hashes: _Hashes, checksum: str) -> None:
    algorithm, _, wanted = checksum.partition(':')
    if not checksum:
        return
    if algorithm not in hashes:
        raise errors.InvalidError(errors.Problem(
            'spec.checksum', 'of an ISO that has no URL must be the '
                             'checksum itself, not the URL of one'))
    found = hashes[algorithm].hexdigest()
    if found != wanted.lower():
        raise errors.InvalidError(errors.Problem(
            '', f'the ISO has the checksum {algorithm}:{found}, not the one '
                'in spec.checksum'))


def _exists(name: str) -> errors.ConflictError:
    return errors.ConflictError(
        f'the file "{name}" is there already, and machines may boot from '
        'it: give a new ISO a new name')
