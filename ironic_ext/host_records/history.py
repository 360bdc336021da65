# SPDX-License-Identifier: Apache-2.0

"""What happened to hosts, in SQL: the newest events of each."""

import collections.abc
import dataclasses
import hashlib

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


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that happened to a host.

    :ivar node: UUID.
    :ivar at: seconds since the epoch.
    :ivar kind: what it is about: see node.changes.
    :ivar text: a sentence without secrets.
    :ivar once: what only this event has, so that one that several servers
        see is one event.
    """

    node: str
    at: float
    kind: str
    text: str
    once: str = ''

    @property
    def mark(self) -> str:
        """What tells it from other events of its host."""
        text = '\0'.join((self.kind, self.text,
                          self.once or repr(self.at)))
        return hashlib.sha256(text.encode()).hexdigest()


class History:
    """The events. Thread-safe; everything raises RecordsError."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        """Take the engine of the records."""
        self._reader = sql.reading(engine)
        self._writer = sql.writing(engine)

    def of(self, node: str, limit: int = MOST) -> list[Event]:
        """Return the newest events of a host, the newest first.

        :param node: UUID.
        """
        with errors.translated(), self._reader.begin() as connection:
            return [Event(row.node, row.at, row.kind, row.text)
                    for row in connection.execute(
                        sqlalchemy.select(EVENT).where(EVENT.c.node == node)
                        .order_by(EVENT.c.at.desc(), EVENT.c.id.desc())
                        .limit(limit))]

    def add(self, events: collections.abc.Iterable[Event]) -> None:
        """Note events, but those that are noted already.

        Of each host the oldest go that are too many.
        """
        nodes = set()
        with errors.translated(), self._writer.begin() as connection:
            for event in events:
                nodes.add(event.node)
                values = {'node': event.node, 'at': event.at,
                          'kind': event.kind, 'text': event.text[:_TEXT],
                          'mark': event.mark}
                try:
                    with connection.begin_nested():
                        connection.execute(
                            sqlalchemy.insert(EVENT).values(values))
                except sql_errors.IntegrityError:
                    # Another server saw it, too.
                    continue
            for node in nodes:
                _cut(connection, node)

    def forget(self, node: str) -> None:
        """Forget what happened to a host that is gone."""
        with errors.translated(), self._writer.begin() as connection:
            connection.execute(sqlalchemy.delete(EVENT).where(
                EVENT.c.node == node))


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
