# SPDX-License-Identifier: Apache-2.0

"""What tells that a machine has booted what it was given."""

import collections.abc
import pathlib
import time
import typing

from tempest.lib import exceptions

T = typing.TypeVar('T')

#: Seconds between two looks.
_INTERVAL = 1.0


def await_condition(condition: collections.abc.Callable[[], T | None],
                    what: str, timeout: float) -> T:
    """Look until a condition holds; return what it returned.

    :param timeout: seconds.
    :raises: TimeoutException
    """
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise exceptions.TimeoutException(
                f'not within {timeout} seconds: {what}')
        time.sleep(_INTERVAL)


class Console:
    """A serial console in a file."""

    def __init__(self, path: str) -> None:
        """Begin with what is in the file now: that is of boots before."""
        self._path = pathlib.Path(path)
        self._start = self._size()

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def shows(self, text: str) -> bool:
        """Tell whether a text came since."""
        if not self._size():
            return False
        with self._path.open('rb') as file:
            file.seek(self._start)
            return text.encode() in file.read()


def is_in_phase(status: collections.abc.Mapping[str, typing.Any],
                phase: str, reason: str = '') -> bool:
    """Tell whether a data image is in a phase, for a reason.

    :param status: as the passthru method ``data_image`` shows it.
    :param reason: part of what it says of it; not all phases have one.
    """
    return (status['phase'] == phase
            and reason in (status.get('reason') or ''))


def requests_of(media: collections.abc.Iterable[
        collections.abc.Mapping[str, typing.Any]],
        purpose: str = 'instance') -> int:
    """Return how often a node's newest boot medium was read from.

    :param media: as the passthru method ``boot_media`` shows them.
    :param purpose: what the medium is for.
    """
    found = [medium for medium in media
             if medium.get('purpose') == purpose and medium.get('read')]
    return int(found[-1]['read']['requests']) if found else 0
