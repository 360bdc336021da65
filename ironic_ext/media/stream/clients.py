# SPDX-License-Identifier: Apache-2.0

"""Who has which connections of a worker: no client takes those of others."""

import typing

from ironic_ext.web import client_address


class Connection(typing.Protocol):
    """What is counted.

    :ivar deadline: monotonic seconds by which something has to happen.
    """

    deadline: float

    @property
    def client(self) -> str:
        """The address of the peer."""

    @property
    def idle(self) -> bool:
        """Whether it waits for a request that has not begun."""

    def close(self) -> None:
        """Close the socket; whoever owns it calls :meth:`Clients.leave`."""


class Clients:
    """The connections of each client: an address, or a /64 of IPv6."""

    def __init__(self, limit: int) -> None:
        """Begin without any.

        :param limit: connections of one client; 0 for any number.
        """
        self._limit = limit
        # Of each client, the oldest first.
        self._connections: dict[bytes, dict[Connection, None]] = {}

    def make_room(self, address: str) -> bool:
        """Tell whether a client may have one connection more.

        Nobody but that client pays: of its own, the idle one whose time is
        over first is closed.
        """
        known = self._connections.get(client_address.client_of(address), ())
        if not self._limit or len(known) < self._limit:
            return True
        idle = [connection for connection in known if connection.idle]
        if not idle:
            return False
        # The clock is coarse: of several, min() takes the oldest.
        min(idle, key=lambda connection: connection.deadline).close()
        return True

    def enter(self, connection: Connection) -> None:
        """Count a connection."""
        self._connections.setdefault(
            client_address.client_of(connection.client), {})[connection] = None

    def leave(self, connection: Connection) -> None:
        """Count one no more; any number of times."""
        client = client_address.client_of(connection.client)
        known = self._connections.get(client, {})
        known.pop(connection, None)
        if not known:
            self._connections.pop(client, None)
