# SPDX-License-Identifier: Apache-2.0

"""Whom a node's words may lead where, as this conductor is configured."""
