# SPDX-License-Identifier: Apache-2.0

"""A node that boots."""
