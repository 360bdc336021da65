# SPDX-License-Identifier: Apache-2.0

"""What happened to hosts, in SQL: the newest events of each."""

import collections.abc
import contextlib
import dataclasses
import hashlib
import typing

import sqlalchemy
from sqlalchemy import exc as sql_errors

from ironic_ext.host_records.database import EVENT
from ironic_ext.host_records import errors
from ironic_ext import sql

#: Events that are kept of a host, and how many of them are of machines that
#: fetch something: neighbours may fetch as often as they like.
MOST = 200
_MOST_FETCHED = 50
_FETCHED = ('script', 'config')
_TEXT = 500
#: Events that one statement is about.
_TOGETHER = 400
_Row = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a host.

    :ivar node: UUID.
    :ivar at: seconds since the epoch.
    :ivar kind: what it is about: see node.changes.
    :ivar text: a sentence without secrets.
    :ivar whose: who had the host then: the next one is not told.
    :ivar once: what only this event has, so that one that several servers
        see is one event.
    """

    node: str
    at: float
    kind: str
    text: str
    whose: str = ''
    once: str = ''

    @property
    def mark(self) -> str:
        """What tells it from other events of its host."""
        text = '\0'.join((self.kind, self.text, self.whose,
                          self.once or repr(self.at)))
        return hashlib.sha256(text.encode()).hexdigest()


class History:
    """The events. Thread-safe; everything raises RecordsError."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        """Take the engine of the records."""
        self._reader = sql.reading(engine)
        self._writer = sql.writing(engine)

    def of(self, node: str, whose: str = '', limit: int = MOST
           ) -> list[Event]:
        """Return the newest events of a host, the newest first.

        :param node: UUID.
        :param whose: who has the host: events of others are not told.
        """
        with errors.translated(), self._reader.begin() as connection:
            return [Event(row.node, row.at, row.kind, row.text, row.whose)
                    for row in connection.execute(
                        sqlalchemy.select(EVENT).where(
                            EVENT.c.node == node, EVENT.c.whose == whose)
                        .order_by(EVENT.c.at.desc(), EVENT.c.id.desc())
                        .limit(limit))]

    def add(self, events: collections.abc.Iterable[Event]) -> None:
        """Note events, but those that are noted already.

        Of each host the oldest go that are too many.
        """
        rows = [{'node': event.node, 'at': event.at, 'kind': event.kind,
                 'text': event.text[:_TEXT], 'whose': event.whose,
                 'mark': event.mark}
                for event in events]
        with errors.translated(), self._writer.begin() as connection:
            # When all machines boot, a statement for each would take the
            # processor from those that answer them.
            for start in range(0, len(rows), _TOGETHER):
                _add(connection, rows[start:start + _TOGETHER])

    def forget(self, node: str) -> None:
        """Forget what happened to a host that is gone."""
        with errors.translated(), self._writer.begin() as connection:
            connection.execute(sqlalchemy.delete(EVENT).where(
                EVENT.c.node == node))


def _add(connection: sqlalchemy.Connection, rows: list[_Row]) -> None:
    nodes = {row['node'] for row in rows}
    known = set(map(tuple, connection.execute(
        sqlalchemy.select(EVENT.c.node, EVENT.c.mark).where(
            EVENT.c.node.in_(nodes),
            EVENT.c.mark.in_({row['mark'] for row in rows})))))
    new = [row for row in rows if (row['node'], row['mark']) not in known]
    try:
        with connection.begin_nested():
            if new:
                connection.execute(sqlalchemy.insert(EVENT), new)
    except sql_errors.IntegrityError:
        # Another server sees some of them at this moment.
        for row in new:
            with contextlib.suppress(sql_errors.IntegrityError), (
                    connection.begin_nested()):
                connection.execute(sqlalchemy.insert(EVENT).values(row))
    many = connection.execute(
        sqlalchemy.select(EVENT.c.node).where(EVENT.c.node.in_(nodes))
        .group_by(EVENT.c.node)
        .having(sqlalchemy.func.count() > _MOST_FETCHED)).scalars().all()
    for node in many:
        _cut(connection, node)


def _cut(connection: sqlalchemy.Connection, node: str) -> None:
    fetched = EVENT.c.kind.in_(_FETCHED)
    for these, most in ((fetched, _MOST_FETCHED),
                        (~fetched, MOST - _MOST_FETCHED)):
        oldest = connection.execute(
            sqlalchemy.select(EVENT.c.id).where(EVENT.c.node == node, these)
            .order_by(EVENT.c.id.desc()).offset(most).limit(1)).scalar()
        if oldest is not None:
            connection.execute(sqlalchemy.delete(EVENT).where(
                EVENT.c.node == node, these, EVENT.c.id <= oldest))
