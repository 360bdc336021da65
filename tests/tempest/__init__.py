# SPDX-License-Identifier: Apache-2.0

"""Tempest with the suite's plugin, against the lab."""
