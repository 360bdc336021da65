# SPDX-License-Identifier: Apache-2.0

"""What each project may have in a store, so that none takes all of it.

What goes beyond a project's share makes room out of what counts for that
project, or is refused. A project that is alone in a store may have it all,
and what counts for the operator has no share.
"""

import collections.abc
import contextlib
import dataclasses
import os
import time

from ironic_ext.images import errors
from ironic_ext.images.store import files as store_files
from ironic_ext.images.store import partial

#: Of the operator.
OPERATOR = ''
_MIB = 1 << 20
# Times that a look takes, until the next one.
_REST = 20


@dataclasses.dataclass(frozen=True)
class Held:
    """An image that counts for projects.

    :param size: bytes.
    :param used_at: seconds since the epoch.
    :param leased: whether it must stay.
    """

    sha256: str
    size: int
    used_at: float
    projects: frozenset[str]
    leased: bool = False


def plan(held: collections.abc.Iterable[Held], project: str, share: int,
         needed: int) -> tuple[list[Held], int]:
    """Choose what counts for a project no more, the oldest first.

    :param share: bytes.
    :param needed: bytes that it wants to have besides.
    :returns: those, and the bytes that are missing even so.
    """
    mine = sorted((one for one in held if project in one.projects),
                  key=lambda one: one.used_at)
    over = sum(one.size for one in mine) + needed - share
    chosen = []
    for one in mine:
        if over <= 0:
            break
        if not one.leased:
            chosen.append(one)
            over -= one.size
    return chosen, max(over, 0)


class Shares:
    """The shares of a store's projects.

    :param share: bytes that a project may have; None means any.
    :param remove: removes an object, unless it is leased.
    """

    def __init__(self, files: store_files.StoreFiles, share: int | None,
                 remove: collections.abc.Callable[[str], bool]) -> None:
        self._files = files
        self._share = share
        self._remove = remove

    def require_possible(self, project: str, size: int, path: str,
                         name: str) -> None:
        """Make sure that a project may have so much more.

        :param size: bytes that are still to come.
        :param path: of the download that they are for.
        :param name: of the image, fit for messages.
        :raises: NoSpaceError, OSError
        """
        self._planned(project, size, path, name)

    def make_room(self, project: str, size: int, path: str, name: str
                  ) -> None:
        """Let what a project has fit its share; see require_possible()."""
        for one in self._planned(project, size, path, name):
            self._files.objects.discharge(one.sha256, project)
            if one.projects <= {project}:
                self._remove(one.sha256)

    def trim(self, project: str) -> None:
        """Let go of what a project has no share for, as far as possible.

        :raises: OSError
        """
        with contextlib.suppress(errors.NoSpaceError):
            self.make_room(project, 0, '', '')

    def _planned(self, project: str, size: int, path: str, name: str
                 ) -> list[Held]:
        share = self._share
        if project == OPERATOR or share is None:
            return []
        held, is_alone = self._held(project)
        if is_alone:
            return []
        chosen, missing = plan(held, project, share,
                               size + self._unfinished(project, path))
        if missing:
            raise errors.NoSpaceError(
                f'there is no room for {name}: images of project {project} '
                f'that are in use, or being downloaded, take its share of '
                f'{share // _MIB} MiB of the image store, '
                f'{-(-missing // _MIB)} MiB are missing: let go of some, or '
                'raise [ext_images]project_share')
        return chosen

    def _held(self, project: str) -> tuple[list[Held], bool]:
        """Return what counts for a project, and whether no other has any."""
        found = []
        is_alone = True
        objects = self._files.objects
        for name in objects.names():
            stored = objects.stored(name)
            if stored is None:
                continue
            is_alone &= {*stored.projects} <= {project, OPERATOR}
            if project not in stored.projects:
                continue
            try:
                info = os.stat(objects.path(name))
            except FileNotFoundError:
                continue
            found.append(Held(
                # The other link of it would go on using the blocks.
                name, info.st_size if info.st_nlink == 1 else 0,
                objects.used_at(name),
                frozenset(stored.projects),
                bool(self._files.leases.owners(name))
                or objects.is_read(name)))
        return found, is_alone

    def _unfinished(self, project: str, path: str) -> int:
        """Return the bytes of other downloads of a project."""
        total = 0
        with os.scandir(self._files.partial()) as entries:
            for entry in entries:
                if '.' in entry.name or entry.path == path:
                    continue
                state = partial.State.read(entry.path)
                if state is not None and state.project == project:
                    # What was promised, whether or not it is here.
                    total += max(state.version.size or 0, state.spans.total)
        return total


class Pace:
    """Does not look at a share more often than is worth it.

    A store of a thousand images is looked at in a tenth of a second or more:
    no download spends more than a twentieth of its time on that.
    """

    def __init__(self, seconds: float = 0.5,
                 clock: collections.abc.Callable[[], float] = time.monotonic
                 ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = 0.0

    def is_due(self) -> bool:
        """Tell whether to look now."""
        return self._clock() >= self._next

    @contextlib.contextmanager
    def looking(self) -> collections.abc.Iterator[None]:
        """Note how long a look takes."""
        began = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            self._next = now + max(self._seconds, _REST * (now - began))
