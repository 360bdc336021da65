# SPDX-License-Identifier: Apache-2.0

"""Unit tests: values in, values out.

Hundreds of them share a process, so what each waits for adds up.
"""

import functools
import gc
import sqlite3
import tempfile

import fixtures
import sqlalchemy

from ironic_ext import sql

# Half a million objects of imported modules stay to the end: do not look
# through them for garbage time and again.
gc.set_threshold(10_000, 20, 20)


class WithoutSync(fixtures.MonkeyPatch):
    """Do not wait for disks: what a test writes is gone a moment later."""

    def __init__(self) -> None:
        super().__init__('os.fsync', lambda fd: None)


class KeptTables(fixtures.MonkeyPatch):
    """Migrate new SQLite databases once in a process; copy the outcome."""

    def __init__(self) -> None:
        super().__init__('ironic_ext.sql.upgrade', _upgrade)


_migrate = sql.upgrade


def _upgrade(engine: sqlalchemy.Engine, schema: sql.Schema,
             revision: str = 'head') -> None:
    if revision != 'head' or sqlalchemy.inspect(engine).has_table(
            schema.version_table):
        _migrate(engine, schema, revision)
        return
    connection = engine.raw_connection()
    try:
        assert isinstance(connection.driver_connection, sqlite3.Connection)
        connection.driver_connection.executescript(_statements(schema))
    finally:
        connection.close()


@functools.cache
def _statements(schema: sql.Schema) -> str:
    """Return what makes the tables that the migrations make."""
    with tempfile.NamedTemporaryFile(suffix='.sqlite') as file:
        engine = sqlalchemy.create_engine(f'sqlite:///{file.name}',
                                          poolclass=sqlalchemy.NullPool)
        _migrate(engine, schema)
        connection = sqlite3.connect(file.name)
        try:
            return '\n'.join(connection.iterdump())
        finally:
            connection.close()
