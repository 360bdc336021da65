# SPDX-License-Identifier: Apache-2.0

"""Who guesses is slowed, by the address that it guesses from.

The first wrong guesses cost nothing, since machines come before operators
have put them into Ironic. After these an address has one guess a second,
right or wrong, and each waits for its turn. Who guesses right is not counted.
"""

import asyncio
import collections
import collections.abc
import copy
import time
import typing

from ironic_ext.server import errors
from ironic_ext.web import client_address

#: Wrong guesses that cost nothing, seconds that each of the next ones does,
#: and the longest wait for a turn.
FREE, EACH, LONGEST = 20, 1.0, 10.0
#: Addresses that are remembered.
_MOST = 1 << 14

Result = typing.TypeVar('Result')


class Guesses:
    """What each address owes; for the thread of an event loop."""

    def __init__(self) -> None:
        """Begin with nobody."""
        # When an address has paid for its guesses, by the monotonic clock.
        self._paid: collections.OrderedDict[bytes, float] = (
            collections.OrderedDict())
        self._never: type[Exception] | None = None

    def without_waiting(self, error: type[Exception]) -> 'Guesses':
        """Return what judges in the same row, and never waits.

        :param error: is raised instead, and the guess is not counted.
        """
        found = copy.copy(self)
        found._never = error
        return found

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._paid)

    async def judge(self, address: str, find: collections.abc.Callable[
            [], Result]) -> Result:
        """Return what a guess finds, at its turn.

        :param find: raises NotFoundError for a wrong one; must not wait.
        :raises: TooManyError when too many are before it, and what
            ``find`` raises
        """
        key = client_address.client_of(address)
        # Mostly, nobody owes anything.
        wait = self._ahead(key) if self._paid else 0.0
        if wait > LONGEST:
            raise errors.TooManyError(
                'too many from this address guess wrong: wait a moment')
        if wait > 0:
            if self._never is not None:
                raise self._never
            # It has its place in the row before it waits.
            self._charge(key, EACH)
            try:
                await asyncio.sleep(wait)
            except (GeneratorExit, asyncio.CancelledError):
                # Nothing was learned; or it is asked again, by who can wait.
                self._charge(key, -EACH)
                raise
        try:
            found = find()
        except errors.NotFoundError:
            if wait <= 0:
                self._charge(key, EACH)
            raise
        if wait > 0:
            self._charge(key, -EACH)
        return found

    def _ahead(self, key: bytes) -> float:
        """Return the seconds until an address has a turn."""
        paid = self._paid.get(key)
        if paid is None:
            return 0.0
        return paid - time.monotonic() - FREE * EACH

    def _charge(self, key: bytes, seconds: float) -> None:
        now = time.monotonic()
        self._paid[key] = max(self._paid.get(key, now), now) + seconds
        self._paid.move_to_end(key)
        if self._paid[key] <= now:
            del self._paid[key]
        while len(self._paid) > _MOST:
            self._paid.popitem(last=False)
