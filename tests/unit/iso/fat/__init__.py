# SPDX-License-Identifier: Apache-2.0

"""FAT volumes."""
