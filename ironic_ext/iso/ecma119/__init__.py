# SPDX-License-Identifier: Apache-2.0

"""Directory trees on the disc: ECMA-119, Rock Ridge (IEEE P1282), Joliet."""
