# SPDX-License-Identifier: Apache-2.0

"""Processes that are killed at random moments, and come back.

The plan is made from a seed before: the same seed, the same plan.
"""

import collections
import collections.abc
import dataclasses
import random
import threading
import time
import typing

#: Seconds between two kills, and that the killed stay down, at most.
_PAUSE = (1.0, 12.0)
_DOWN = (0.0, 15.0)
#: How often each kind is chosen.
_WEIGHTS = {'c': 6, 'm': 3, 'b': 2, 'api': 2, 'haproxy': 1, 'nginx': 1,
            'mariadb': 1, 'rabbitmq': 1}


@dataclasses.dataclass(frozen=True)
class Kill:
    """A process that is killed.

    :ivar at: seconds after the begin.
    :ivar down: seconds that it stays down, its start aside.
    """

    at: float
    name: str
    down: float


def kind(name: str) -> str:
    """Return the kind of a process: c of c1."""
    return name[0] if name[1:].isdigit() else name


def plan(names: collections.abc.Sequence[str], seconds: float, seed: int
         ) -> list[Kill]:
    """Return whom to kill when.

    Each kind comes at least once, if there is time for it.

    :param seconds: in which that is to be.
    """
    chance = random.Random(seed)
    kinds = collections.defaultdict(list)
    for name in names:
        kinds[kind(name)].append(name)
    first = list(kinds)
    chance.shuffle(first)
    kills, at = [], chance.uniform(*_PAUSE)
    while at < seconds:
        chosen = first.pop() if first else chance.choices(
            list(kinds), [_WEIGHTS[name] for name in kinds])[0]
        kills.append(Kill(at, chance.choice(kinds[chosen]),
                          chance.uniform(*_DOWN)))
        at += chance.uniform(*_PAUSE)
    return kills


class Killable(typing.Protocol):
    """The part of a site that is needed."""

    def kill(self, name: str) -> None:
        """End a process at once."""

    def start(self, name: str) -> None:
        """Start it again, and wait until it is there."""


class Killer:
    """Carries a plan out. One of a kind is down at a time.

    :param tell: is told each step.
    :ivar done: what was killed, with the seconds until it was back.
    """

    def __init__(self, site: Killable, kills: collections.abc.Iterable[Kill],
                 tell: collections.abc.Callable[[str], None]) -> None:
        self._site = site
        self._kills = list(kills)
        self._tell = tell
        self._busy: dict[str, threading.Thread] = {}
        self.done: list[tuple[str, float]] = []
        self.failed: list[str] = []

    def run(self) -> None:
        """Kill, and return when all are up again."""
        began = time.monotonic()
        for kill in self._kills:
            time.sleep(max(0.0, began + kill.at - time.monotonic()))
            group = kind(kill.name)
            if group in self._busy:
                self._busy[group].join()
            self._busy[group] = threading.Thread(
                target=self._once, args=(kill,), daemon=True)
            self._busy[group].start()
        for thread in self._busy.values():
            thread.join()

    def _once(self, kill: Kill) -> None:
        began = time.monotonic()
        self._tell(f'killing {kill.name} for {kill.down:.0f} s')
        try:
            self._site.kill(kill.name)
            time.sleep(kill.down)
            self._site.start(kill.name)
        except Exception as exc:
            self.failed.append(f'{kill.name} does not come back: {exc}')
            return
        self.done.append((kill.name, time.monotonic() - began))
        self._tell(f'{kill.name} is back after {self.done[-1][1]:.0f} s')
