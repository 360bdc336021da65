# SPDX-License-Identifier: Apache-2.0

"""Bootable containers: what conductor and deploy agent share."""
