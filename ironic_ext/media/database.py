# SPDX-License-Identifier: Apache-2.0

"""The tables of the media server; :mod:`ironic_ext.sql` opens them.

SQLite for one host, PostgreSQL or MariaDB where several hosts share media.
"""

import pathlib

import sqlalchemy
from sqlalchemy.dialects import mysql

from ironic_ext import sql

#: Bytes of an overlay in one row.
CHUNK = 1 << 20

METADATA = sqlalchemy.MetaData()
SCHEMA = sql.Schema(METADATA, pathlib.Path(__file__).parent / 'migrations',
                    'ext_media_alembic_version', '[ext_media]connection')

_Time = sqlalchemy.Double
# MariaDB's BLOB ends at 64 KiB.
_Chunk = sqlalchemy.LargeBinary().with_variant(
    mysql.MEDIUMBLOB(), 'mysql', 'mariadb')

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
    # Whether its source is an owner's choice, to be had within the fence.
    sqlalchemy.Column('base_fenced', sqlalchemy.Boolean, nullable=False,
                      server_default=sqlalchemy.false()),
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
    sqlalchemy.Column('data', _Chunk, nullable=False))

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
