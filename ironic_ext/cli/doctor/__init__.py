# SPDX-License-Identifier: Apache-2.0

"""``ironic-ext-doctor``: where the boot of a node stands, and what to do."""
