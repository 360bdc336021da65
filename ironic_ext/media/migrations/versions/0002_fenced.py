# SPDX-License-Identifier: Apache-2.0

"""Whether the base of a medium was named by an owner of nodes."""

from alembic import op
import sqlalchemy

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    """Add a column; conductors of before go on without it."""
    op.add_column('ext_medium', sqlalchemy.Column(
        'base_fenced', sqlalchemy.Boolean, nullable=False,
        server_default=sqlalchemy.false()))
