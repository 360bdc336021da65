# SPDX-License-Identifier: Apache-2.0

"""Leases that survive restarts: who needs an object, by name.

What is being read is protected by a lock on the object itself; this is for
a published medium or a deployed node, which no process stands for.
"""

import collections.abc
import contextlib
import hashlib
import os

from ironic_ext.images.store import metadata


class Leases:
    """The leases below one directory.

    :param root: of the store.
    """

    def __init__(self, root: str) -> None:
        self._folder = os.path.join(root, 'leases')
        self._lock = os.path.join(root, 'lock')

    def add(self, sha256: str, owner: str) -> None:
        """Note that ``owner`` needs an object; twice is once.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            os.makedirs(os.path.join(self._folder, sha256), mode=0o700,
                        exist_ok=True)
            metadata.write(self._path(sha256, owner), {'owner': owner})

    def remove(self, sha256: str, owner: str) -> None:
        """Note that ``owner`` does not need it any more.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            metadata.remove(self._path(sha256, owner))
            # Not when it has others.
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(self._folder, sha256))

    def owners(self, sha256: str) -> list[str]:
        """Return who needs an object, sorted.

        :raises: OSError
        """
        folder = os.path.join(self._folder, sha256)
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            facts = metadata.read(os.path.join(folder, name))
            if name.endswith('.json'):
                # One that cannot be read protects all the same.
                found.append(str((facts or {}).get('owner', '(unknown)')))
        return sorted(found)

    def all(self) -> collections.abc.Iterator[tuple[str, str]]:
        """Yield every lease: the SHA-256 of an object, and who needs it.

        :raises: OSError
        """
        for sha256 in sorted(os.listdir(self._folder)):
            for owner in self.owners(sha256):
                yield sha256, owner

    def sweep(self) -> None:
        """Remove what writers that were killed have left.

        :raises: OSError
        """
        with metadata.locked(self._lock):
            for sha256 in os.listdir(self._folder):
                folder = os.path.join(self._folder, sha256)
                for name in os.listdir(folder):
                    if not name.endswith('.json'):
                        metadata.remove(os.path.join(folder, name))
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def _path(self, sha256: str, owner: str) -> str:
        name = hashlib.sha256(owner.encode()).hexdigest()
        return os.path.join(self._folder, sha256, f'{name}.json')
