# SPDX-License-Identifier: Apache-2.0

"""Runs the migrations of the catalog's tables."""

from alembic import context

from ironic_ext import sql

sql.run_migrations(context)
