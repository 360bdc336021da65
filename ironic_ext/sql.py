# SPDX-License-Identifier: Apache-2.0

"""Engines and migrations for the suite's own tables, whoever has them.

SQLite for one host, PostgreSQL or MariaDB where several processes on several
hosts share the tables. Plain SQLAlchemy, without Ironic.
"""

import collections.abc
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import threading
import typing

import sqlalchemy
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql
from sqlalchemy import event

#: Seconds that a writer waits for another one, in SQLite.
_BUSY = 30
#: Where drivers of databases come from, by the name they are loaded by.
_DRIVERS = {'psycopg': 'psycopg[binary]', 'psycopg2': 'psycopg2-binary',
            'pymysql': 'PyMySQL', 'MySQLdb': 'mysqlclient'}
# alembic.context is one for the process: two upgrades at once would run
# with each other's connection.
_upgrading = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Schema:
    """A set of tables with migrations of its own.

    :param metadata: the tables as the newest migration leaves them.
    :param migrations: directory of the alembic environment, whose scripts
        have their revisions, counted up, before the first "_" of their names.
    :param version_table: where alembic notes the revision.
    :param option: the oslo.config option that names the database, for
        error messages.
    """

    metadata: sqlalchemy.MetaData
    migrations: pathlib.Path
    version_table: str
    option: str

    @property
    def head(self) -> str:
        """Revision of the newest migration, '' if there is none."""
        return max((path.name.partition('_')[0] for path in (
            self.migrations / 'versions').glob('[0-9]*_*.py')), default='')


def name_type(length: int) -> sqlalchemy.types.TypeEngine[str]:
    """Return a text type that is compared by code points everywhere.

    MariaDB's default collations ignore case, PostgreSQL's order by locale.
    """
    return sqlalchemy.String(length).with_variant(
        mysql.VARCHAR(length, charset='utf8mb4', collation='utf8mb4_bin'),
        'mysql', 'mariadb').with_variant(
            postgresql.VARCHAR(length, collation='C'), 'postgresql')


def long_text() -> sqlalchemy.types.TypeEngine[str]:
    """Return a text type for megabytes; MariaDB's TEXT ends at 64 KiB."""
    return sqlalchemy.Text().with_variant(
        mysql.LONGTEXT(charset='utf8mb4', collation='utf8mb4_bin'), 'mysql',
        'mariadb')


def connect(connection: str, schema: Schema) -> sqlalchemy.Engine:
    """Return an engine for an SQLAlchemy URL, with its tables in place.

    SQLite's tables are made and changed as needed; for other databases
    that is :func:`upgrade`, called by an operator.

    :raises: sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError, OSError,
        ValueError
    """
    url = sqlalchemy.make_url(connection)
    if url.get_backend_name() != 'sqlite':
        try:
            return _server(url)
        except ModuleNotFoundError as exc:
            name = _DRIVERS.get(exc.name or '', exc.name)
            raise ModuleNotFoundError(
                f'{exc}: no extra brings the driver of a database, run pip '
                f'install \'{name}\'', name=exc.name) from exc
    path = url.database
    if not path or path == ':memory:':
        raise ValueError(f'{schema.option}: SQLite needs the path of a '
                         'file, which several processes can open')
    engine = _sqlite(url)
    with _locked(path):
        if revision_of(engine, schema) != schema.head:
            upgrade(engine, schema)
    return engine


def upgrade(engine: sqlalchemy.Engine, schema: Schema,
            revision: str = 'head') -> None:
    """Bring the tables to what this version needs. Thread-safe.

    :param revision: an older migration to stop at.
    """
    # Not with each start of a process: it is much, and seldom needed.
    import alembic.command
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option('script_location',
                           str(schema.migrations).replace('%', '%%'))
    config.attributes['schema'] = schema
    with _upgrading, engine.begin() as connection:
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, revision)


def run_migrations(context: typing.Any) -> None:
    """Be the env.py of a schema: run what :func:`upgrade` asked for.

    :param context: ``alembic.context``.
    """
    schema: Schema = context.config.attributes['schema']
    context.configure(connection=context.config.attributes['connection'],
                      target_metadata=schema.metadata,
                      version_table=schema.version_table)
    with context.begin_transaction():
        context.run_migrations()


def writing(engine: sqlalchemy.Engine) -> sqlalchemy.Engine:
    """Return the engine for transactions that begin with a write."""
    if engine.dialect.name == 'sqlite':
        return engine.execution_options(sqlite_begin='IMMEDIATE')
    return engine.execution_options(transaction='READ COMMITTED')


def reading(engine: sqlalchemy.Engine) -> sqlalchemy.Engine:
    """Return the engine for transactions that see one moment throughout."""
    if engine.dialect.name == 'sqlite':
        return engine
    return engine.execution_options(transaction='REPEATABLE READ')


def revision_of(engine: sqlalchemy.Engine, schema: Schema) -> str:
    """Return the revision of tables, '' for none, without alembic.

    :raises: sqlalchemy.exc.SQLAlchemyError
    """
    version = sqlalchemy.table(schema.version_table,
                               sqlalchemy.column('version_num'))
    with engine.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table(version.name):
            return ''
        return ', '.join(sorted(connection.execute(
            sqlalchemy.select(version.c.version_num)).scalars()))


class Tables:
    """Tables whose changes are counted: who writes locks the count first.

    Thread-safe.
    """

    def __init__(self, connection: str, schema: Schema,
                 count: sqlalchemy.Column[int],
                 failure: collections.abc.Callable[[Exception], Exception]
                 ) -> None:
        """Open a database.

        :param connection: an SQLAlchemy URL; may hold a password.
        :param count: of a table with one row.
        :param failure: makes what is raised when the database fails.
        """
        self._schema = schema
        self._count = count
        self._failure = failure
        self._errors: tuple[type[Exception], ...] = (
            sqlalchemy.exc.SQLAlchemyError,)
        try:
            with self._translated():
                #: For transactions of other kinds.
                self.engine = connect(connection, schema)
        except (ImportError, OSError, ValueError) as exc:
            raise failure(exc) from exc
        # The driver is asked without SQLAlchemy, too.
        self._errors += self.engine.dialect.loaded_dbapi.Error,
        self._reader = reading(self.engine)
        self._writer = writing(self.engine)
        # Several times a second: the same text, and not made anew.
        self._look = str(sqlalchemy.select(count).compile(self.engine))

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def upgrade(self) -> None:
        """Make or change the tables to what this version needs."""
        with self._translated():
            upgrade(self.engine, self._schema)

    def count(self) -> int:
        """Return the count, which tells whether anything changed; cheap.

        The driver is asked: what SQLAlchemy does for a transaction and for
        results takes five times as long.
        """
        with self._translated():
            connection = self.engine.raw_connection()
            try:
                with contextlib.closing(connection.cursor()) as cursor:
                    cursor.execute(self._look)
                    row = cursor.fetchone()
                if row is None:
                    raise sqlalchemy.exc.NoResultFound('it has no count')
                return int(row[0])
            except Exception as exc:
                # The pool is not to try it again.
                connection.invalidate(exc)
                raise
            finally:
                connection.close()

    @contextlib.contextmanager
    def reading(self) -> collections.abc.Iterator[sqlalchemy.Connection]:
        """Begin a transaction that sees one moment throughout."""
        with self._translated(), self._reader.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> collections.abc.Iterator[
            tuple[sqlalchemy.Connection, int]]:
        """Wait for one's turn to write; give the count to write as."""
        with self._translated(), self._writer.begin() as connection:
            last = connection.execute(sqlalchemy.select(
                self._count).with_for_update()).scalar_one()
            yield connection, int(last) + 1

    @contextlib.contextmanager
    def _translated(self) -> collections.abc.Iterator[None]:
        try:
            yield
        except self._errors as exc:
            raise self._failure(exc) from exc


@contextlib.contextmanager
def _locked(path: str) -> collections.abc.Iterator[None]:
    """Make the file for this user alone, and keep other upgraders out."""
    directory = os.path.dirname(path)
    if directory and not os.path.isdir(directory):
        os.makedirs(directory, mode=0o750, exist_ok=True)
    # SQLite gives the journal's files the mode of this one.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(fd)
    fd = os.open(path + '.lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _server(url: sqlalchemy.URL) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(url, pool_pre_ping=True,
                                      hide_parameters=True)

    @event.listens_for(engine, 'begin')
    def on_begin(connection: sqlalchemy.Connection) -> None:
        # Of this transaction alone. SQLAlchemy's isolation_level is the
        # connection's: it is taken back when the pool gets that, and a
        # database that ends then costs the pool one of its places for ever.
        level = connection.get_execution_options().get('transaction')
        if level:
            connection.exec_driver_sql(
                f'SET TRANSACTION ISOLATION LEVEL {level}')

    return engine


def _sqlite(url: sqlalchemy.URL) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(
        url, hide_parameters=True, connect_args={'timeout': _BUSY})

    @event.listens_for(engine, 'connect')
    def on_connect(connection: typing.Any, record: object) -> None:
        # The driver must not begin transactions of its own: see below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f'busy_timeout = {_BUSY * 1000}',
                       'journal_mode = WAL', 'synchronous = NORMAL',
                       # What is deleted has held secrets.
                       'secure_delete = ON'):
            cursor.execute(f'PRAGMA {pragma}')
        cursor.close()

    @event.listens_for(engine, 'begin')
    def on_begin(connection: sqlalchemy.Connection) -> None:
        # A transaction that begins as a reader cannot wait to write.
        kind = connection.get_execution_options().get('sqlite_begin', '')
        connection.exec_driver_sql(f'BEGIN {kind}')

    return engine
