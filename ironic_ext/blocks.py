# SPDX-License-Identifier: Apache-2.0

"""Files on Linux: blocks shared or copied, names that appear at once.

Pure: knows the kernel alone. Reflinks are FICLONERANGE
(ioctl_ficlonerange(2)); copies are copy_file_range(2) and leave holes out
(SEEK_DATA of lseek(2)), each with the next as its fallback.
"""

import collections.abc
import contextlib
import ctypes
import errno
import fcntl
import os
import struct
import typing

_SYNC_FILE_RANGE_WRITE = 2
_NOT_HERE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
#: _IOW(0x94, 13, struct file_clone_range), from linux/fs.h.
_FICLONERANGE = 0x4020940d
#: What says that the file system, or a pair of them, cannot do it. Anything
#: else is a failure: a disk that breaks is no reason to copy.
_UNSUPPORTED = frozenset((
    errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP,
    errno.ENOTTY, errno.EPERM, errno.EBADF, errno.ETXTBSY))
#: Reflinks work on whole blocks; 4096 is the block size of the file systems
#: that have them (XFS, btrfs, bcachefs), and others refuse the call anyway.
_BLOCK = 4096
_CHUNK = 64 << 20
#: What says that a hard link cannot be here: another file system, one
#: without links, fs.protected_hardlinks, a name that is gone.
_UNLINKABLE = frozenset((
    errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOENT,
    errno.ENOSYS, errno.EOPNOTSUPP))
_NEW = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

#: Called with the number of bytes done since the last call.
Progress = typing.Callable[[int], None] | None


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


# Names

@contextlib.contextmanager
def replacing(path: str, mode: int, *, durable: bool = True,
              temporary: str | None = None
              ) -> collections.abc.Iterator[int]:
    """Yield a descriptor of a new file that takes ``path`` on success.

    It is written beside ``path`` and renamed; on failure it is removed and
    ``path`` stays as it was.

    :param mode: permission bits, whatever the umask.
    :param durable: whether content and name survive a power cut from then
        on (fsync(2) of the file, then of the directory).
    :param temporary: what the file is called meanwhile, for writers that
        exclude one another: what a killed one left is replaced. By default
        a hidden name that ends in ".part", another one each time.
    :raises: OSError
    """
    if temporary is None:
        temporary = _beside(path)
    else:
        _remove(temporary)
    try:
        with _written(temporary, mode, durable) as fd:
            yield fd
        os.rename(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    if durable:
        sync_directory(os.path.dirname(path) or '.')


@contextlib.contextmanager
def creating(path: str, mode: int) -> collections.abc.Iterator[int]:
    """Yield a descriptor of a new file that takes ``path`` if that is free.

    As :func:`replacing`, but nothing is replaced.

    :raises: FileExistsError when there is one by then, OSError
    """
    temporary = _beside(path)
    try:
        with _written(temporary, mode, True) as fd:
            yield fd
        publish(temporary, path)
    finally:
        _remove(temporary)


def publish(temporary: str, path: str) -> None:
    """Let a whole, durable file appear at ``path``, where nothing is.

    ``temporary``, its name until now, goes.

    :raises: FileExistsError, OSError
    """
    # Unlike a rename, a link replaces nothing.
    os.link(temporary, path)
    os.unlink(temporary)
    sync_directory(os.path.dirname(path) or '.')


@contextlib.contextmanager
def _written(path: str, mode: int, durable: bool
             ) -> collections.abc.Iterator[int]:
    # Nobody's but the owner's while it is incomplete.
    fd = os.open(path, os.O_RDWR | _NEW | os.O_NOFOLLOW, 0o600)
    try:
        yield fd
        os.fchmod(fd, mode)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def _beside(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder,
                        f'.{name[:180]}.{os.urandom(8).hex()}.part')


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def link(source: int, path: str) -> bool:
    """Give an open file a further name, a hard link.

    :returns: False when that is impossible or not permitted here.
    :raises: OSError
    """
    folder, name = os.path.split(path)
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # By descriptor, since the name may lead to another file by now;
        # only with a directory's descriptor os.link() follows a link.
        os.link(f'/proc/self/fd/{source}', name, dst_dir_fd=parent)
    except OSError as exc:
        if exc.errno not in _UNLINKABLE:
            raise
        return False
    finally:
        os.close(parent)
    return True


def replace_by_link(source: int, path: str) -> bool:
    """Let ``path`` be a further name of an open file.

    :returns: False, ``path`` as it was, when that is impossible here.
    :raises: OSError
    """
    temporary = _beside(os.path.abspath(path))
    if not link(source, temporary):
        return False
    try:
        os.rename(temporary, path)
    finally:
        # Still there after a failure, and when both names were links to one
        # file already: rename(2) then does nothing.
        _remove(temporary)
    return True


def place(source: int, path: str) -> str:
    """Have the content of an open file at ``path``, replacing what is there.

    By shared blocks where the file system can, else by a hard link (so that
    it must not be written to), else by a copy.

    :returns: ``reflink``, ``link`` or ``copy``.
    :raises: OSError
    """
    temporary = _beside(os.path.abspath(path))
    try:
        how = _placed(source, temporary)
        os.rename(temporary, path)
        return how
    finally:
        _remove(temporary)


def _placed(source: int, path: str) -> str:
    """Have the content at a new path; its mode is what the umask leaves."""
    target = os.open(path, os.O_WRONLY | _NEW, 0o644)
    try:
        if clone(source, target):
            return 'reflink'
        os.unlink(path)
        if link(source, path):
            return 'link'
    finally:
        os.close(target)
    target = os.open(path, os.O_WRONLY | _NEW, 0o644)
    try:
        copy(source, target)
    finally:
        os.close(target)
    return 'copy'


# Content

def write_all(fd: int, data: bytes | bytearray | memoryview,
              position: int = 0) -> None:
    """Write all of ``data`` at ``position`` (bytes).

    :raises: OSError
    """
    view = memoryview(data).cast('B')
    while view:
        count = os.pwrite(fd, view, position)
        position += count
        view = view[count:]


def clone(source: int, target: int) -> bool:
    """Let one open file share all blocks of another (a reflink).

    :returns: False when the file system, or the pair of them, cannot.
    :raises: OSError when it can and fails.
    """
    return _clone(source, 0, target, 0, 0)


def can_share(path: str, folder: str) -> bool:
    """Tell whether a file in a folder can share blocks with another one.

    :raises: OSError
    """
    temporary = _beside(os.path.join(folder, 'probe'))
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(temporary, os.O_WRONLY | _NEW, 0o600)
        try:
            return _clone(source, 0, target, 0, _BLOCK)
        finally:
            os.close(target)
            _remove(temporary)
    finally:
        os.close(source)


def copy(source: int, target: int) -> None:
    """Copy a whole open file into an empty one; see :func:`copy_range`.

    :raises: OSError
    """
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    copy_range(source, 0, target, 0, size)


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
            raise OSError(errno.EIO, 'the file ended too early')
        offset += count
        position += count
        length -= count
        if progress:
            progress(count)
