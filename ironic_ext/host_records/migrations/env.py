# SPDX-License-Identifier: Apache-2.0

"""Runs the migrations of hosts' records."""

from alembic import context

from ironic_ext import sql

sql.run_migrations(context)
