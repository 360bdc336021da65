# SPDX-License-Identifier: Apache-2.0

"""What ironic-conductor loads: hardware types and their interfaces."""
