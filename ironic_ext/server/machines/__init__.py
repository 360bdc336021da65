# SPDX-License-Identifier: Apache-2.0

"""Machines that boot: which host each is, and what it gets."""
