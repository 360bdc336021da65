# SPDX-License-Identifier: Apache-2.0

"""The boot server measured: alone, beside another commit, and attacked."""
