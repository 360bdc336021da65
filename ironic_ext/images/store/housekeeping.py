# SPDX-License-Identifier: Apache-2.0

"""Looking through a store: what is there, is it sound, what can go."""

import collections.abc
import contextlib
import dataclasses
import logging
import os
import time

from ironic_ext import blocks
from ironic_ext.images import errors
from ironic_ext.images import hashing
from ironic_ext.images.store import download_lock
from ironic_ext.images.store import eviction
from ironic_ext.images.store import files as store_files
from ironic_ext.images.store import index
from ironic_ext.images.store import partial

LOG = logging.getLogger(__name__)

# A download that nobody resumed in that time is given up.
_PARTIAL_SECONDS = 24 * 3600
_MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """An image in the store.

    :param digest: ``sha256:<hex>``.
    :param size: bytes.
    :param digests: algorithm -> hexadecimal digits, those known so far.
    :param sources: hrefs it was had from, redacted, the latest last.
    :param verified_at: when its content was last digested, seconds since
        the epoch; None when that is not on record.
    :param used_at: when it was last asked for.
    :param owners: whose lasting leases it is under.
    :param in_use: whether a process is reading it at this moment.
    :param linked: whether it is a hard link to a file elsewhere.
    :param projects: whose share of the store it counts for; '' is the
        operator, who has none.
    """

    digest: str
    size: int
    digests: dict[str, str]
    sources: tuple[str, ...]
    verified_at: float | None
    used_at: float
    owners: tuple[str, ...]
    in_use: bool
    linked: bool
    projects: tuple[str, ...] = ()


class Housekeeping:
    """What is done to a store besides getting images.

    :param files: of the store.
    :param policy: what the store may use.
    :param min_free: bytes on the disk to leave to others.
    """

    def __init__(self, files: store_files.StoreFiles,
                 policy: eviction.Policy, min_free: int) -> None:
        self._files = files
        self._policy = policy
        self._min_free = min_free

    # Looking

    def images(self) -> list[StoredImage]:
        """List the images, the one used last first.

        :raises: OSError
        """
        found = [self.image(name) for name in self._files.objects.names()]
        return sorted(filter(None, found), key=lambda image: -image.used_at)

    def image(self, sha256: str) -> StoredImage | None:
        """Describe an image; None when there is none.

        :raises: OSError, ChecksumError
        """
        content = self._files.objects
        try:
            info = os.stat(content.path(sha256))
        except FileNotFoundError:
            return None
        stored = content.stored(sha256)
        records = [index.Record.parse(facts)
                   for facts in (stored.sources.values() if stored else ())]
        return StoredImage(
            f'sha256:{sha256}', info.st_size,
            dict(stored.digests) if stored else {'sha256': sha256},
            tuple(dict.fromkeys(r.href for r in records if r)),
            stored.verified_at if stored else None,
            content.used_at(sha256),
            tuple(self._files.leases.owners(sha256)),
            content.is_read(sha256), info.st_nlink > 1,
            tuple(stored.projects) if stored else ())

    def verify(self, sha256: str, note: hashing.Note | None = None) -> bool:
        """Digest an image again, and remove it if it is damaged.

        :param note: called with the number of bytes done so far.
        :returns: whether it is sound; True when it is not there any more.
        :raises: OSError, ChecksumError
        """
        content = self._files.objects.open_unchecked(sha256)
        if content is None:
            return True
        with content:
            return self._files.objects.check(
                content, self._files.objects.stored(sha256), note)

    def rebuild(self) -> None:
        """Make the index again, and remove what belongs to nothing.

        :raises: OSError
        """
        self._files.objects.sweep()
        self._files.leases.sweep()
        self._files.index.restore(force=True)
        self._drop_partials(_PARTIAL_SECONDS)
        self._drop_locks()

    # Making room

    def evict(self) -> None:
        """Remove what the policy has no place for.

        :raises: OSError
        """
        self._remove(eviction.plan(self._candidates(), self._policy,
                                   time.time()))
        self._drop_partials(_PARTIAL_SECONDS)

    def prune(self, policy: eviction.Policy, dry_run: bool = False
              ) -> list[eviction.Candidate]:
        """Remove what another policy has no place for.

        :returns: what was removed, or would be.
        :raises: OSError
        """
        chosen = eviction.plan(
            [found if not self._files.objects.is_read(found.sha256)
             else dataclasses.replace(found, leased=True)
             for found in self._candidates()], policy, time.time())
        if not dry_run:
            chosen = self._remove(chosen)
            self._drop_partials(min(
                _PARTIAL_SECONDS, policy.max_age
                if policy.max_age is not None else _PARTIAL_SECONDS))
        return chosen

    def room(self, missing: int, name: str) -> None:
        """Make sure that bytes can be written, and enough stay free.

        :param missing: bytes that are about to be written.
        :param name: of the image, fit for messages.
        :raises: NoSpaceError, OSError
        """
        short = self._short(missing)
        if short > 0:
            self._remove(eviction.plan(
                self._candidates(), eviction.Policy(), time.time(), short))
            short = self._short(missing)
        if short > 0:
            self._drop_partials(0)
            short = self._short(missing)
        if short > 0:
            raise self._no_space(short, name)

    def require_possible(self, missing: int, name: str) -> None:
        """Make sure that room could be made; nothing is removed.

        :param missing: bytes.
        :param name: of the image, fit for messages.
        :raises: NoSpaceError, OSError
        """
        short = self._short(missing)
        if short <= 0:
            return
        short -= sum(found.size for found in self._candidates()
                     if not found.leased
                     and not self._files.objects.is_read(found.sha256))
        with os.scandir(self._files.partial()) as entries:
            short -= sum(entry.stat().st_blocks * 512 for entry in entries)
        if short > 0:
            raise self._no_space(short, name)

    def _no_space(self, short: int, name: str) -> errors.NoSpaceError:
        return errors.NoSpaceError(
            f'there is no room for {name} in {self._files.root}: '
            f'{-(-short // _MIB)} MiB are missing, '
            f'{self._min_free // _MIB} MiB being left to others '
            '([ext_images]min_free_space): make room there, or move '
            '[ext_images]cache_dir')

    def _short(self, missing: int) -> int:
        return missing + self._min_free - blocks.free(self._files.root)

    def _candidates(self) -> list[eviction.Candidate]:
        found = []
        for name in self._files.objects.names():
            try:
                info = os.stat(self._files.objects.path(name))
            except FileNotFoundError:
                continue
            found.append(eviction.Candidate(
                # The other link of it would go on using the blocks.
                name, info.st_size if info.st_nlink == 1 else 0,
                self._files.objects.used_at(name),
                bool(self._files.leases.owners(name)),
                self.is_unwanted(name)))
        return found

    def is_unwanted(self, sha256: str) -> bool:
        """Tell whether every source asked not to keep an image."""
        stored = self._files.objects.stored(sha256)
        records = [index.Record.parse(facts)
                   for facts in (stored.sources.values() if stored else ())]
        return bool(records) and all(
            record is not None and record.version.no_cache
            for record in records)

    def remove(self, sha256: str) -> bool:
        """Remove an image, unless it is leased.

        :returns: whether it is gone.
        """
        return self._files.objects.remove(
            sha256, unless=lambda: bool(self._files.leases.owners(sha256)))

    def _remove(self, chosen: collections.abc.Iterable[eviction.Candidate]
                ) -> list[eviction.Candidate]:
        removed = []
        for found in chosen:
            if self.remove(found.sha256):
                LOG.info('Removed the stored image %s, %.1f MiB',
                         found.sha256, found.size / _MIB)
                removed.append(found)
        if removed:
            self._files.index.sweep()
        return removed

    def _drop_partials(self, age: float) -> None:
        """Remove unfinished downloads that nobody works on.

        :param age: seconds since the last byte.
        """
        names = {name.partition('.')[0]
                 for name in os.listdir(self._files.partial())}
        for name in names:
            path = self._files.partial(name)
            try:
                info = os.stat(path)
            except FileNotFoundError:
                info = None
            if info and time.time() - info.st_mtime < age:
                continue
            with contextlib.suppress(errors.ImageError):
                with download_lock.DownloadLock(
                        self._files.lock(name), 0, name,
                        lambda: None) as lock:
                    if lock.acquire():
                        partial.remove(path)

    def _drop_locks(self) -> None:
        """Remove locks whose holders died."""
        for name in os.listdir(self._files.lock()):
            with contextlib.suppress(errors.ImageError):
                # Taking it and letting go of it removes it.
                with download_lock.DownloadLock(
                        self._files.lock(name), 0, name,
                        lambda: None) as lock:
                    lock.acquire()
