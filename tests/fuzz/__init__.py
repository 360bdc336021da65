# SPDX-License-Identifier: Apache-2.0

"""A fuzzer of what the ISO engine reads: ``python -m tests.fuzz --help``."""
