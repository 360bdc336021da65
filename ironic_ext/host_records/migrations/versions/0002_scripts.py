# SPDX-License-Identifier: Apache-2.0

"""The scripts of iPXE that are for a host's own machine."""

from alembic import op
import sqlalchemy

from ironic_ext import sql

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    """Add a column for them."""
    op.add_column('ext_host', sqlalchemy.Column(
        'script', sql.long_text(), nullable=True))
