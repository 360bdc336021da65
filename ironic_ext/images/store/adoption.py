# SPDX-License-Identifier: Apache-2.0

"""Local files as objects: their blocks shared, or a hard link, no copy.

The file's inode, mode and times stay as they are. An object that is a hard
link changes with a file that is written in place; the store notices, since
every object's inode, size and time of writing are on record.
"""

import collections.abc
import contextlib
import os

from ironic_ext import blocks
from ironic_ext.images import base_image
from ironic_ext.images import errors
from ironic_ext.images import hashing
from ironic_ext.images.store import partial


class Adopted:
    """A local file that has a second name within the store.

    :ivar fd: the file of the store, open.
    :ivar is_link: whether that is the local file itself.
    """

    def __init__(self, source: int, path: str, fd: int, is_link: bool
                 ) -> None:
        self.fd = fd
        self.is_link = is_link
        self._source = source
        self._path = path
        self._before = base_image.identity(source)

    def digests(self, algorithms: collections.abc.Iterable[str], name: str,
                note: hashing.Note) -> dict[str, str]:
        """Digest it and make it durable.

        :param name: of the image, fit for messages.
        :param note: called with the number of bytes done so far.
        :raises: ImageChangedError, OSError
        """
        found = hashing.of_file(self.fd, algorithms, note)
        if base_image.identity(self._source) != self._before:
            raise errors.ImageChangedError(
                f'{name} was changed while it was being read: put a new '
                'version in place by a rename, then try again')
        os.fsync(self.fd)
        return found


@contextlib.contextmanager
def adopted(source: int, path: str
            ) -> collections.abc.Iterator[Adopted | None]:
    """Give a local file a second name, as long as the context lasts.

    :param source: the file, open.
    :param path: within the store.
    :returns: None when the file system allows neither way.
    :raises: OSError
    """
    partial.remove(path)
    fd = -1
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                     0o600)
        if blocks.clone(source, fd):
            yield Adopted(source, path, fd, is_link=False)
            return
        os.unlink(path)
        if blocks.link(source, path):
            yield Adopted(source, path, source, is_link=True)
        else:
            yield None
    finally:
        if fd != -1:
            os.close(fd)
        partial.remove(path)
