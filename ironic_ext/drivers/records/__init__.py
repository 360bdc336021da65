# SPDX-License-Identifier: Apache-2.0

"""What the suite keeps on a node: every key of ``driver_internal_info``."""
