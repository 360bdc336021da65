# SPDX-License-Identifier: Apache-2.0

"""What Python's os module lacks of Linux' file I/O, and room on a disk."""

import collections.abc
import ctypes
import errno
import fcntl
import os

_SYNC_FILE_RANGE_WRITE = 2
_NOT_HERE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def _function(name: str, *types: object
              ) -> collections.abc.Callable[..., int] | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is not None:
        function.argtypes = types
    return function


# Both are glibc's; the 64-bit offsets need the declared types.
_fallocate = _function('fallocate64', ctypes.c_int, ctypes.c_int,
                       ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _function('sync_file_range', ctypes.c_int, ctypes.c_int64,
                             ctypes.c_int64, ctypes.c_uint)


def allocate(fd: int, size: int) -> None:
    """Make a file ``size`` bytes long, its blocks set aside if possible.

    os.posix_fallocate() is no choice: where a file system cannot do it,
    glibc writes every block instead.

    :raises: OSError, ENOSPC among others
    """
    os.ftruncate(fd, size)
    if not size or _fallocate is None:
        return
    if _fallocate(fd, 0, 0, size):
        code = ctypes.get_errno()
        if code not in _NOT_HERE:
            raise OSError(code, os.strerror(code))


def start_writeback(fd: int, offset: int, length: int) -> None:
    """Let the kernel begin to write a range to the disk.

    What is then left for fsync(2) takes no time worth mentioning.
    """
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable.

    :raises: OSError
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def free(path: str) -> int:
    """Return the bytes that this user may still write to a file system.

    :raises: OSError
    """
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize


def is_full(error: OSError) -> bool:
    """Tell whether there was no room, or a quota's end."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


# linux/fs.h: _IOW(0x94, 9, int)
_FICLONE = 0x40049409


def clone(source: int, target: int) -> bool:
    """Let one open file share all blocks of another (a reflink).

    :returns: False when the file system, or the pair of them, cannot.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def link(source: int, path: str) -> bool:
    """Give an open file a further name, a hard link.

    :returns: False when that is impossible or not permitted here.
    """
    folder, name = os.path.split(path)
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # By descriptor, since the name may lead to another file by now;
        # only with a directory's descriptor os.link() follows a link.
        os.link(f'/proc/self/fd/{source}', name, dst_dir_fd=parent)
    except OSError as exc:
        if is_full(exc):
            raise
        return False
    finally:
        os.close(parent)
    return True


def copy(source: int, target: int) -> None:
    """Copy a whole open file into an empty one, within the kernel.

    :raises: OSError
    """
    offset = 0
    while count := os.sendfile(target, source, offset, 1 << 30):
        offset += count
