# SPDX-License-Identifier: Apache-2.0

"""The boot server's API."""
