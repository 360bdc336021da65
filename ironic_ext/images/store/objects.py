# SPDX-License-Identifier: Apache-2.0

"""The content of the store: files that are named by their SHA-256.

A file is whole and durable from the moment it has that name. Whoever reads
one holds a shared flock(2) on it, which dies with the reader; removing one
takes an exclusive lock. ``<sha256>.json`` beside it says what is needed to
tell that it was not written to, to find it by another digest, and to make
the index again. The time of that file is when the image was last used.
"""

import collections.abc
import dataclasses
import fcntl
import logging
import os
import re
import time
import typing

from ironic_ext import blocks
from ironic_ext.images import base_image
from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import hashing
from ironic_ext.images.store import metadata

LOG = logging.getLogger(__name__)

_NAME = re.compile(r'[0-9a-f]{64}')
#: Sources of one image that are remembered; pre-signed URLs are many.
_MAX_SOURCES = 32
#: As whom it was had; who is forgotten proves access again.
_MAX_HOLDERS = 256
#: That one image counts for.
_MAX_PROJECTS = 1024
# Far more than looking for leases and an unlink(2) take.
_REMOVAL_SECONDS = 5.0


class Content(base_image.OpenFile):
    """An object that is open, under a shared lock.

    :ivar sha256: its name.
    """

    def __init__(self, fd: int, sha256: str) -> None:
        super().__init__(fd)
        self.sha256 = sha256


@dataclasses.dataclass(frozen=True)
class Stored:
    """What is on record of an object.

    :param digests: algorithm -> hexadecimal digits.
    :param identity: of the file when its digests were computed.
    :param verified_at: when that was, seconds since the epoch.
    :param sources: key of the index -> its record there.
    :param holders: as whom it was had, see index.holder.
    :param projects: that it counts for; '' is the operator.
    """

    digests: dict[str, str]
    identity: base_image.Identity
    verified_at: float
    sources: dict[str, metadata.Facts] = dataclasses.field(
        default_factory=dict)
    holders: list[str] = dataclasses.field(default_factory=list)
    projects: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def parse(cls, facts: metadata.Facts | None) -> 'Stored | None':
        """Read the file beside an object; None when it is damaged."""
        try:
            assert facts is not None
            inode, size, written = map(int, facts['identity'])
            sources = facts['sources']
            if not all(isinstance(row, dict) for row in sources.values()):
                return None
            return cls({str(k): str(v) for k, v in facts['digests'].items()},
                       (inode, size, written), float(facts['verified_at']),
                       sources, *([str(who) for who in facts.get(name) or ()]
                                  for name in ('holders', 'projects')))
        except (AssertionError, AttributeError, KeyError, TypeError,
                ValueError):
            return None


class Objects:
    """The objects below one directory.

    :param root: of the store.
    """

    def __init__(self, root: str) -> None:
        self.folder = os.path.join(root, 'objects')
        self._lock = os.path.join(root, 'lock')

    def path(self, sha256: str) -> str:
        """Return where an object is, or would be.

        :raises: ChecksumError when that is no digest.
        """
        if not _NAME.fullmatch(sha256):
            raise errors.ChecksumError(
                f'"{sha256[:80]}" is no sha256 of a stored image: write 64 '
                'hexadecimal digits')
        return os.path.join(self.folder, sha256)

    def names(self) -> list[str]:
        """Return the SHA-256 of every object, sorted.

        :raises: OSError
        """
        return sorted(filter(_NAME.fullmatch, os.listdir(self.folder)))

    def stored(self, sha256: str) -> Stored | None:
        """Return what is on record; None when that is lost."""
        return Stored.parse(metadata.read(self.path(sha256) + '.json'))

    def find(self, checksum: checksums.Checksum) -> str | None:
        """Return the SHA-256 of the object that has a checksum."""
        if checksum.algorithm == 'sha256':
            return checksum.digest
        for name in self.names():
            stored = self.stored(name)
            if stored and (stored.digests.get(checksum.algorithm)
                           == checksum.digest):
                return name
        return None

    # Reading

    def open(self, sha256: str) -> Content | None:
        """Open an object and keep it from being removed.

        :returns: None when there is none, or when its file turned out to
            have been written to.
        :raises: OSError
        """
        content = self.open_unchecked(sha256)
        if content is None:
            return None
        stored = self.stored(sha256)
        try:
            if stored and stored.identity == base_image.identity(content.fd):
                return content
            if self.check(content, stored):
                return content
        except BaseException:
            content.close()
            raise
        content.close()
        return None

    def open_unchecked(self, sha256: str) -> Content | None:
        """Open an object, whatever its content may be by now.

        :raises: OSError
        """
        deadline = time.monotonic() + _REMOVAL_SECONDS
        while True:
            try:
                fd = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC
                             | os.O_NOFOLLOW)
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:
                    content = Content(fd, sha256)
                    fd = -1
                    return content
            except BlockingIOError:
                # Somebody is removing it, or looks whether he may.
                if time.monotonic() > deadline:
                    return None
            finally:
                if fd != -1:
                    os.close(fd)
            time.sleep(0.001)

    def check(self, content: Content, stored: Stored | None,
              note: hashing.Note | None = None) -> bool:
        """Read an object whole; remove it if it is not what its name says.

        :returns: whether it is sound.
        :raises: OSError
        """
        before = base_image.identity(content.fd)
        digests = dict(stored.digests) if stored else {}
        found = hashing.of_file(content.fd, {'sha256', *digests}, note)
        if (found['sha256'] == content.sha256
                and before == base_image.identity(content.fd)):
            self.note(content, found)
            return True
        LOG.error('The stored image %s is damaged: its file was written to, '
                  'or the disk is failing. It is removed, and downloaded '
                  'again when it is asked for', content.sha256)
        self._drop(content.sha256, content.fd)
        return False

    def digest(self, content: Content, algorithm: str) -> str:
        """Return a digest of an object, computed at most once.

        :raises: OSError
        """
        stored = self.stored(content.sha256)
        if stored and algorithm in stored.digests:
            return stored.digests[algorithm]
        found = hashing.of_file(content.fd, {algorithm})
        self.note(content, found)
        return found[algorithm]

    def touch(self, sha256: str) -> None:
        """Note that an object is used now."""
        try:
            os.utime(self.path(sha256) + '.json')
        except OSError:
            LOG.debug('There is no record of object %s', sha256)

    def used_at(self, sha256: str) -> float:
        """Return when an object was last used, seconds since the epoch."""
        for path in (self.path(sha256) + '.json', self.path(sha256)):
            try:
                return os.stat(path).st_mtime
            except FileNotFoundError:
                continue
        return 0.0

    # Writing

    def add(self, path: str, fd: int, digests: dict[str, str],
            read_only: bool = True) -> Content:
        """Make a whole and durable file an object.

        :param path: of the file, on the file system of the store.
        :param fd: the same file, open; stays the caller's.
        :param read_only: whether the file is the store's alone, so that its
            mode may be set.
        :raises: OSError
        """
        sha256 = digests['sha256']
        place = self.path(sha256)
        # Held until the new descriptor has a lock of its own.
        fcntl.flock(fd, fcntl.LOCK_SH)
        if read_only:
            os.fchmod(fd, 0o444)
        with metadata.locked(self._lock):
            self._note(sha256, fd, digests)
            os.rename(path, place)
        metadata.remove(path)  # rename(2) of two links to one file
        blocks.sync_directory(self.folder)
        content = self.open_unchecked(sha256)
        if content is None:
            raise FileNotFoundError(
                None, 'something else removes files there')
        return content

    def note(self, content: Content, digests: dict[str, str]) -> None:
        """Note digests that were computed just now.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            self._note(content.sha256, content.fd,
                       {'sha256': content.sha256, **digests})

    def add_source(self, sha256: str, key: str, record: metadata.Facts
                   ) -> list[str]:
        """Note where an object came from.

        :returns: keys of sources that were forgotten for it.
        :raises: OSError
        """
        with metadata.locked(self._lock):
            stored = self.stored(sha256)
            if stored is None:
                return []
            sources = {k: v for k, v in stored.sources.items() if k != key}
            forgotten = list(sources)[:-(_MAX_SOURCES - 1)]
            kept = {k: v for k, v in sources.items() if k not in forgotten}
            self._write(sha256, dataclasses.replace(
                stored, sources={**kept, key: record}))
        return forgotten

    def admit(self, sha256: str, holder: str) -> None:
        """Note as whom an object was had.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            stored = self.stored(sha256)
            if stored is None or holder in stored.holders:
                return
            self._write(sha256, dataclasses.replace(
                stored, holders=[*stored.holders, holder][-_MAX_HOLDERS:]))

    def charge(self, sha256: str, project: str) -> None:
        """Let an object count for a project.

        :raises: OSError
        """
        stored = self.stored(sha256)
        if stored is None or project in stored.projects:
            return
        with metadata.locked(self._lock):
            stored = self.stored(sha256)
            if stored is not None and project not in stored.projects:
                self._write(sha256, dataclasses.replace(stored, projects=[
                    *stored.projects, project][-_MAX_PROJECTS:]))

    def discharge(self, sha256: str, project: str) -> None:
        """Let an object count for a project no more.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            stored = self.stored(sha256)
            if stored is not None:
                self._write(sha256, dataclasses.replace(stored, projects=[
                    other for other in stored.projects if other != project]))

    def remove(self, sha256: str,
               unless: collections.abc.Callable[[], bool] = lambda: False
               ) -> bool:
        """Remove an object, unless it is being read.

        :param unless: asked when nobody can begin to read it any more.
        :returns: whether it is gone.
        """
        try:
            fd = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if unless():
                return False
            self._drop(sha256, fd)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def is_read(self, sha256: str) -> bool:
        """Tell whether somebody has an object open at this moment."""
        try:
            fd = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def sweep(self) -> None:
        """Remove records of objects that are gone.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            names = set(os.listdir(self.folder))
            for name in names:
                # Whoever was about to rename a ".new" has died.
                if (name.partition('.')[0] not in names
                        or name.endswith('.new')):
                    metadata.remove(os.path.join(self.folder, name))

    def _drop(self, sha256: str, fd: int) -> None:
        path = self.path(sha256)
        with metadata.locked(self._lock):
            try:
                # A new file may have the name by now.
                if os.path.samestat(os.stat(path), os.fstat(fd)):
                    os.unlink(path)
                    metadata.remove(path + '.json')
            except FileNotFoundError:
                return

    def _note(self, sha256: str, fd: int, digests: dict[str, str]) -> None:
        """Note digests of an open file, and keep what else is known."""
        now = Stored({}, base_image.identity(fd), time.time())
        earlier = self.stored(sha256) or now
        self._write(sha256, dataclasses.replace(
            earlier, digests={**earlier.digests, **digests},
            identity=now.identity, verified_at=now.verified_at))

    def _write(self, sha256: str, stored: Stored) -> None:
        facts: dict[str, typing.Any] = dataclasses.asdict(stored)
        path = self.path(sha256) + '.json'
        used_at = self.used_at(sha256)
        metadata.write(path, facts)
        if used_at:
            os.utime(path, (used_at, used_at))
