# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A cache of verified base images, shared by the processes of one host.

Content is kept once, named by its SHA-256 and read-only. Whoever reads an
image holds a shared flock(2) on it, so that removing old images never takes
one away from a reader, and a reader that dies holds nothing.

Layout: ``objects/<sha256>``, ``hrefs/<sha256 of the href>.json`` (what the
href had the last time), ``hrefs/<...>.part`` (a download going on),
``locks/``. Images of ``file://`` are used where they are.
"""

import collections.abc
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import time
import typing
from urllib import parse as urlparse

from ironic_ext.images import checksum as checksums
from ironic_ext.images import digests
from ironic_ext.images import errors
from ironic_ext.images import services

# Largest checksum file: those of big distributions have some 100 KiB.
_MAX_CHECKSUM_FILE = 4 << 20
_LOCK_POLL = 0.1

Services = collections.abc.Mapping[str, services.ImageService]


@dataclasses.dataclass(frozen=True)
class BaseImage:
    """An image that may be read while its lease lasts.

    :param path: where to read it.
    :param href: how it was asked for, fit for logs.
    :param size: bytes.
    """

    path: str
    href: str
    size: int
    _changed: collections.abc.Callable[[], bool] = lambda: False

    def require_unchanged(self) -> None:
        """Make sure that what was read is one version of the image.

        :raises: ImageError when the file was written to meanwhile.
        """
        if self._changed():
            raise errors.ImageError(
                f'{self.href} was changed while it was being read: put a '
                'new version in place by a rename, then try again')


class ImageCache:
    """Fetches images by href and keeps them.

    :param root: directory of the cache, made when missing.
    :param image_services: URL scheme -> service; '' is for bare UUIDs.
    :param max_size: bytes that the cache may use; 0 means any.
    :param max_image_size: bytes of the largest image that is accepted.
    :param lock_timeout: seconds to wait for somebody else's download.
    """

    def __init__(self, root: str, image_services: Services, *,
                 max_size: int = 0, max_image_size: int = 20 << 30,
                 lock_timeout: float = 3600) -> None:
        self._root = root
        self._services = image_services
        self._max_size = max_size
        self._max_image_size = max_image_size
        self._lock_timeout = lock_timeout

    # What callers use

    @contextlib.contextmanager
    def lease(self, href: str, checksum: str | None = None
              ) -> collections.abc.Iterator[BaseImage]:
        """Fetch an image and keep it while the context lasts.

        With a checksum that the cache has content for, no server is asked.
        Without, the server is asked whether its image changed.

        :param checksum: as ``Checksum.parse`` reads it, or the URL of a
            checksum file.
        :raises: ImageError and its subclasses
        """
        service = self.service(href)
        wanted = self._wanted(href, checksum)
        if isinstance(service, services.FileService):
            with self._local(service, href, wanted) as image:
                yield image
            return
        self._make_folders()
        with self._locked(href):
            fd = self._held(self._known(href, wanted))
            if fd is None:
                fd = self._fetch(service, href, wanted)
        with services.LocalFile(fd):
            yield self._image(href, fd)

    @contextlib.contextmanager
    def at_hand(self, href: str, checksum: str | None = None
                ) -> collections.abc.Iterator[BaseImage | None]:
        """Lease an image if it is here and current, else yield None.

        The server is asked, as for a lease, but nothing is downloaded.

        :raises: ImageError and its subclasses
        """
        service = self.service(href)
        if isinstance(service, services.FileService):
            # A checksum is left for the lease: it costs a whole read.
            with self._local(service, href, None) as image:
                yield image
            return
        wanted = None
        if checksum and not checksums.is_url(checksum):
            wanted = checksums.Checksum.parse(checksum)
        record = self._record(href)
        fd = self._held(self._known(href, wanted) or (
            record.get('sha256') if wanted is None else None))
        if fd is None:
            yield None
            return
        with services.LocalFile(fd):
            if wanted is None:
                with service.open(href,
                                  record.get('validators', {})) as download:
                    current = download is None
            yield self._image(href, fd) if wanted or current else None

    def peek(self, href: str, length: int) -> bytes | None:
        """Read the first bytes of an image; None if the scheme cannot.

        :raises: ImageError and its subclasses
        """
        return self.service(href).peek(href, length)

    def read(self, href: str, limit: int) -> bytes:
        """Download something small into memory, past the cache.

        :param limit: bytes.
        :raises: ImageError and its subclasses
        """
        parts: list[bytes] = []
        count = 0

        class Memory:
            def write(self, data: bytes) -> int:
                nonlocal count
                count += len(data)
                if count > limit:
                    raise errors.ImageError(digests.too_large(href, limit))
                parts.append(data)
                return len(data)

        with self.service(href).open(href, {}) as download:
            if download is None:
                raise errors.ImageError(
                    f'the server sent no content for '
                    f'{services.redacted(href)}')
            if download.size is not None and download.size > limit:
                raise errors.ImageError(digests.too_large(href, limit))
            download.copy_to(Memory())
        return b''.join(parts)

    def service(self, href: str) -> services.ImageService:
        """Return the service for an href.

        :raises: HrefError
        """
        try:
            scheme = urlparse.urlsplit(href).scheme.lower()
        except ValueError as exc:
            raise errors.HrefError(f'the URL is malformed: {exc}') from exc
        service = self._services.get(scheme)
        if service is None:
            known = ', '.join(f'{s}://' for s in sorted(self._services) if s)
            raise errors.HrefError(
                f'"{services.redacted(href)[:200]}" is no image reference: '
                f'use {known} or the UUID of an image in Glance')
        return service

    # Content

    def _wanted(self, href: str, checksum: str | None
                ) -> checksums.Checksum | None:
        if not checksum:
            return None
        if not checksums.is_url(checksum):
            return checksums.Checksum.parse(checksum)
        if isinstance(self.service(checksum), services.FileService):
            raise errors.HrefError('the checksum file must have an http:// '
                                   'or https:// URL')
        text = self.read(checksum, _MAX_CHECKSUM_FILE)
        return checksums.Checksum.find(text.decode('utf-8', 'replace'), href)

    def _known(self, href: str, wanted: checksums.Checksum | None
               ) -> str | None:
        """Return the name of the content that ``wanted`` stands for."""
        if wanted is None:
            return None
        if wanted.algorithm == 'sha256':
            return wanted.digest
        record = self._record(href)
        if record.get(wanted.algorithm) == wanted.digest:
            return record.get('sha256')
        return None

    def _fetch(self, service: services.ImageService, href: str,
               wanted: checksums.Checksum | None) -> int:
        record = self._record(href)
        fd = self._held(record.get('sha256'))
        try:
            # Old content with another checksum than asked for is no use.
            usable = fd is not None and (
                wanted is None
                or record.get(wanted.algorithm) == wanted.digest)
            with service.open(href, record.get('validators', {})
                              if usable else {}) as download:
                if download is None and fd is not None:
                    found, fd = fd, None
                    return found
                if download is None:
                    raise errors.ImageError(
                        f'the server sent no content for '
                        f'{services.redacted(href)}')
                return self._store(href, download, wanted)
        finally:
            if fd is not None:
                os.close(fd)

    def _store(self, href: str, download: services.Download,
               wanted: checksums.Checksum | None) -> int:
        limit = self._max_image_size
        if download.size is not None and download.size > limit:
            raise errors.ImageError(digests.too_large(href, limit))
        part = self._path('hrefs', _key(href) + '.part')
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
            with open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL
                              | os.O_CLOEXEC, 0o600), 'w+b') as file:
                sink = digests.Sink(file, limit, href, wanted)
                download.copy_to(sink)
                found = sink.digests()
                self._compare(href, found, wanted)
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            os.rename(part, self._path('objects', found['sha256']))
            fd = self._held(found['sha256'])
            if fd is None:
                raise errors.ImageError(
                    f'{services.redacted(href)} vanished from the cache: '
                    'does something else remove files there?')
            self._remember(href, {**found,
                                  'validators': dict(download.validators)})
        except OSError as exc:
            raise errors.ImageError(
                f'cannot store {services.redacted(href)} in {self._root}: '
                f'{exc.strerror}') from exc
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
        self._evict()
        return fd

    def _compare(self, href: str, found: dict[str, str],
                 wanted: checksums.Checksum | None) -> None:
        if wanted is None or found[wanted.algorithm] == wanted.digest:
            return
        raise errors.ChecksumError(
            f'{services.redacted(href)} has {wanted.algorithm} '
            f'{found[wanted.algorithm]}, but {wanted.digest} was asked '
            'for: correct the checksum or the image')

    @contextlib.contextmanager
    def _local(self, service: services.FileService, href: str,
               wanted: checksums.Checksum | None
               ) -> collections.abc.Iterator[BaseImage]:
        with services.LocalFile(service.open_fd(href)) as file:
            before = file.identity()
            size = before[2]
            if size > self._max_image_size:
                raise errors.ImageError(
                    digests.too_large(href, self._max_image_size))
            if wanted is not None:
                self._compare(href, self._local_digests(file, wanted),
                              wanted)
            yield BaseImage(file.path, services.redacted(href), size,
                            lambda: file.identity() != before)

    def _local_digests(self, file: services.LocalFile,
                       wanted: checksums.Checksum) -> dict[str, str]:
        """Digest a local file once per version of it."""
        self._make_folders()
        name = 'file:%d:%d:%d:%d:%d' % file.identity()
        record = self._record(name)
        if wanted.algorithm not in record:
            record = {**record,
                      **digests.of_file(file.fd, {wanted.algorithm})}
            if name == 'file:%d:%d:%d:%d:%d' % file.identity():
                self._remember(name, record)
        return record

    # Files of the cache

    def _path(self, *names: str) -> str:
        return os.path.join(self._root, *names)

    def _make_folders(self) -> None:
        try:
            for name in ('objects', 'hrefs', 'locks'):
                os.makedirs(self._path(name), mode=0o755, exist_ok=True)
        except OSError as exc:
            raise errors.ImageError(
                f'cannot use {self._root} as image cache: {exc.strerror}: '
                'check [ext_images]cache_dir') from exc

    def _image(self, href: str, fd: int) -> BaseImage:
        with contextlib.suppress(OSError):
            os.utime(fd)  # last used now, for _evict
        return BaseImage(f'/proc/{os.getpid()}/fd/{fd}',
                         services.redacted(href), os.fstat(fd).st_size)

    def _held(self, digest: str | None) -> int | None:
        """Open content under a shared lock; None when there is none."""
        if digest is None:
            return None
        try:
            fd = os.open(self._path('objects', digest),
                         os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise errors.ImageError(
                f'cannot read the image cache {self._root}: '
                f'{exc.strerror}') from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return fd
        except BlockingIOError:
            pass  # being removed at this moment
        os.close(fd)
        return None

    def _record(self, href: str) -> dict[str, typing.Any]:
        try:
            with open(self._path('hrefs', _key(href) + '.json'),
                      encoding='ascii') as file:
                record = json.load(file)
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def _remember(self, href: str, record: dict[str, typing.Any]) -> None:
        path = self._path('hrefs', _key(href) + '.json')
        temporary = f'{path}.{os.getpid()}.{id(record):x}.part'
        with open(temporary, 'w', encoding='ascii') as file:
            json.dump(record, file)
        os.rename(temporary, path)

    @contextlib.contextmanager
    def _locked(self, href: str) -> collections.abc.Iterator[None]:
        """One download of an href at a time, on the whole host."""
        deadline = time.monotonic() + self._lock_timeout
        path = self._path('locks', _key(href))
        while (fd := _try_lock(path)) is None:
            if time.monotonic() > deadline:
                raise errors.ImageError(
                    f'another download of {services.redacted(href)} has '
                    f'been going on for {self._lock_timeout:.0f} s: '
                    'try again later')
            time.sleep(_LOCK_POLL)
        try:
            yield
        finally:
            # Before the lock goes: whoever opened the file meanwhile sees
            # that it has no name any more, and opens it anew.
            os.unlink(path)
            os.close(fd)

    def _evict(self) -> None:
        """Remove the content used least recently until the cache fits."""
        if not self._max_size:
            return
        found = []
        with os.scandir(self._path('objects')) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    info = entry.stat(follow_symlinks=False)
                    found.append((info.st_mtime_ns, info.st_size, entry.path))
        total = sum(size for _used, size, _path in found)
        for _used, size, path in sorted(found):
            if total <= self._max_size:
                break
            if _remove_unless_held(path):
                total -= size
        self._forget_removed()

    def _forget_removed(self) -> None:
        for name in os.listdir(self._path('hrefs')):
            path = self._path('hrefs', name)
            if not name.endswith('.json'):
                continue
            with contextlib.suppress(OSError, ValueError):
                with open(path, encoding='ascii') as file:
                    record = json.load(file)
                if 'validators' in record and not os.path.exists(
                        self._path('objects', record['sha256'])):
                    os.unlink(path)


def _try_lock(path: str) -> int | None:
    """Lock a file, made if need be; never wait (green threads would)."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink:
            return fd
    except BlockingIOError:
        pass
    os.close(fd)
    return None


def _remove_unless_held(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _key(href: str) -> str:
    return hashlib.sha256(href.encode('utf-8', 'surrogatepass')).hexdigest()
