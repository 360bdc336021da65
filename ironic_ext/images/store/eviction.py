# SPDX-License-Identifier: Apache-2.0

"""Which objects make room for others: a plan, without touching a disk."""

import collections.abc
import dataclasses


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An object that may have to go.

    :param sha256: its name.
    :param size: bytes that its removal frees.
    :param used_at: seconds since the epoch.
    :param leased: whether it must stay.
    :param unwanted: whether its source asked not to keep it.
    """

    sha256: str
    size: int
    used_at: float
    leased: bool = False
    unwanted: bool = False


@dataclasses.dataclass(frozen=True)
class Policy:
    """What the store may use.

    :param max_size: bytes of all objects; None means any.
    :param max_age: seconds since the last use; None means any.
    """

    max_size: int | None = None
    max_age: float | None = None


def plan(candidates: collections.abc.Iterable[Candidate], policy: Policy,
         now: float, needed: int = 0) -> list[Candidate]:
    """Choose what is removed, the least recently used first.

    :param now: seconds since the epoch.
    :param needed: bytes to free on the disk, whatever the policy says.
    """
    remaining = sorted(candidates, key=lambda found: found.used_at)
    total = sum(found.size for found in remaining)
    chosen = []
    for found in remaining:
        too_old = (policy.max_age is not None
                   and now - found.used_at >= policy.max_age)
        too_many = policy.max_size is not None and total > policy.max_size
        if found.leased or not (found.unwanted or too_old or (
                (too_many or needed > 0) and found.size)):
            continue
        chosen.append(found)
        total -= found.size
        needed -= found.size
    return chosen
