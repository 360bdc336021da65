# SPDX-License-Identifier: Apache-2.0

"""Upstream's own unit tests, with classes of this suite in place of stock's.

``python -m tests.upstream ironic`` runs Ironic's, ``agent`` the agent's.
"""
