# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The media server's database: tables, engine, migrations.

SQLite for one host, PostgreSQL or MariaDB where several hosts share media.
Plain SQLAlchemy, since the media server runs without Ironic.
"""

import contextlib
import fcntl
import os
import pathlib
import typing

import alembic.command
import alembic.config
import sqlalchemy
from sqlalchemy import event

#: Seconds that a writer waits for another one, in SQLite.
_BUSY = 30
#: Bytes of an overlay in one row.
CHUNK = 1 << 20

METADATA = sqlalchemy.MetaData()
_Time = sqlalchemy.Double

#: One image made for one node.
MEDIUM = sqlalchemy.Table(
    'ext_medium', METADATA,
    sqlalchemy.Column('id', sqlalchemy.String(32), primary_key=True),
    sqlalchemy.Column('node', sqlalchemy.String(36), nullable=False,
                      index=True),
    sqlalchemy.Column('purpose', sqlalchemy.String(32), nullable=False),
    sqlalchemy.Column('name', sqlalchemy.String(255), nullable=False),
    # Href of the base, without what may be secret in it.
    sqlalchemy.Column('image', sqlalchemy.Text, nullable=False),
    sqlalchemy.Column('digest', sqlalchemy.String(80), nullable=False),
    sqlalchemy.Column('size', sqlalchemy.BigInteger, nullable=False),
    # Bytes of the overlay; 0 where the image is its base.
    sqlalchemy.Column('overlay_size', sqlalchemy.BigInteger,
                      nullable=False),
    sqlalchemy.Column('base_digest', sqlalchemy.String(80), nullable=False,
                      index=True),
    sqlalchemy.Column('base_size', sqlalchemy.BigInteger, nullable=False),
    # For a server that has not got the base; null if it has credentials.
    sqlalchemy.Column('base_href', sqlalchemy.Text),
    # Strong entity tag of the base at its source, '' if it has none.
    sqlalchemy.Column('base_etag', sqlalchemy.String(255), nullable=False),
    # JSON list of client networks.
    sqlalchemy.Column('networks', sqlalchemy.Text, nullable=False),
    # Seconds since the epoch, as all times here.
    sqlalchemy.Column('created_at', _Time, nullable=False),
    sqlalchemy.Column('expires_at', _Time),
    sqlalchemy.Column('revoked_at', _Time))

#: A medium has one token at a time; see tokens.py.
TOKEN = sqlalchemy.Table(
    'ext_medium_token', METADATA,
    sqlalchemy.Column('digest', sqlalchemy.String(64), primary_key=True),
    sqlalchemy.Column('medium_id', sqlalchemy.String(32), nullable=False,
                      index=True))

#: The overlay, for the replicas. It has the node's secrets.
OVERLAY = sqlalchemy.Table(
    'ext_medium_overlay', METADATA,
    sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                      primary_key=True),
    sqlalchemy.Column('number', sqlalchemy.Integer, primary_key=True,
                      autoincrement=False),
    sqlalchemy.Column('data', sqlalchemy.LargeBinary(CHUNK),
                      nullable=False))

#: What was read of a medium; made with it, so that it is only updated.
READS = sqlalchemy.Table(
    'ext_medium_reads', METADATA,
    sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                      primary_key=True),
    sqlalchemy.Column('first_at', _Time),
    sqlalchemy.Column('last_at', _Time),
    sqlalchemy.Column('sent', sqlalchemy.BigInteger, nullable=False),
    sqlalchemy.Column('requests', sqlalchemy.BigInteger, nullable=False),
    # JSON list of [first, one past the last].
    sqlalchemy.Column('ranges', sqlalchemy.Text, nullable=False),
    sqlalchemy.Column('client', sqlalchemy.String(64), nullable=False),
    # What the rate of the last seconds is computed from.
    sqlalchemy.Column('window_at', _Time),
    sqlalchemy.Column('window_sent', sqlalchemy.BigInteger,
                      nullable=False))


def connect(connection: str) -> sqlalchemy.Engine:
    """Return an engine for an SQLAlchemy URL, with its tables in place.

    SQLite's tables are made and changed as needed; for other databases
    that is :func:`upgrade`, called by an operator.

    :raises: sqlalchemy.exc.SQLAlchemyError, OSError, ValueError
    """
    url = sqlalchemy.make_url(connection)
    if url.get_backend_name() != 'sqlite':
        return sqlalchemy.create_engine(url, pool_pre_ping=True,
                                        hide_parameters=True)
    path = url.database
    if not path or path == ':memory:':
        raise ValueError('[ext_media]connection: SQLite needs the path of '
                         'a file, which several processes can open')
    engine = _sqlite(url)
    with _locked(path):
        upgrade(engine)
    return engine


def upgrade(engine: sqlalchemy.Engine) -> None:
    """Bring the tables to what this version needs."""
    config = alembic.config.Config()
    config.set_main_option(
        'script_location',
        str(pathlib.Path(__file__).parent / 'migrations'
            ).replace('%', '%%'))
    with engine.begin() as connection:
        config.attributes['connection'] = connection
        alembic.command.upgrade(config, 'head')


@contextlib.contextmanager
def _locked(path: str) -> typing.Iterator[None]:
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
