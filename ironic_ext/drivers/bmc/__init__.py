# SPDX-License-Identifier: Apache-2.0

"""What BMCs hold in their drives: slots, media, and quirks of vendors."""
