# SPDX-License-Identifier: Apache-2.0

"""Records of streamed media: who may read which image until when.

Every conductor and every replica of the media server works on the same
tables, so that what one of them revokes is revoked everywhere.
"""

import collections.abc
import contextlib
import dataclasses
import itertools
import json
import os
import time
import typing

import sqlalchemy
from sqlalchemy import exc as sql_errors

from ironic_ext.media import database
from ironic_ext.media.database import MEDIUM
from ironic_ext.media.database import OVERLAY
from ironic_ext.media.database import READS
from ironic_ext.media.database import TOKEN
from ironic_ext.media import medium as media
from ironic_ext.media import reads as media_reads
from ironic_ext.media.stream import contract
from ironic_ext.media import tokens
from ironic_ext import sql

#: Ids in one statement.
_BATCH = 500
#: Media that are told of at once: each comes with up to a thousand ranges.
_MOST_READ = 2000


class RecordsError(Exception):
    """The database does not do what is needed; one sentence."""


def is_made(connection: str) -> bool:
    """Tell whether there can be a database: SQLite's file may not be there.

    For who only reads, and leaves it to others to make it.

    :param connection: an SQLAlchemy URL.
    """
    with contextlib.suppress(sql_errors.ArgumentError):
        url = sqlalchemy.make_url(connection)
        if url.get_backend_name() == 'sqlite':
            return bool(url.database) and os.path.exists(str(url.database))
    return True


class MediaRecords:
    """The tables of a database.

    Thread-safe. Everything raises RecordsError.
    """

    def __init__(self, connection: str) -> None:
        """Open a database; SQLite's tables are made.

        :param connection: an SQLAlchemy URL; may hold a password.
        """
        with _translated():
            self._engine = sql.connect(connection, database.SCHEMA)
        self._writing = sql.writing(self._engine)

    def close(self) -> None:
        """Close all connections to the database."""
        self._engine.dispose()

    def upgrade(self) -> None:
        """Make or change the tables to what this version needs."""
        with _translated():
            sql.upgrade(self._engine, database.SCHEMA)

    def create(self, stream: media.Stream,
               overlay: collections.abc.Iterable[bytes] | None) -> str:
        """Add a stream and return its token.

        :param overlay: content of its overlay file, in pieces.
        """
        token = tokens.new_token()
        with _translated(), self._writing.begin() as connection:
            connection.execute(sqlalchemy.insert(MEDIUM), _row(stream))
            connection.execute(sqlalchemy.insert(READS), {
                'medium_id': stream.id, 'sent': 0, 'requests': 0,
                'ranges': '[]', 'client': '', 'window_sent': 0})
            self._put_token(connection, stream.id, token)
            for number, data in enumerate(_chunks(overlay or ())):
                connection.execute(sqlalchemy.insert(OVERLAY), {
                    'medium_id': stream.id, 'number': number,
                    'data': data})
        return token

    def reissue(self, medium_id: str, expires_at: float | None
                ) -> str | None:
        """Give a medium a new token in place of the one it has.

        :param expires_at: its new end.
        :returns: None when there is no such medium any more.
        """
        token = tokens.new_token()
        with _translated(), self._writing.begin() as connection:
            changed = connection.execute(
                sqlalchemy.update(MEDIUM)
                .where(MEDIUM.c.id == medium_id,
                       MEDIUM.c.revoked_at.is_(None))
                .values(expires_at=expires_at))
            if not changed.rowcount and not connection.execute(
                    sqlalchemy.select(MEDIUM.c.id).where(
                        MEDIUM.c.id == medium_id,
                        MEDIUM.c.revoked_at.is_(None))).first():
                return None
            connection.execute(sqlalchemy.delete(TOKEN).where(
                TOKEN.c.medium_id == medium_id))
            self._put_token(connection, medium_id, token)
        return token

    def _put_token(self, connection: sqlalchemy.Connection, medium_id: str,
                   token: str) -> None:
        connection.execute(sqlalchemy.insert(TOKEN), {
            'digest': tokens.digest(token), 'medium_id': medium_id})

    def extend(self, medium_ids: collections.abc.Iterable[str],
               expires_at: float) -> None:
        """Let media live until then; what ends later anyhow stays so."""
        for batch in _batches(medium_ids):
            with _translated(), self._writing.begin() as connection:
                connection.execute(
                    sqlalchemy.update(MEDIUM)
                    .where(MEDIUM.c.id.in_(batch),
                           MEDIUM.c.revoked_at.is_(None),
                           MEDIUM.c.expires_at < expires_at)
                    .values(expires_at=expires_at))

    def revoke(self, medium_id: str) -> bool:
        """End a medium at once; its overlay is deleted.

        :returns: whether there was something to end.
        """
        with _translated(), self._writing.begin() as connection:
            changed = connection.execute(
                sqlalchemy.update(MEDIUM)
                .where(MEDIUM.c.id == medium_id,
                       MEDIUM.c.revoked_at.is_(None))
                .values(revoked_at=time.time()))
            connection.execute(sqlalchemy.delete(OVERLAY).where(
                OVERLAY.c.medium_id == medium_id))
            return bool(changed.rowcount)

    def find(self, token: str) -> media.Stream | None:
        """Return what a token opens or opened, None for an unknown one."""
        with self._reading() as connection:
            row = connection.execute(
                sqlalchemy.select(MEDIUM)
                .join(TOKEN, TOKEN.c.medium_id == MEDIUM.c.id)
                .where(TOKEN.c.digest == tokens.digest(token))).first()
        return None if row is None else _stream(row)

    def owner(self, token_digests: collections.abc.Iterable[str]
              ) -> frozenset[str]:
        """Return the ids of the media that these tokens belong to."""
        found: set[str] = set()
        for batch in _batches(token_digests):
            with self._reading() as connection:
                found.update(connection.execute(
                    sqlalchemy.select(TOKEN.c.medium_id)
                    .where(TOKEN.c.digest.in_(batch))).scalars())
        return frozenset(found)

    def get(self, medium_id: str) -> media.Stream | None:
        """Return a medium by its id."""
        with self._reading() as connection:
            row = connection.execute(sqlalchemy.select(MEDIUM).where(
                MEDIUM.c.id == medium_id)).first()
        return None if row is None else _stream(row)

    def live(self, medium_ids: collections.abc.Iterable[str]
             ) -> frozenset[str]:
        """Return those of the media that may be served now."""
        now = time.time()
        found: set[str] = set()
        for batch in _batches(medium_ids):
            with self._reading() as connection:
                found.update(connection.execute(
                    sqlalchemy.select(MEDIUM.c.id).where(
                        MEDIUM.c.id.in_(batch),
                        MEDIUM.c.revoked_at.is_(None),
                        sqlalchemy.or_(MEDIUM.c.expires_at.is_(None),
                                       MEDIUM.c.expires_at > now))
                ).scalars())
        return frozenset(found)

    def kept(self, medium_ids: collections.abc.Iterable[str]
             ) -> frozenset[str]:
        """Return those of the media that were not revoked.

        One that expired may come back, see :meth:`extend`.
        """
        found: set[str] = set()
        for batch in _batches(medium_ids):
            with self._reading() as connection:
                found.update(connection.execute(
                    sqlalchemy.select(MEDIUM.c.id).where(
                        MEDIUM.c.id.in_(batch),
                        MEDIUM.c.revoked_at.is_(None))).scalars())
        return frozenset(found)

    def overlay(self, medium_id: str) -> collections.abc.Iterator[bytes]:
        """Return the content of a medium's overlay file, in pieces.

        It ends early when the medium is revoked meanwhile.
        """
        for number in itertools.count():
            with self._reading() as connection:
                data = connection.execute(
                    sqlalchemy.select(OVERLAY.c.data)
                    .where(OVERLAY.c.medium_id == medium_id,
                           OVERLAY.c.number == number)).scalar()
            if data is None:
                return
            yield data

    def record_reads(self, reports: collections.abc.Sequence[
            contract.ReadReport]) -> None:
        """Add reports to what is known; all of them or none."""
        # In one order everywhere, so that replicas cannot block each other.
        ordered = sorted(reports, key=lambda report: report.medium_id)
        with _translated(), self._writing.begin() as connection:
            for report in ordered:
                row = connection.execute(
                    sqlalchemy.select(READS)
                    .where(READS.c.medium_id == report.medium_id)
                    .with_for_update()).first()
                if row is None:
                    continue
                values = dataclasses.asdict(_reads(row).plus(report))
                values['ranges'] = json.dumps(values['ranges'],
                                              separators=(',', ':'))
                connection.execute(
                    sqlalchemy.update(READS)
                    .where(READS.c.medium_id == report.medium_id)
                    .values(values))

    def of_node(self, node: str
                ) -> list[tuple[media.Stream, media_reads.Reads]]:
        """Return the media of a node that were not revoked, and reads."""
        with self._reading() as connection:
            rows = connection.execute(
                sqlalchemy.select(MEDIUM, READS)
                .join(READS, READS.c.medium_id == MEDIUM.c.id)
                .where(MEDIUM.c.node == node, MEDIUM.c.revoked_at.is_(None))
                .order_by(MEDIUM.c.created_at)).all()
        return [(_stream(row), _reads(row)) for row in rows]

    def read_since(self, since: float
                   ) -> list[tuple[media.Stream, media_reads.Reads]]:
        """Return the media that were read, or revoked after a read, since.

        Too many at once, and those are left out that were read first.

        :param since: seconds since the epoch, by the clocks of media
            servers and conductors.
        """
        with self._reading() as connection:
            rows = connection.execute(
                sqlalchemy.select(MEDIUM, READS)
                .join(READS, READS.c.medium_id == MEDIUM.c.id)
                .where(READS.c.first_at.is_not(None),
                       sqlalchemy.or_(READS.c.last_at >= since,
                                      MEDIUM.c.revoked_at >= since))
                .order_by(READS.c.last_at.desc()).limit(_MOST_READ)).all()
        return [(_stream(row), _reads(row)) for row in rows]

    def sources(self, base_digest: str) -> list[media.Source]:
        """Return where a base can be had.

        The newest first, as they were when the medium was made.
        """
        with self._reading() as connection:
            rows = connection.execute(
                sqlalchemy.select(MEDIUM.c.base_href, MEDIUM.c.base_etag,
                                  MEDIUM.c.base_fenced)
                .where(MEDIUM.c.base_digest == base_digest,
                       MEDIUM.c.base_href.is_not(None),
                       MEDIUM.c.revoked_at.is_(None))
                .order_by(MEDIUM.c.created_at.desc()).limit(100)).all()
        return list(dict.fromkeys(
            media.Source(row.base_href, row.base_etag, row.base_fenced)
            for row in rows))

    def purge(self, before: float) -> list[str]:
        """Forget what was revoked, or expired, before that time.

        :returns: the ids of what is gone.
        """
        over = sqlalchemy.or_(MEDIUM.c.revoked_at < before,
                              MEDIUM.c.expires_at < before)
        with self._reading() as connection:
            ids = list(connection.execute(
                sqlalchemy.select(MEDIUM.c.id).where(over)).scalars())
        for batch in _batches(ids):
            with _translated(), self._writing.begin() as connection:
                for table in (TOKEN, OVERLAY, READS):
                    connection.execute(sqlalchemy.delete(table).where(
                        table.c.medium_id.in_(batch)))
                connection.execute(sqlalchemy.delete(MEDIUM).where(
                    MEDIUM.c.id.in_(batch)))
        return ids

    @contextlib.contextmanager
    def _reading(self) -> collections.abc.Iterator[sqlalchemy.Connection]:
        with _translated(), self._engine.begin() as connection:
            yield connection


def _batches(values: collections.abc.Iterable[str]
             ) -> collections.abc.Iterator[list[str]]:
    rows = list(values)
    for start in range(0, len(rows), _BATCH):
        yield rows[start:start + _BATCH]


def _row(stream: media.Stream) -> dict[str, typing.Any]:
    base = stream.base
    return {
        'id': stream.id, 'node': stream.node,
        'purpose': stream.medium.purpose.value, 'name': stream.name,
        'image': base.image, 'digest': stream.digest, 'size': stream.size,
        'overlay_size': stream.overlay_size, 'base_digest': base.digest,
        'base_size': base.size, 'base_href': base.href,
        'base_etag': base.etag, 'base_fenced': base.fenced,
        'networks': json.dumps(stream.networks),
        'created_at': stream.created_at, 'expires_at': stream.expires_at,
        'revoked_at': stream.revoked_at}


def _stream(row: typing.Any) -> media.Stream:
    return media.Stream(
        media.Medium(row.id, media.Purpose(row.purpose), media.Kind.STREAM,
                     image=row.image, size=row.size),
        node=row.node, name=row.name, size=row.size, digest=row.digest,
        base=media.Origin(row.base_digest, row.base_size, row.image,
                          row.base_href, row.base_etag, row.base_fenced),
        created_at=row.created_at, overlay_size=row.overlay_size,
        networks=tuple(json.loads(row.networks)),
        expires_at=row.expires_at, revoked_at=row.revoked_at)


def _reads(row: typing.Any) -> media_reads.Reads:
    values = {field.name: getattr(row, field.name)
              for field in dataclasses.fields(media_reads.Reads)}
    values['ranges'] = tuple((first, end)
                             for first, end in json.loads(row.ranges))
    return media_reads.Reads(**values)


@contextlib.contextmanager
def _translated() -> collections.abc.Iterator[None]:
    """Turn errors into a RecordsError without statement and password."""
    try:
        yield
    except sql_errors.DBAPIError as exc:
        reason = ' '.join(str(exc.orig).split())
        raise RecordsError(
            f'the media server\'s database fails: {reason}: look at '
            '[ext_media]connection, and whether its tables are up to date '
            '(ironic-media-server --upgrade)') from exc
    except (sql_errors.SQLAlchemyError, ModuleNotFoundError, OSError,
            ValueError) as exc:
        raise RecordsError(
            'the media server\'s database cannot be opened: '
            f'{" ".join(str(exc).split())}: look at '
            '[ext_media]connection') from exc


def _chunks(pieces: collections.abc.Iterable[bytes]
            ) -> collections.abc.Iterator[bytes]:
    """Cut content as the table has it."""
    rest = b''
    for piece in pieces:
        rest += piece
        whole = len(rest) // database.CHUNK * database.CHUNK
        for start in range(0, whole, database.CHUNK):
            yield rest[start:start + database.CHUNK]
        rest = rest[whole:]
    if rest:
        yield rest
