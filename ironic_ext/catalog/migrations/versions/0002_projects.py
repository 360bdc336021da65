# SPDX-License-Identifier: Apache-2.0

"""Whose resources are, and whether they are shared.

What is there already goes on being everybody's.
"""

from alembic import op
import sqlalchemy

from ironic_ext import sql

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    """Add the columns."""
    op.add_column('ext_catalog_resource', sqlalchemy.Column(
        'project', sql.name_type(255), nullable=False, server_default=''))
    op.add_column('ext_catalog_resource', sqlalchemy.Column(
        'shared', sqlalchemy.Boolean, nullable=False,
        server_default=sqlalchemy.true()))
