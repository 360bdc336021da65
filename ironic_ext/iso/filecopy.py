# SPDX-License-Identifier: Apache-2.0

"""Writing large files without copying what the file system can share.

Linux only: FICLONERANGE (ioctl_ficlonerange(2)), copy_file_range(2) and
SEEK_DATA (lseek(2)), each with the next as its fallback.
"""

import collections.abc
import contextlib
import errno
import fcntl
import os
import secrets
import struct
import typing

#: _IOW(0x94, 13, struct file_clone_range), from linux/fs.h.
_FICLONERANGE = 0x4020940d
#: Reflinks work on whole blocks; 4096 is the block size of the file systems
#: that have them (XFS, btrfs, bcachefs), and others refuse the call anyway.
_BLOCK = 4096
_CHUNK = 64 << 20
_UNSUPPORTED = frozenset((
    errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP,
    errno.ENOTTY, errno.EPERM, errno.EBADF, errno.ETXTBSY))

Progress = typing.Callable[[int], None] | None


@contextlib.contextmanager
def replacing(path: str, mode: int) -> collections.abc.Iterator[int]:
    """Yield a descriptor of a new file that takes ``path`` on success.

    The file is made beside ``path`` under a random name, synced and
    renamed; on failure it is removed and ``path`` stays as it was.

    :raises: OSError
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(
        directory, f'.{name[:180]}.{secrets.token_hex(8)}.part')
    fd = os.open(temporary,
                 os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            yield fd
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    folder = os.open(directory or '.', os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_all(fd: int, data: bytes, position: int) -> None:
    """Write all of ``data`` at ``position`` (bytes).

    :raises: OSError
    """
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, position)
        position += count
        view = view[count:]


def copy_range(source: int, offset: int, target: int, position: int,
               length: int, progress: Progress = None) -> None:
    """Copy bytes between files: reflink, kernel copy, or plain copy.

    Holes of the source stay holes (the target must be freshly truncated).

    :raises: OSError, also when the source ends too early.
    """
    lead = -offset % _BLOCK
    whole = (length - lead) // _BLOCK * _BLOCK
    if whole > 0 and (position + lead) % _BLOCK == 0 and _clone(
            source, offset + lead, target, position + lead, whole):
        if progress:
            progress(whole)
        _copy_data(source, offset, target, position, lead, progress)
        skip = lead + whole
        _copy_data(source, offset + skip, target, position + skip,
                   length - skip, progress)
    else:
        _copy_data(source, offset, target, position, length, progress)


def _clone(source: int, offset: int, target: int, position: int,
           length: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONERANGE, struct.pack(
            '=qQQQ', source, offset, length, position))
    except OSError as exc:
        if exc.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _copy_data(source: int, offset: int, target: int, position: int,
               length: int, progress: Progress) -> None:
    """Copy the data of a range, leaving its holes out."""
    shift = position - offset
    end = offset + length
    while offset < end:
        start, stop = _next_data(source, offset, end)
        if progress and start > offset:
            progress(start - offset)
        _copy_bytes(source, start, target, start + shift, stop - start,
                    progress)
        offset = stop


def _next_data(fd: int, offset: int, end: int) -> tuple[int, int]:
    try:
        start = os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as exc:
        # ENXIO: only a hole is left. Others: no such call here.
        return (end, end) if exc.errno == errno.ENXIO else (offset, end)
    if start >= end:
        return end, end
    return start, min(os.lseek(fd, start, os.SEEK_HOLE), end)


def _copy_bytes(source: int, offset: int, target: int, position: int,
                length: int, progress: Progress) -> None:
    in_kernel = True
    while length:
        count = min(length, _CHUNK)
        if in_kernel:
            try:
                count = os.copy_file_range(source, target, count, offset,
                                           position)
            except OSError as exc:
                if exc.errno not in _UNSUPPORTED:
                    raise
                in_kernel = False
                continue
        else:
            data = os.pread(source, min(count, 1 << 20), offset)
            write_all(target, data, position)
            count = len(data)
        if not count:
            raise OSError(errno.EIO, 'the base image ended too early')
        offset += count
        position += count
        length -= count
        if progress:
            progress(count)
