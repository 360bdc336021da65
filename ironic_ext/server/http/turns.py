# SPDX-License-Identifier: Apache-2.0

"""Whose turn it is, when more want something computed than can be at once.

Who came last is the first. Of a thousand who come in one moment and somebody
who comes while these are served, the thousand wait; in the order in which
they came, everybody would wait for all of them. While more come than can be
served, that is not enough: whose turn is to go on, and who is known to be
served soon, come before strangers.
"""

import typing

#: Of one client, so many wait beside those of others; what came beside these
#: waits until nobody else does.
FEW = 8
#: Who comes before whom: whoever goes on with what was begun, who is known,
#: everybody, and who waits for all of them.
GOING_ON, KNOWN, USUAL, LAST = RANKS = range(4)

#: Anything that has a hash.
Waiting = typing.TypeVar('Waiting')


class Turns(typing.Generic[Waiting]):
    """Those who wait; each costs the same, however many they are."""

    def __init__(self) -> None:
        """Begin with nobody."""
        # By rank, with whose each is; the last one last.
        self._queues: tuple[dict[Waiting, bytes], ...] = tuple(
            {} for _rank in RANKS)
        # Of those among the few.
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._queues))

    def add(self, waiting: Waiting, client: bytes, rank: int = USUAL
            ) -> None:
        """Have one wait, who does not yet.

        :param client: whose it is; b'' for who speaks for many.
        """
        if KNOWN <= rank < LAST:
            count = self._counts.get(client, 0)
            if client and count >= FEW:
                rank = LAST
            else:
                self._counts[client] = count + 1
        self._queues[rank][waiting] = client

    def leave(self, waiting: Waiting) -> None:
        """Have one wait no more; any number of times."""
        for rank in RANKS:
            client = self._queues[rank].pop(waiting, None)
            if client is not None and KNOWN <= rank < LAST:
                self._counts[client] -= 1
                if not self._counts[client]:
                    del self._counts[client]

    def take(self) -> Waiting:
        """Return who is the next, and waits no more.

        :raises: StopIteration when nobody waits
        """
        found = next(reversed(next(filter(None, self._queues))))
        self.leave(found)
        return found

    def last(self) -> Waiting:
        """Return who would be the last.

        :raises: StopIteration when nobody waits
        """
        return next(iter(next(filter(None, reversed(self._queues)))))
