# SPDX-License-Identifier: Apache-2.0

"""One script for every change of the tables."""
