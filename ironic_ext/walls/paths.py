# SPDX-License-Identifier: Apache-2.0

"""Files of the conductor that are no images, whatever is allowed.

Names are judged with symbolic links resolved; what a bind mount or another
name could hide is known by its device and inode.
"""

import dataclasses
import os
import re

#: Device and inode.
Identity = tuple[int, int]

# What Ironic publishes for one node is named by its UUID, or by its MAC.
_OF_A_NODE = re.compile(
    r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
    r'|(?:[0-9a-f]{2}-)?(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Wall:
    """What stays closed, as absolute paths without symbolic links.

    :param closed: files and directories that nobody may name.
    :param guarded: directories that are closed but for what lies below an
        allowed path that is further down: who allows that means it.
    :param shared: directories in which files of nodes lie among others:
        what is named after a node, or one of ``names``, is closed.
    :param opened: directories inside of closed ones that are open.
    """

    closed: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    opened: tuple[str, ...] = ()

    def refuses(self, path: str, allowed: str) -> bool:
        """Tell whether a path is closed.

        :param allowed: the allowed directory that it was found below.
        """
        def is_open(top: str, doors: tuple[str, ...]) -> bool:
            return any(below(door, top) and below(path, door)
                       for door in doors)

        if any(below(path, top) and not is_open(top, self.opened)
               for top in self.closed):
            return True
        if any(below(path, top) and not is_open(
                top, (*self.opened, *((allowed,) if allowed != top else ())))
               for top in self.guarded):
            return True
        return any(self._names_a_node(os.path.relpath(path, top))
                   for top in self.shared if path != top and below(path, top))

    def identities(self) -> frozenset[Identity]:
        """Return what closed places are known by at this moment."""
        found = set()
        for path in self.closed:
            try:
                info = os.stat(path)
            except OSError:
                continue
            found.add((info.st_dev, info.st_ino))
        return frozenset(found)

    def _names_a_node(self, inner: str) -> bool:
        first = inner.split(os.sep)[0]
        return first in self.names or bool(_OF_A_NODE.fullmatch(first))


def below(path: str, top: str) -> bool:
    """Tell whether a path is a directory, or lies in it."""
    return top == '/' or path == top or path.startswith(top + os.sep)
