# SPDX-License-Identifier: Apache-2.0

"""Alembic's scripts for the tables of database.py."""
