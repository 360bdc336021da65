# SPDX-License-Identifier: Apache-2.0

"""Hosts, and whether there was an installation before these tables."""

from alembic import op
import sqlalchemy

revision = '0001'
down_revision = None

_CATALOG = 'ext_catalog_state'


def upgrade() -> None:
    """Make the tables, as they were in the first release."""
    op.create_table(
        'ext_host',
        sqlalchemy.Column('node', sqlalchemy.String(36), primary_key=True),
        sqlalchemy.Column('serial', sqlalchemy.BigInteger, nullable=False,
                          index=True),
        sqlalchemy.Column('generation', sqlalchemy.BigInteger,
                          nullable=False),
        sqlalchemy.Column('ended', sqlalchemy.BigInteger, nullable=False),
        sqlalchemy.Column('address', sqlalchemy.String(45), nullable=False))
    state = op.create_table(
        'ext_host_state',
        sqlalchemy.Column('id', sqlalchemy.Integer, primary_key=True,
                          autoincrement=False),
        sqlalchemy.Column('serial', sqlalchemy.BigInteger, nullable=False),
        sqlalchemy.Column('upgraded', sqlalchemy.Boolean, nullable=False))
    op.bulk_insert(state, [{'id': 1, 'serial': 0,
                            'upgraded': _was_in_use()}])


def _was_in_use() -> bool:
    """Tell whether the catalog was written to before."""
    connection = op.get_bind()
    if not sqlalchemy.inspect(connection).has_table(_CATALOG):
        return False
    return bool(connection.execute(sqlalchemy.text(
        f'SELECT revision FROM {_CATALOG}')).scalar())
