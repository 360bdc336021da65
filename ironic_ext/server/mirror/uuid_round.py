# SPDX-License-Identifier: Apache-2.0

"""Finds out which nodes were deleted: those are in no list of changes.

A look is at a thousand UUIDs; what a whole round of them does not meet is
gone.
"""

import collections.abc

from ironic_ext.server import errors
from ironic_ext.server.mirror import ironic_api


class UuidRound:
    """A round of the UUIDs of all nodes. For one thread."""

    def __init__(self, api: ironic_api.IronicApi) -> None:
        self._api = api
        # What was known as it began and was not met yet, and where it goes
        # on.
        self._unmet: set[str] = set()
        self._met_last = ''

    def go_on(self, known: collections.abc.Callable[[], set[str]]
              ) -> set[str]:
        """Look at the next UUIDs; return what a round did not meet.

        :param known: returns the UUIDs of which it is to be found out.
        :raises: IronicError
        """
        if not self._met_last:
            self._unmet = known()
        try:
            uuids, more = self._api.uuids(self._met_last)
        except (errors.NotFoundError, errors.BadRequestError):
            # The one after which it was to go on is gone.
            self._met_last = ''
            return set()
        self._unmet.difference_update(uuids)
        self._met_last = uuids[-1] if uuids and more else ''
        return set() if self._met_last else self._unmet
