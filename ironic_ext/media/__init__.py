# SPDX-License-Identifier: Apache-2.0

"""Customised images made reachable for a BMC."""
