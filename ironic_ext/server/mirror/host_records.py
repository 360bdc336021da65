# SPDX-License-Identifier: Apache-2.0

"""Hosts' records close at hand: machines are judged by them.

Several servers and conductors share their database, so it is followed. What
this process writes is known at once, what others write after
[ext_server]catalog_interval.
"""

import collections.abc
import logging
import threading

from ironic_ext import host_records
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server.mirror import follower

LOG = logging.getLogger(__name__)

#: Is called with the UUIDs of hosts whose records changed, in any thread.
Listener = collections.abc.Callable[[collections.abc.Collection[str]], None]


class RecordMirror(follower.Follower):
    """All records in memory. Thread-safe."""

    def __init__(self, records: host_records.HostRecords, interval: float
                 ) -> None:
        """Begin with what there is.

        :param interval: seconds between two looks.
        :raises: RecordsError
        """
        super().__init__('record-mirror')
        self._records = records
        self._interval = interval
        self._known: dict[str, host_records.Record] = {}
        self._serial = 0
        self._following = threading.Lock()
        self._listener: Listener = lambda nodes: None
        self.follow()

    def start(self, listener: Listener | None = None) -> None:
        """Begin to follow; tell of changes from now on."""
        self._listener = listener or self._listener
        super().start()

    def stop(self) -> None:
        """Follow no more, and close the database; what is known stays."""
        super().stop()
        self._records.close()

    def of(self, node: str) -> host_records.Record:
        """Return what is known of a host, without a wait.

        :param node: UUID.
        """
        return self._known.get(node) or host_records.Record(node)

    def script(self, node: str) -> str:
        """Return the script that conductors have left, '' for none.

        :param node: UUID.
        """
        record = self._known.get(node)
        return record.script if record else ''

    def generation(self, host: hosts.Host) -> tokens.Generation:
        """Return the generation of a host's new tokens."""
        return tokens.Generation(host.token_generation,
                                 self.of(host.uuid).generation)

    def have_addresses(self) -> bool:
        """Tell whether an operator has declared any address."""
        return any(record.address for record in self._known.values())

    def end(self, node: str, *, generation: int, above: int = 0
            ) -> host_records.Record:
        """End a generation of tokens: see HostRecords.end().

        :raises: RecordsError
        """
        self._records.end(node, generation=generation, above=above)
        self.follow()
        return self.of(node)

    def declare(self, node: str, address: str) -> None:
        """Note the address of a host: see HostRecords.declare().

        :raises: RecordsError
        """
        self._records.declare(node, address)
        self.follow()

    def follow(self) -> None:
        """Take in what was written since the last look.

        :raises: RecordsError
        """
        with self._following:
            found, self._serial = self._records.changes(self._serial)
            self._known.update((record.node, record) for record in found)
        if found:
            self._listener([record.node for record in found])

    def run(self) -> None:
        """Follow the records until it is time to go."""
        failing = False
        while not self.ending.wait(self._interval):
            try:
                self.follow()
                failing = False
            except host_records.RecordsError as exc:
                if not failing:
                    LOG.error('Hosts\' records are not up to date: %s',
                              str(exc))
                failing = True
