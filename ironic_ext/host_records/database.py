# SPDX-License-Identifier: Apache-2.0

"""The tables of hosts' records, in the database of the catalog."""

import functools
import pathlib

import sqlalchemy

from ironic_ext import sql

METADATA = sqlalchemy.MetaData()

SCHEMA = sql.Schema(
    METADATA, pathlib.Path(__file__).parent / 'migrations',
    'ext_host_alembic_version', '[ext_catalog]connection')

_column = functools.partial(sqlalchemy.Column, nullable=False)

#: A row for each host of which there is something to say. Rows stay when
#: nodes go: another node may have the UUID.
HOST = sqlalchemy.Table(
    'ext_host', METADATA,
    sqlalchemy.Column('node', sqlalchemy.String(36), primary_key=True),
    # That of the table when the row was written last.
    _column('serial', sqlalchemy.BigInteger, index=True),
    # Seconds since the epoch, as are those of tokens.
    _column('generation', sqlalchemy.BigInteger),
    # The generation before this one.
    _column('ended', sqlalchemy.BigInteger),
    # As hosts.address() writes it, '' for none.
    _column('address', sqlalchemy.String(45)),
    # Secret: it may have passwords.
    sqlalchemy.Column('script', sql.long_text(), nullable=True))

#: What happened to hosts, the newest of each. Several servers see the same:
#: its mark is the same then.
EVENT = sqlalchemy.Table(
    'ext_host_event', METADATA,
    sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True),
    _column('node', sqlalchemy.String(36)),
    # Seconds since the epoch.
    _column('at', sqlalchemy.Double),
    _column('kind', sqlalchemy.String(16)),
    _column('text', sql.name_type(500)),
    # Owner and lessee of the host then: the next ones are not told.
    _column('whose', sql.name_type(511)),
    _column('mark', sqlalchemy.String(64)),
    sqlalchemy.UniqueConstraint('node', 'mark',
                                name='ext_host_event_node_mark'))

#: One row, which who writes locks first.
STATE = sqlalchemy.Table(
    'ext_host_state', METADATA,
    sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True,
                      autoincrement=False),
    _column('serial', sqlalchemy.BigInteger),
    # Whether the installation is older than these tables.
    _column('upgraded', sqlalchemy.Boolean))
