# SPDX-License-Identifier: Apache-2.0

"""A whole site as a test: several hosts on real engines, and what kills them.

``python -m tests.cluster --help`` tells how it is run by hand.
"""
