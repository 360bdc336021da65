# SPDX-License-Identifier: Apache-2.0

"""Bootable containers in a conductor: deploy interface, a node's wishes."""
