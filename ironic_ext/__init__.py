# SPDX-License-Identifier: Apache-2.0

"""Drivers, image tools and services that boot a node with its own config."""
