# SPDX-License-Identifier: Apache-2.0

"""Whose turn it is, when more want something computed than can be at once.

Who came last is the first. Of a thousand who come in one moment and somebody
who comes while these are served, the thousand wait; in the order in which
they came, everybody would wait for all of them.
"""

import typing

#: Of one client, so many wait beside those of others; what came beside these
#: waits until nobody else does.
FEW = 8

#: Anything that has a hash.
Waiting = typing.TypeVar('Waiting')


class Turns(typing.Generic[Waiting]):
    """Those who wait; each costs the same, however many they are."""

    def __init__(self) -> None:
        """Begin with nobody."""
        # With whose each is, the last one last.
        self._few: dict[Waiting, bytes] = {}
        self._many: dict[Waiting, bytes] = {}
        # Of those among the few.
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._few) + len(self._many)

    def add(self, waiting: Waiting, client: bytes) -> None:
        """Have one wait, who does not yet.

        :param client: whose it is; b'' for who speaks for many.
        """
        count = self._counts.get(client, 0)
        if count < FEW or not client:
            self._counts[client] = count + 1
            self._few[waiting] = client
        else:
            self._many[waiting] = client

    def leave(self, waiting: Waiting) -> None:
        """Have one wait no more; any number of times."""
        self._many.pop(waiting, None)
        client = self._few.pop(waiting, None)
        if client is not None:
            self._counts[client] -= 1
            if not self._counts[client]:
                del self._counts[client]

    def take(self) -> Waiting:
        """Return who is the next, and waits no more.

        :raises: StopIteration when nobody waits
        """
        found = next(reversed(self._few or self._many))
        self.leave(found)
        return found

    def last(self) -> Waiting:
        """Return who would be the last.

        :raises: StopIteration when nobody waits
        """
        return next(iter(self._many or self._few))
