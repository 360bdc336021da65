# SPDX-License-Identifier: Apache-2.0

"""Boot interfaces, and what they share."""
