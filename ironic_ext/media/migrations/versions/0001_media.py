# SPDX-License-Identifier: Apache-2.0

"""Media, their tokens, overlays and read statistics."""

from alembic import op
import sqlalchemy
from sqlalchemy.dialects import mysql

revision = '0001'
down_revision = None


def upgrade() -> None:
    """Make the tables, as they were in the first release."""
    op.create_table(
        'ext_medium',
        sqlalchemy.Column('id', sqlalchemy.String(32), primary_key=True),
        sqlalchemy.Column('node', sqlalchemy.String(36), nullable=False,
                          index=True),
        sqlalchemy.Column('purpose', sqlalchemy.String(32), nullable=False),
        sqlalchemy.Column('name', sqlalchemy.String(255), nullable=False),
        sqlalchemy.Column('image', sqlalchemy.Text, nullable=False),
        sqlalchemy.Column('digest', sqlalchemy.String(80), nullable=False),
        sqlalchemy.Column('size', sqlalchemy.BigInteger, nullable=False),
        sqlalchemy.Column('overlay_size', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('base_digest', sqlalchemy.String(80),
                          nullable=False, index=True),
        sqlalchemy.Column('base_size', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('base_href', sqlalchemy.Text),
        sqlalchemy.Column('base_etag', sqlalchemy.String(255),
                          nullable=False),
        sqlalchemy.Column('networks', sqlalchemy.Text, nullable=False),
        sqlalchemy.Column('created_at', sqlalchemy.Double, nullable=False),
        sqlalchemy.Column('expires_at', sqlalchemy.Double),
        sqlalchemy.Column('revoked_at', sqlalchemy.Double))
    op.create_table(
        'ext_medium_token',
        sqlalchemy.Column('digest', sqlalchemy.String(64),
                          primary_key=True),
        sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                          nullable=False, index=True))
    op.create_table(
        'ext_medium_overlay',
        sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                          primary_key=True),
        sqlalchemy.Column('number', sqlalchemy.Integer, primary_key=True,
                          autoincrement=False),
        sqlalchemy.Column(
            'data', sqlalchemy.LargeBinary().with_variant(
                mysql.MEDIUMBLOB(), 'mysql', 'mariadb'), nullable=False))
    op.create_table(
        'ext_medium_reads',
        sqlalchemy.Column('medium_id', sqlalchemy.String(32),
                          primary_key=True),
        sqlalchemy.Column('first_at', sqlalchemy.Double),
        sqlalchemy.Column('last_at', sqlalchemy.Double),
        sqlalchemy.Column('sent', sqlalchemy.BigInteger, nullable=False),
        sqlalchemy.Column('requests', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('ranges', sqlalchemy.Text, nullable=False),
        sqlalchemy.Column('client', sqlalchemy.String(64), nullable=False),
        sqlalchemy.Column('window_at', sqlalchemy.Double),
        sqlalchemy.Column('window_sent', sqlalchemy.BigInteger,
                          nullable=False))
