# SPDX-License-Identifier: Apache-2.0

"""What happened to hosts."""

from alembic import op
import sqlalchemy

from ironic_ext import sql

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        'ext_host_event',
        sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True),
        sqlalchemy.Column('node', sqlalchemy.String(36), nullable=False),
        sqlalchemy.Column('at', sqlalchemy.Double, nullable=False),
        sqlalchemy.Column('kind', sqlalchemy.String(16), nullable=False),
        sqlalchemy.Column('text', sql.name_type(500), nullable=False),
        sqlalchemy.Column('whose', sql.name_type(511), nullable=False),
        sqlalchemy.Column('mark', sqlalchemy.String(64), nullable=False),
        sqlalchemy.UniqueConstraint('node', 'mark',
                                    name='ext_host_event_node_mark'))
