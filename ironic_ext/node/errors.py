# SPDX-License-Identifier: Apache-2.0

"""What is wrong with what a node says."""


class PlanError(Exception):
    """A node cannot boot what it says; one sentence that says why."""
