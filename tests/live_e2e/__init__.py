# SPDX-License-Identifier: Apache-2.0

"""Whole live systems on real firmware: minutes for each machine."""
