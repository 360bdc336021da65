# SPDX-License-Identifier: Apache-2.0

"""What a pulled image tells before it is installed."""
