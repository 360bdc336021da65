# SPDX-License-Identifier: Apache-2.0

"""The tables of hosts' records, in the database of the catalog."""

import pathlib

import sqlalchemy

from ironic_ext import sql

METADATA = sqlalchemy.MetaData()

SCHEMA = sql.Schema(
    METADATA, pathlib.Path(__file__).parent / 'migrations',
    'ext_host_alembic_version', '[ext_catalog]connection')

#: A row for each host of which there is something to say. Rows stay when
#: nodes go: another node may have the UUID.
HOST = sqlalchemy.Table(
    'ext_host', METADATA,
    sqlalchemy.Column('node', sqlalchemy.String(36), primary_key=True),
    # That of the table when the row was written last.
    sqlalchemy.Column('serial', sqlalchemy.BigInteger, nullable=False,
                      index=True),
    # Seconds since the epoch, as are those of tokens.
    sqlalchemy.Column('generation', sqlalchemy.BigInteger, nullable=False),
    # The generation before this one.
    sqlalchemy.Column('ended', sqlalchemy.BigInteger, nullable=False),
    # As hosts.address() writes it, '' for none.
    sqlalchemy.Column('address', sqlalchemy.String(45), nullable=False),
    # Secret: it may have passwords.
    sqlalchemy.Column('script', sql.long_text(), nullable=True))

#: What happened to hosts, the newest of each. Several servers see the same:
#: its mark is the same then.
EVENT = sqlalchemy.Table(
    'ext_host_event', METADATA,
    sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column('node', sqlalchemy.String(36), nullable=False),
    # Seconds since the epoch.
    sqlalchemy.Column('at', sqlalchemy.Double, nullable=False),
    sqlalchemy.Column('kind', sqlalchemy.String(16), nullable=False),
    sqlalchemy.Column('text', sql.name_type(500), nullable=False),
    # Owner and lessee of the host then: the next ones are not told.
    sqlalchemy.Column('whose', sql.name_type(511), nullable=False),
    sqlalchemy.Column('mark', sqlalchemy.String(64), nullable=False),
    sqlalchemy.UniqueConstraint('node', 'mark',
                                name='ext_host_event_node_mark'))

#: One row, which who writes locks first.
STATE = sqlalchemy.Table(
    'ext_host_state', METADATA,
    sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True,
                      autoincrement=False),
    sqlalchemy.Column('serial', sqlalchemy.BigInteger, nullable=False),
    # Whether the installation is older than these tables.
    sqlalchemy.Column('upgraded', sqlalchemy.Boolean, nullable=False))
