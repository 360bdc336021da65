# SPDX-License-Identifier: Apache-2.0

"""What arrives on ISOs as systems lay them out, by firmware and medium.

``python -m tests.layouts`` injects into one ISO of each layout, boots what a
machine here can boot, has other programs read the rest, and keeps the
results beside this file; the table of the documentation is written from
them.
"""
