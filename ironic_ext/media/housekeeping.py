# SPDX-License-Identifier: Apache-2.0

"""What is done now and then on a host that serves or makes media.

Media end in the database. What a host keeps of them, overlays and holds on
bases, follows here, also after a crash and when another host ended them.
"""

import collections.abc
import contextlib
import fcntl
import logging
import os
import threading
import time
import typing

from ironic_ext.images import errors
from ironic_ext.media import delivery
from ironic_ext.media import records
from ironic_ext.media import replica

LOG = logging.getLogger(__name__)

#: Seconds that a medium which is over stays on record: so long its URL is
#: answered with the reason, and an expired one can come back.
_REMEMBERED = 7 * 86400
_INTERVAL = 600


class Store(typing.Protocol):
    """The part of images.ImageStore that is needed."""

    def holds(self, prefix: str = ''
              ) -> collections.abc.Iterable[tuple[str, str]]:
        """Return (digest, owner) of the images that are held."""

    def release(self, digest: str, owner: str) -> None:
        """Let go of an image."""


def release_bases(store: Store, known: records.MediaRecords) -> None:
    """Let go of the bases of media that are over.

    :raises: RecordsError, ImageError
    """
    prefix = delivery.owner('')
    held = [(digest, owner) for digest, owner in store.holds(prefix)]
    kept = known.kept({owner.removeprefix(prefix) for _digest, owner in held})
    for digest, owner in held:
        if owner.removeprefix(prefix) not in kept:
            LOG.info('Releasing base image %(digest)s of %(owner)s, which is '
                     'over', {'digest': digest, 'owner': owner})
            store.release(digest, owner)


def sweep(store: Store, known: records.MediaRecords,
          overlays: replica.Overlays | None = None) -> None:
    """Remove what is left of media that are over.

    :raises: RecordsError, ImageError, OSError
    """
    known.purge(time.time() - _REMEMBERED)
    release_bases(store, known)
    if overlays is not None:
        overlays.sweep()


def sweep_now_and_then(sweeper: collections.abc.Callable[[], None],
                       lock_path: str) -> None:
    """Start a thread that sweeps; one of all processes with that lock."""
    threading.Thread(target=_sweep_for_ever, args=(sweeper, lock_path),
                     daemon=True, name='media-sweep').start()


def _sweep_for_ever(sweeper: collections.abc.Callable[[], None],
                    lock_path: str) -> None:
    while True:
        try:
            with _lock(lock_path) as mine:
                while mine:
                    sweeper()
                    time.sleep(_INTERVAL)
        except (errors.ImageError, records.RecordsError, OSError) as exc:
            LOG.warning('Cleaning up after media that are over failed, '
                        'trying again later: %s', exc)
        time.sleep(_INTERVAL)


@contextlib.contextmanager
def _lock(path: str) -> collections.abc.Iterator[bool]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)
