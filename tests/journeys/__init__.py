# SPDX-License-Identifier: Apache-2.0

"""From begin to end, without a machine.

What takes longer than somebody waits who changes a line: several programs of
ours and of others, as an operator or an agent has them.
"""
