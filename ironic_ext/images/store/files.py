# SPDX-License-Identifier: Apache-2.0

"""The directories of an image store, made when they are missing.

``objects/``, ``index/``, ``leases/`` (those that survive restarts),
``partial/`` (downloads that go on, or can be resumed), ``locks/`` (of the
downloads) and ``lock`` (of the small files). All of it is private.
"""

import collections.abc
import contextlib
import os

from ironic_ext.images import errors
from ironic_ext.images.store import index
from ironic_ext.images.store import leases
from ironic_ext.images.store import objects


class StoreFiles:
    """Everything that a store has on disk.

    :param root: the directory of the store.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.objects = objects.Objects(self.root)
        self.index = index.Index(self.root, self.objects)
        self.leases = leases.Leases(self.root)

    def partial(self, key: str = '') -> str:
        """Return where a download goes, or the directory of all of them."""
        return os.path.join(self.root, 'partial', key)

    def lock(self, key: str = '') -> str:
        """Return the lock of a download, or the directory of all."""
        return os.path.join(self.root, 'locks', key)

    def make(self) -> None:
        """Make what is missing; the index from the objects.

        :raises: ImageError
        """
        with self.translated():
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            for name in ('objects', 'leases', 'partial', 'locks'):
                os.makedirs(os.path.join(self.root, name), mode=0o700,
                            exist_ok=True)
            if not self.index.exists():
                self.index.restore()

    @contextlib.contextmanager
    def translated(self) -> collections.abc.Iterator[None]:
        """Turn an OSError of the store's own files into an ImageError."""
        try:
            yield
        except OSError as exc:
            raise errors.ImageError(
                f'cannot use {self.root} as image store: '
                f'{exc.strerror or exc}: check [ext_images]cache_dir'
            ) from exc
