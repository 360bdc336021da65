# SPDX-License-Identifier: Apache-2.0

"""The catalog in SQL: resources, revisions, and what changed since.

Several processes on several hosts may share the database. Assignments of
resources to machines are not here, they live in Ironic's nodes.
"""

import collections.abc
import dataclasses
import json
import time
import typing
import uuid

import sqlalchemy

from ironic_ext.catalog import database
from ironic_ext.catalog.database import CHANGE
from ironic_ext.catalog.database import LABEL
from ironic_ext.catalog.database import RESOURCE
from ironic_ext.catalog.database import STATE
from ironic_ext.catalog import errors
from ironic_ext.catalog import resources
from ironic_ext.catalog import rows
from ironic_ext.catalog import rules
from ironic_ext.catalog import selector
from ironic_ext import sql

ADDED, MODIFIED, DELETED = 'ADDED', 'MODIFIED', 'DELETED'
#: Changes between two compactions of the log.
_COMPACT_EVERY = 64
_PAGE = 500

R = typing.TypeVar('R', resources.ISCSICdrom, resources.BootConfig)


@dataclasses.dataclass(frozen=True)
class Page(typing.Generic[R]):
    """A part of a list, ordered by name.

    :ivar items: redacted.
    :ivar revision: of the catalog when the list began: a watch from
        there misses nothing.
    :ivar following: token for the next page, '' on the last one.
    """

    items: tuple[R, ...]
    revision: int
    following: str


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of a resource, from the log.

    :ivar type: ADDED, MODIFIED or DELETED.
    :ivar document: of the resource as that change left it (or as it was
        deleted), redacted; its resource version is the change's.
    """

    revision: int
    type: str
    kind: str
    name: str
    document: dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Changes:
    """A part of the log.

    :ivar revision: to ask from next; a bookmark.
    :ivar complete: whether there was nothing more at that moment.
    """

    changes: tuple[Change, ...]
    revision: int
    complete: bool


class Catalog:
    """The resources in a database.

    Thread-safe. Everything raises DatabaseError when the database fails.
    """

    def __init__(self, connection: str, *, history: int = 10000) -> None:
        """Open a database; SQLite's tables are made.

        :param connection: an SQLAlchemy URL; may hold a password.
        :param history: changes that the log keeps at least.
        """
        self._tables = sql.Tables(connection, database.SCHEMA,
                                  STATE.c.revision, _failure)
        self._history = history

    def close(self) -> None:
        """Close all connections to the database."""
        self._tables.close()

    def upgrade(self) -> None:
        """Make or change the tables to what this version needs."""
        self._tables.upgrade()

    # Resources

    def create(self, resource: R, *, own_file: bool = False) -> R:
        """Add a resource; its metadata but name and labels is made here.

        An ISO begins as Pending, whatever its status says.

        :param own_file: whether no other ISO may be the same file.
        :raises: AlreadyExistsError, ConflictError
        """
        kind, name = resource.kind, resource.metadata.name
        with self._tables.writing() as (connection, revision):
            if self._row(connection, kind, name) is not None:
                raise errors.AlreadyExistsError(
                    f'{kind} "{name}" already exists')
            if own_file and isinstance(resource, resources.ISCSICdrom):
                rules.require_own_file(resource, self._isos(connection))
            values = {'kind': kind, 'name': name, 'uid': str(uuid.uuid4()),
                      'created_at': time.time(), 'revision': revision,
                      'labels': rows.text(dict(resource.metadata.labels)),
                      **rows.specs(resource),
                      'status': _first_status(kind)}
            connection.execute(sqlalchemy.insert(RESOURCE).values(values))
            self._put_labels(connection, resource)
            made = rows.resource(self._row(connection, kind, name))
            self._log(connection, revision, ADDED, made)
        return typing.cast(R, made)

    def get(self, kind: type[R], name: str) -> R:
        """Return a resource, with its data.

        :raises: NotFoundError
        """
        found = self.find(kind, name)
        if found is None:
            raise _not_found(kind.kind, name)
        return found

    def find(self, kind: type[R], name: str) -> R | None:
        """Return a resource, or None."""
        with self._tables.reading() as connection:
            row = self._row(connection, kind.kind, name)
        return None if row is None else typing.cast(R, rows.resource(row))

    def page(self, kind: type[R], *, labels: str = '', limit: int = _PAGE,
             after: str = '', project: str = '') -> Page[R]:
        """Return resources of a kind, by name, a page at a time.

        Later pages show what they find then; what changed meanwhile is
        told by a watch from the page's revision.

        :param labels: a label selector.
        :param limit: resources on a page.
        :param after: ``following`` of the page before.
        :param project: for which they are to be there, '' for all.
        :raises: InvalidError
        """
        terms = selector.parse(labels)
        revision, last = rows.parse_following(after) if after else (None, '')
        query = (sqlalchemy.select(*rows.SHORT)
                 .where(RESOURCE.c.kind == kind.kind, RESOURCE.c.name > last,
                        *map(rows.condition, terms),
                        *rows.visible(project))
                 .order_by(RESOURCE.c.name).limit(limit + 1))
        with self._tables.reading() as connection:
            if revision is None:
                revision = self._state(connection).revision
            found = connection.execute(query).all()
        items = tuple(typing.cast(R, rows.resource(row))
                      for row in found[:limit])
        following = (rows.following(revision, items[-1].metadata.name)
                     if len(found) > limit else '')
        return Page(items, revision, following)

    def replace(self, resource: R) -> R:
        """Replace labels and spec; an ISO's status stays.

        An ISO that is to come from elsewhere is Pending again. What is the
        same already is not written again.

        :param resource: with a resource version, only if that is current.
        :raises: NotFoundError, ConflictError
        """
        labels = rows.text(dict(resource.metadata.labels))
        return typing.cast(R, self._update(
            resource.kind, resource.metadata, labels=labels,
            **rows.specs(resource)))

    def set_status(self, cdrom: resources.ISCSICdrom,
                   status: resources.ISCSICdromStatus
                   ) -> resources.ISCSICdrom:
        """Replace an ISO's status and nothing else.

        :param cdrom: with a resource version, only if that is current.
        :raises: NotFoundError, ConflictError
        """
        return typing.cast(resources.ISCSICdrom, self._update(
            cdrom.kind, cdrom.metadata,
            status=rows.text(resources.status_document(status))))

    def delete(self, kind: type[R], name: str, *, expected: str = '',
               referrers: collections.abc.Collection[str] = ()) -> R:
        """Delete a resource that nothing refers to.

        ISOs that list a config are found here.

        :param expected: resource version that it must have.
        :param referrers: others that refer to it, known to the caller.
        :returns: what was deleted.
        :raises: NotFoundError, ConflictError, InUseError
        """
        with self._tables.writing() as (connection, revision):
            row = self._row(connection, kind.kind, name)
            _require_version(kind.kind, name, row, expected)
            users = {*referrers}
            gone = typing.cast(R, rows.resource(row))
            if isinstance(gone, resources.BootConfig):
                users.update(rules.isos_listing(
                    gone, self._isos(connection)))
            rules.require_unused(kind.kind, name, users)
            for table in (LABEL, RESOURCE):
                connection.execute(sqlalchemy.delete(table).where(
                    table.c.kind == kind.kind, table.c.name == name))
            self._log(connection, revision, DELETED, gone)
        return gone

    # Changes

    def revision(self) -> int:
        """Return the number of the last change; cheap."""
        return self._tables.count()

    def changes(self, since: int, *, limit: int = _PAGE) -> Changes:
        """Return what changed after a revision, oldest first.

        :raises: TooOldError when the log does not reach back there, or the
            revision is none of this catalog.
        """
        with self._tables.reading() as connection:
            state = self._state(connection)
            if not state.compacted <= since <= state.revision:
                raise errors.TooOldError(
                    f'the changes since resource version {since} are not '
                    f'known (only those since {state.compacted}, up to '
                    f'{state.revision}): list the resources again')
            found = connection.execute(
                sqlalchemy.select(CHANGE).where(CHANGE.c.revision > since)
                .order_by(CHANGE.c.revision).limit(limit)).all()
        complete = len(found) < limit
        return Changes(
            tuple(Change(row.revision, row.type, row.kind, row.name,
                         json.loads(row.document)) for row in found),
            state.revision if complete else found[-1].revision, complete)

    def compact(self, keep: int) -> None:
        """Forget all but the last ``keep`` changes."""
        with self._tables.writing() as (connection, revision):
            self._compact(connection, revision - 1, keep)

    # Inside of transactions

    def _state(self, connection: sqlalchemy.Connection) -> typing.Any:
        return connection.execute(sqlalchemy.select(STATE)).one()

    def _row(self, connection: sqlalchemy.Connection, kind: str, name: str
             ) -> typing.Any:
        return connection.execute(sqlalchemy.select(RESOURCE).where(
            RESOURCE.c.kind == kind, RESOURCE.c.name == name)).first()

    def _isos(self, connection: sqlalchemy.Connection
              ) -> list[resources.ISCSICdrom]:
        found = connection.execute(sqlalchemy.select(*rows.SHORT).where(
            RESOURCE.c.kind == resources.ISCSICdrom.kind)).all()
        return [typing.cast(resources.ISCSICdrom, rows.resource(row))
                for row in found]

    def _update(self, kind: str, metadata: resources.Metadata,
                **values: str | bool) -> resources.Resource:
        name = metadata.name
        with self._tables.writing() as (connection, revision):
            row = self._row(connection, kind, name)
            _require_version(kind, name, row, metadata.resource_version)
            if all(getattr(row, key) == value
                   for key, value in values.items()):
                return rows.resource(row)
            spec = str(values.get('spec', row.spec))
            if rows.source(row.spec) != rows.source(spec):
                values['status'] = rows.PENDING
            moves = any(values.get(key, getattr(row, key))
                        != getattr(row, key) for key in ('project', 'shared'))
            if moves:
                # For those who had it, and for those who have it now.
                self._log(connection, revision, DELETED, rows.resource(row))
                revision += 1
            connection.execute(
                sqlalchemy.update(RESOURCE)
                .where(RESOURCE.c.kind == kind, RESOURCE.c.name == name)
                .values(revision=revision, **values))
            changed = rows.resource(self._row(connection, kind, name))
            if 'labels' in values:
                self._put_labels(connection, changed)
            self._log(connection, revision, ADDED if moves else MODIFIED,
                      changed)
        return changed

    def _put_labels(self, connection: sqlalchemy.Connection,
                    resource: resources.Resource) -> None:
        kind, name = resource.kind, resource.metadata.name
        connection.execute(sqlalchemy.delete(LABEL).where(
            LABEL.c.kind == kind, LABEL.c.name == name))
        labels = [{'kind': kind, 'name': name, 'label': key, 'value': value}
                  for key, value in resource.metadata.labels.items()]
        if labels:
            connection.execute(sqlalchemy.insert(LABEL), labels)

    def _log(self, connection: sqlalchemy.Connection, revision: int,
             kind_of_change: str, resource: resources.Resource) -> None:
        shown = resources.redacted(resource)
        shown = dataclasses.replace(shown, metadata=dataclasses.replace(
            shown.metadata, resource_version=str(revision)))
        connection.execute(sqlalchemy.update(STATE).values(
            revision=revision))
        connection.execute(sqlalchemy.insert(CHANGE).values(
            revision=revision, type=kind_of_change, kind=resource.kind,
            name=resource.metadata.name,
            document=rows.text(resources.document(shown))))
        if revision % _COMPACT_EVERY == 0:
            self._compact(connection, revision, self._history)

    def _compact(self, connection: sqlalchemy.Connection, revision: int,
                 keep: int) -> None:
        last = revision - keep
        if last <= 0:
            return
        connection.execute(sqlalchemy.delete(CHANGE).where(
            CHANGE.c.revision <= last))
        connection.execute(
            sqlalchemy.update(STATE).where(STATE.c.compacted < last)
            .values(compacted=last))


def _require_version(kind: str, name: str, row: typing.Any, expected: str
                     ) -> None:
    if row is None:
        raise _not_found(kind, name)
    if expected and expected != str(row.revision):
        raise errors.ConflictError(
            f'{kind} "{name}" was changed by somebody else: it has resource '
            f'version {row.revision}, not {expected[:20]}; read it again')


def _first_status(kind: str) -> str:
    return rows.PENDING if kind == resources.ISCSICdrom.kind else '{}'


def _not_found(kind: str, name: str) -> errors.NotFoundError:
    return errors.NotFoundError(f'{kind} "{name[:253]}" does not exist')


def _failure(exc: Exception) -> errors.DatabaseError:
    text = str(exc).partition('\n')[0][:300]
    return errors.DatabaseError(
        f'the database of the catalog fails ([ext_catalog]connection): '
        f'{text}')
