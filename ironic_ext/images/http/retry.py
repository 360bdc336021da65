# SPDX-License-Identifier: Apache-2.0

"""How long to go on when a server fails: waits and their number.

Exponential back-off with jitter; what brings new bytes starts it anew.
"""

import logging
import random
import time
import typing

from ironic_ext.images.http import errors
from ironic_ext.images import settings as image_settings

LOG = logging.getLogger(__name__)

# However little each try brings, a download is not tried for ever.
_MOST_TRIES = 1000

T = typing.TypeVar('T')


class Patience:
    """What is left of the tries for one image."""

    def __init__(self, settings: image_settings.Settings) -> None:
        self._settings = settings
        self._tries = 0
        self._in_a_row = 0

    def wait(self, failure: errors.TransientError, *,
             progress: bool = False) -> None:
        """Wait before the next try.

        :param progress: the try that failed brought something new.
        :raises: ImageError of ``failure`` when that was the last try.
        """
        self._tries += 1
        self._in_a_row = 1 if progress else self._in_a_row + 1
        if (self._in_a_row > self._settings.retries
                or self._tries > _MOST_TRIES):
            raise failure.error from None
        seconds = self.seconds(failure.retry_after)
        # What ends with a question or a stop gets no other.
        text = str(failure.error)
        LOG.warning('%(failure)s Trying again in %(seconds).1f s '
                    '(%(retry)d of %(retries)d).', {
                        'failure': text if text.endswith(('?', '.'))
                        else f'{text}.', 'seconds': seconds,
                        'retry': self._in_a_row,
                        'retries': self._settings.retries})
        time.sleep(seconds)

    def seconds(self, retry_after: float) -> float:
        """Return the next wait, never above the ceiling."""
        settings = self._settings
        wait = min(settings.retry_interval * 2.0 ** min(
            self._in_a_row - 1, 30), settings.retry_ceiling)
        # Half of it at random: those that a restart of the server cut off
        # together do not come back together.
        wait *= random.uniform(0.5, 1)
        return min(max(wait, retry_after), settings.retry_ceiling)


def trying(settings: image_settings.Settings,
           ask: typing.Callable[[], T]) -> T:
    """Call ``ask`` until it succeeds or patience ends.

    :raises: ImageError and its subclasses
    """
    patience = Patience(settings)
    while True:
        try:
            return ask()
        except errors.TransientError as failure:
            patience.wait(failure)
