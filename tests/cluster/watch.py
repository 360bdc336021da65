# SPDX-License-Identifier: Apache-2.0

"""Nodes that Ironic leaves as they are for ever, and what operators then do.

A conductor (Ironic 39) writes once that a step has failed, and frees the node
once: both fail with the database, and the node stays locked by a conductor
that lives, of which no driver hears. And one that starts fails what it was at
only for nodes that are its own by then: who has got a node of another one, in
whose absence it was begun, leaves it as it is. Either ends with a start of the
conductor that Ironic names.
"""

import collections
import collections.abc
import threading
import time
import typing

#: In these a conductor does something, and is to say how it ended.
_BUSY = frozenset(('deploying', 'deleting', 'cleaning', 'verifying'))
#: Seconds in which whoever works at a node writes something.
_STILL = 45.0
_INTERVAL = 3.0

Node = collections.abc.Mapping[str, typing.Any]


class Watch:
    """What was seen of nodes, and since when it is so."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[tuple[typing.Any, ...], float]] = {}

    def look(self, nodes: collections.abc.Iterable[Node], now: float
             ) -> dict[str, list[str]]:
        """Return conductors that have to start again -> their nodes.

        :param nodes: as Ironic shows them.
        :param now: seconds of a clock.
        """
        found: dict[str, list[str]] = collections.defaultdict(list)
        for node in nodes:
            mark = tuple(node[name] for name in (
                'provision_state', 'reservation', 'updated_at'))
            seen, since = self._since.get(node['uuid'], (None, now))
            if seen != mark:
                since = now
            self._since[node['uuid']] = mark, since
            conductor = node['reservation'] or (
                node['provision_state'] in _BUSY and node['conductor'])
            if conductor and now - since >= _STILL:
                found[conductor].append(
                    f'{node["name"]} {node["provision_state"]}')
        return dict(found)

    def forget(self) -> None:
        """Begin anew."""
        self._since.clear()


class Operator:
    """A context manager: somebody who watches the nodes in it.

    :param shown: returns all nodes, or raises OSError or ValueError.
    :param restart: is told the name of a conductor.
    :param tell: is told what was done, and why.
    """

    def __init__(self, shown: collections.abc.Callable[
            [], collections.abc.Iterable[Node]],
            restart: collections.abc.Callable[[str], None],
            tell: collections.abc.Callable[[str], None]) -> None:
        self._shown = shown
        self._restart = restart
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'Operator':
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        watch = Watch()
        while not self._over.wait(_INTERVAL):
            try:
                found = watch.look(self._shown(), time.monotonic())
            except (OSError, ValueError):
                continue
            for conductor, nodes in found.items():
                self._tell(f'{", ".join(nodes)} stayed so, and conductor '
                           f'{conductor} starts again')
                self._restart(conductor)
                watch.forget()
