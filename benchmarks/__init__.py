# SPDX-License-Identifier: Apache-2.0

"""Measurements printed as tables; nothing here is asserted."""
