# SPDX-License-Identifier: Apache-2.0

"""Images in the file system of who reads them: ``file://`` (RFC 8089).

Only below the directories that the operator allows. A path is walked one
component at a time from the allowed directory's descriptor, and no symbolic
link is followed: what was judged is what is opened.
"""

import collections.abc
import contextlib
import dataclasses
import datetime
import errno
import io
import os
import stat
import typing
from urllib import parse as urlparse

from ironic_ext import blocks
from ironic_ext.images import errors
from ironic_ext.images.for_ironic import contract as ironic_contract
from ironic_ext.images import hashing
from ironic_ext.images import href as hrefs
from ironic_ext.images import service
from ironic_ext.images import settings as image_settings
from ironic_ext.walls import paths

_CHUNK = 1 << 20
# A handle for looking at something without opening it.
_HANDLE = os.O_PATH | os.O_CLOEXEC


@dataclasses.dataclass(frozen=True)
class _Root:
    """A directory that images may lie below.

    :param given: its path as configured.
    :param real: the same without symbolic links.
    """

    given: str
    real: str


class FileImageService(ironic_contract.IronicImageService):
    """Images that are read like any other file."""

    def __init__(self, settings: image_settings.Settings) -> None:
        super().__init__(settings)
        # The one furthest down first: it may open what others do not.
        self._roots = tuple(sorted(
            (_Root(os.path.abspath(path), os.path.realpath(path))
             for path in settings.allowed_paths if path),
            key=lambda root: -len(root.real)))
        self._wall = settings.wall

    def open_fd(self, href: str) -> int:
        """Return a descriptor of the image, open for reading.

        :raises: HrefError, ImageNotFoundError, ImageAccessError, ImageError
        """
        root, inner = self._place(href, _path(href))
        closed = self._wall.identities()
        try:
            handle = os.open(root.real, _HANDLE | os.O_DIRECTORY)
            try:
                for name in inner:
                    below = os.open(name, _HANDLE | os.O_NOFOLLOW,
                                    dir_fd=handle)
                    os.close(handle)
                    handle = below
                    info = os.fstat(handle)
                    if stat.S_ISLNK(info.st_mode):
                        raise errors.HrefError(
                            f'{href} has the symbolic link "{name}" on its '
                            'path: name the place that it leads to')
                    if (info.st_dev, info.st_ino) in closed:
                        raise self._forbidden(href)
                # Only now, as opening a FIFO or a device does something.
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise errors.HrefError(f'{href} is not a regular file: '
                                           'name the image itself')
                if self._is_closed(handle, root):
                    raise self._forbidden(href)
                return os.open(f'/proc/self/fd/{handle}',
                               os.O_RDONLY | os.O_CLOEXEC)
            finally:
                os.close(handle)
        except OSError as exc:
            raise _refusal(href, exc, self.settings) from exc

    def stat(self, href: str) -> service.ImageVersion:
        with self._open(href) as fd:
            return version_of(fd)

    def fetch(self, href: str, target: service.Target,
              known: service.ImageVersion | None = None
              ) -> service.ImageVersion | None:
        with self._open(href) as fd:
            version = version_of(fd)
            if known is not None and known.etag == version.etag:
                return None
            buffer = memoryview(bytearray(_CHUNK))
            for start, end in target.begin(version):
                while start < end:
                    count = os.preadv(fd, [buffer[:end - start]], start)
                    if not count:
                        break  # cut off by somebody: found out below
                    target.write(start, buffer[:count])
                    start += count
            _require(href, version, fd)
            return version

    def read_range(self, href: str, offset: int, length: int,
                   version: service.ImageVersion | None = None) -> bytes:
        with self._open(href) as fd:
            if version is not None:
                _require(href, version, fd)
            parts = []
            while length and (part := os.pread(fd, length, offset)):
                parts.append(part)
                offset += len(part)
                length -= len(part)
            return b''.join(parts)

    # Ironic's contract

    def show(self, href: str) -> dict[str, typing.Any]:
        """Describe the image; Ironic need not keep a copy of it."""
        return {**super().show(href), 'no_cache': True}

    def download(self, href: str, image_file: typing.BinaryIO,
                 checksum: str | None = None,
                 checksum_algo: str | None = None) -> None:
        """Put the image where ``image_file`` is: linked, cloned or copied.

        A hard link on the same file system, else shared blocks (reflink),
        else a copy. The source's inode, mode and times stay as they are.

        :raises: ChecksumError and other subclasses of ImageError
        """
        self._verified = None
        wanted = self._wanted(checksum, checksum_algo)
        with self._open(href) as fd:
            before = _content(fd)
            if not (_link(fd, image_file) or _clone(fd, image_file)):
                super().download(href, image_file, checksum, checksum_algo)
                return
            if wanted is not None:
                found = hashing.of_file(fd, [wanted.algorithm])
                wanted.require(found[wanted.algorithm],
                               hrefs.redacted(href))
            if _content(fd) != before:
                raise _changed(href)
        self._verified = wanted

    # Paths

    @contextlib.contextmanager
    def _open(self, href: str) -> collections.abc.Iterator[int]:
        fd = self.open_fd(href)
        try:
            yield fd
        except OSError as exc:
            raise errors.ImageError(
                f'cannot read {href}: {exc.strerror}') from exc
        finally:
            os.close(fd)

    def _place(self, href: str, path: str) -> tuple[_Root, list[str]]:
        """Return the allowed directory, and the components below it."""
        for root in self._roots:
            for top in (root.given, root.real):
                if not paths.below(path, top):
                    continue
                inner = os.path.relpath(path, top)
                real = os.path.normpath(os.path.join(root.real, inner))
                if inner == '.':
                    raise errors.HrefError(f'{href} is a directory: name '
                                           'the image itself')
                if not self._wall.refuses(real, root.real):
                    return root, inner.split(os.sep)
        raise self._forbidden(href)

    def _is_closed(self, handle: int, root: _Root) -> bool:
        """Judge what is open, by the name that it has now."""
        name = os.readlink(f'/proc/self/fd/{handle}')
        return self._wall.refuses(name, root.real)

    def _forbidden(self, href: str) -> errors.HrefError:
        return errors.HrefError(
            f'{href} leads to a path that is not allowed: put the image '
            f'below one of {self.settings.paths_option}')


def _path(href: str) -> str:
    """Return the path that an href names, free of "." and ".."."""
    try:
        parts = urlparse.urlsplit(href)
    except ValueError as exc:
        raise errors.HrefError(f'the URL is malformed: {exc}') from exc
    path = os.fsdecode(urlparse.unquote_to_bytes(parts.path))
    if (parts.scheme.lower() != 'file'
            or parts.netloc not in ('', 'localhost') or '\0' in path
            or not path.startswith('/') or parts.query or parts.fragment):
        raise errors.HrefError(
            f'{hrefs.redacted(href)} is malformed: write '
            'file:///path/of/image, with %3F for "?" and %23 for "#"')
    # "//" at the start may mean something else in POSIX.
    return os.path.normpath('/' + path.lstrip('/'))


def _refusal(href: str, exc: OSError, settings: image_settings.Settings
             ) -> errors.ImageError:
    match exc.errno:
        case errno.ENOENT:
            return errors.ImageNotFoundError(
                f'{href} does not exist where {settings.reader} runs'
                f'{settings.missing_hint}')
        case errno.ENOTDIR:
            return errors.ImageNotFoundError(
                f'{href} goes through something that is no directory')
        case errno.EACCES | errno.EPERM:
            return errors.ImageAccessError(
                f'{href} may not be read by {settings.reader}: check its '
                'owner and mode, and those of the directories')
    return errors.ImageError(f'cannot open {href}: {exc.strerror}')


# Versions: whatever changes the content changes the identity of the file.

def version_of(fd: int) -> service.ImageVersion:
    """Return the version that an open file has at this moment."""
    info = os.fstat(fd)
    changed = datetime.datetime.fromtimestamp(info.st_mtime, datetime.UTC)
    return service.ImageVersion(
        size=info.st_size, updated_at=changed.replace(tzinfo=None),
        etag=f'"{info.st_dev}-{info.st_ino}-{info.st_size}-'
             f'{info.st_mtime_ns}-{info.st_ctime_ns}"', ranges=True)


def _require(href: str, version: service.ImageVersion, fd: int) -> None:
    if version_of(fd).etag != version.etag:
        raise _changed(href)


def _changed(href: str) -> errors.ImageChangedError:
    return errors.ImageChangedError(
        f'{href} was changed while it was being read: put a new version in '
        'place by a rename, then try again')


def _content(fd: int) -> tuple[int, int]:
    """The part of the identity that a new hard link leaves alone."""
    info = os.fstat(fd)
    return info.st_size, info.st_mtime_ns


# Putting the image in place of a file that is open for writing.

def _link(fd: int, file: typing.BinaryIO) -> bool:
    """Replace ``file`` by a hard link to ``fd``, if that can be."""
    path = getattr(file, 'name', None)
    if not isinstance(path, str):
        return False
    if not blocks.replace_by_link(fd, path):
        return False
    file.close()
    return True


def _clone(fd: int, file: typing.BinaryIO) -> bool:
    """Let ``file`` share the blocks of ``fd``, if the file system can."""
    try:
        return blocks.clone(fd, file.fileno())
    except io.UnsupportedOperation:
        return False
