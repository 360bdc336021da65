# SPDX-License-Identifier: Apache-2.0

"""Boot loaders: where their configurations lie, what they boot and how."""
