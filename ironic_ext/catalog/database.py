# SPDX-License-Identifier: Apache-2.0

"""The tables of the catalog."""

import pathlib

import sqlalchemy

from ironic_ext import sql

METADATA = sqlalchemy.MetaData()

SCHEMA = sql.Schema(
    METADATA, pathlib.Path(__file__).parent / 'migrations',
    'ext_catalog_alembic_version', '[ext_catalog]connection')

#: The resources as they are now. A BootConfig's spec may be secret.
RESOURCE = sqlalchemy.Table(
    'ext_catalog_resource', METADATA,
    sqlalchemy.Column('kind', sql.name_type(32), primary_key=True),
    sqlalchemy.Column('name', sql.name_type(253), primary_key=True),
    sqlalchemy.Column('uid', sqlalchemy.String(36), nullable=False),
    # That of the catalog when the resource was written last.
    sqlalchemy.Column('revision', sqlalchemy.BigInteger, nullable=False),
    # Seconds since the epoch.
    sqlalchemy.Column('created_at', sqlalchemy.Double, nullable=False),
    # JSON, as are the next three.
    sqlalchemy.Column('labels', sql.long_text(), nullable=False),
    sqlalchemy.Column('spec', sql.long_text(), nullable=False),
    # The spec without secrets, which is short, for lists.
    sqlalchemy.Column('shown', sql.long_text(), nullable=False),
    sqlalchemy.Column('status', sql.long_text(), nullable=False),
    # As in the spec. Older releases, which know neither, share everything.
    sqlalchemy.Column('project', sql.name_type(255), nullable=False,
                      server_default=''),
    sqlalchemy.Column('shared', sqlalchemy.Boolean, nullable=False,
                      server_default=sqlalchemy.true()))

#: The labels once more, so that lists are filtered by the database.
LABEL = sqlalchemy.Table(
    'ext_catalog_label', METADATA,
    sqlalchemy.Column('kind', sql.name_type(32), primary_key=True),
    sqlalchemy.Column('name', sql.name_type(253), primary_key=True),
    sqlalchemy.Column('label', sql.name_type(317), primary_key=True),
    sqlalchemy.Column('value', sql.name_type(63), nullable=False))

#: One row. Who writes to the catalog locks it first, so that changes are
#: committed in the order of their revisions.
STATE = sqlalchemy.Table(
    'ext_catalog_state', METADATA,
    sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True,
                      autoincrement=False),
    sqlalchemy.Column('revision', sqlalchemy.BigInteger, nullable=False),
    # Changes up to this revision are no longer in the log.
    sqlalchemy.Column('compacted', sqlalchemy.BigInteger, nullable=False))

#: What happened, for watches; resources in it are redacted.
CHANGE = sqlalchemy.Table(
    'ext_catalog_change', METADATA,
    sqlalchemy.Column('revision', sqlalchemy.BigInteger, primary_key=True,
                      autoincrement=False),
    sqlalchemy.Column('type', sqlalchemy.String(8), nullable=False),
    sqlalchemy.Column('kind', sql.name_type(32), nullable=False),
    sqlalchemy.Column('name', sql.name_type(253), nullable=False),
    sqlalchemy.Column('document', sql.long_text(), nullable=False))
