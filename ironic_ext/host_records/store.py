# SPDX-License-Identifier: Apache-2.0

"""Hosts' records in SQL, shared by conductors and boot servers."""

import dataclasses
import time
import typing

import sqlalchemy

from ironic_ext.host_records import database
from ironic_ext.host_records.database import HOST
from ironic_ext.host_records.database import STATE
from ironic_ext.host_records import errors
from ironic_ext.host_records import history
from ironic_ext import sql


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known of a host.

    :ivar node: UUID.
    :ivar generation: tokens of others are over; seconds since the epoch,
        0 when nothing was ended yet.
    :ivar ended: the generation that the last end was one of.
    :ivar address: that an operator has declared, '' for none.
    :ivar script: of iPXE, for the host's own machine alone, '' for none.
    """

    node: str
    generation: int = 0
    ended: int = 0
    address: str = ''
    script: str = dataclasses.field(default='', repr=False)


class HostRecords:
    """The records in a database.

    Thread-safe. Everything raises RecordsError when the database fails.
    """

    def __init__(self, connection: str) -> None:
        """Open a database.

        :param connection: an SQLAlchemy URL; may hold a password.
        """
        self._tables = sql.Tables(connection, database.SCHEMA,
                                  STATE.c.serial, errors.failure)

    def close(self) -> None:
        """Close the connections."""
        self._tables.close()

    def history(self) -> history.History:
        """Return what happened to hosts, in the same database."""
        return history.History(self._tables.engine)

    def upgrade(self) -> None:
        """Make or change the tables to what this version needs."""
        self._tables.upgrade()

    def was_upgraded(self) -> bool:
        """Tell whether the installation is older than its records."""
        with self._tables.reading() as connection:
            return bool(connection.execute(
                sqlalchemy.select(STATE.c.upgraded)).scalar_one())

    def of(self, node: str) -> Record:
        """Return what is known of a host; of most hosts that is nothing.

        :param node: UUID.
        """
        with self._tables.reading() as connection:
            return _find(connection, node)

    def changes(self, since: int) -> tuple[list[Record], int]:
        """Return what was written after a serial number, and the last one.

        :param since: 0 for everything.
        """
        if self._tables.count() == since:
            return [], since
        with self._tables.reading() as connection:
            serial = connection.execute(sqlalchemy.select(
                STATE.c.serial)).scalar_one()
            found = connection.execute(sqlalchemy.select(HOST).where(
                HOST.c.serial > since, HOST.c.serial <= serial))
            return [_record(row) for row in found], int(serial)

    def end(self, node: str, *, generation: int, above: int = 0) -> Record:
        """End a generation of tokens, unless that was done.

        :param generation: the one to end.
        :param above: of the conductor's generations, the present one: the
            new generation is a later time than both.
        :returns: what holds now.
        """
        with self._tables.writing() as (connection, serial):
            known = _find(connection, node)
            if known.generation != generation:
                return known
            now = dataclasses.replace(
                known, ended=generation, generation=max(
                    int(time.time()), generation + 1, above + 1))
            _put(connection, now, serial)
            return now

    def declare(self, node: str, address: str) -> Record:
        """Note the address of a host, '' for none.

        :param address: as hosts.address() writes it.
        :returns: what holds now.
        """
        return self._note(node, address=address)

    def keep_script(self, node: str, script: str) -> None:
        """Note the script of a host, '' for none."""
        if script or self.of(node).script:
            self._note(node, script=script)

    def _note(self, node: str, **values: typing.Any) -> Record:
        with self._tables.writing() as (connection, serial):
            known = _find(connection, node)
            now = dataclasses.replace(known, **values)
            if now != known:
                _put(connection, now, serial)
            return now


def _find(connection: sqlalchemy.Connection, node: str) -> Record:
    row = connection.execute(sqlalchemy.select(HOST).where(
        HOST.c.node == node)).first()
    return Record(node) if row is None else _record(row)


def _record(row: typing.Any) -> Record:
    return Record(row.node, row.generation, row.ended, row.address,
                  row.script or '')


def _put(connection: sqlalchemy.Connection, record: Record, serial: int
         ) -> None:
    values = {**dataclasses.asdict(record), 'serial': serial}
    if not connection.execute(sqlalchemy.update(HOST).where(
            HOST.c.node == record.node).values(values)).rowcount:
        connection.execute(sqlalchemy.insert(HOST).values(values))
    connection.execute(sqlalchemy.update(STATE).values(serial=serial))
