# SPDX-License-Identifier: Apache-2.0

"""Resources, their labels, the revision and the log of changes."""

from alembic import op
import sqlalchemy

from ironic_ext import sql

revision = '0001'
down_revision = None


def upgrade() -> None:
    """Make the tables, as they were in the first release."""
    op.create_table(
        'ext_catalog_resource',
        sqlalchemy.Column('kind', sql.name_type(32), primary_key=True),
        sqlalchemy.Column('name', sql.name_type(253), primary_key=True),
        sqlalchemy.Column('uid', sqlalchemy.String(36), nullable=False),
        sqlalchemy.Column('revision', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('created_at', sqlalchemy.Double, nullable=False),
        sqlalchemy.Column('labels', sql.long_text(), nullable=False),
        sqlalchemy.Column('spec', sql.long_text(), nullable=False),
        sqlalchemy.Column('shown', sql.long_text(), nullable=False),
        sqlalchemy.Column('status', sql.long_text(), nullable=False))
    op.create_table(
        'ext_catalog_label',
        sqlalchemy.Column('kind', sql.name_type(32), primary_key=True),
        sqlalchemy.Column('name', sql.name_type(253), primary_key=True),
        sqlalchemy.Column('label', sql.name_type(317), primary_key=True),
        sqlalchemy.Column('value', sql.name_type(63), nullable=False))
    state = op.create_table(
        'ext_catalog_state',
        sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True,
                          autoincrement=False),
        sqlalchemy.Column('revision', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('compacted', sqlalchemy.BigInteger,
                          nullable=False))
    op.bulk_insert(state, [{'id': 1, 'revision': 0, 'compacted': 0}])
    op.create_table(
        'ext_catalog_change',
        sqlalchemy.Column('revision', sqlalchemy.BigInteger,
                          primary_key=True, autoincrement=False),
        sqlalchemy.Column('type', sqlalchemy.String(8), nullable=False),
        sqlalchemy.Column('kind', sql.name_type(32), nullable=False),
        sqlalchemy.Column('name', sql.name_type(253), nullable=False),
        sqlalchemy.Column('document', sql.long_text(), nullable=False))
