# SPDX-License-Identifier: Apache-2.0

"""Unit tests: values in, values out.

Hundreds of them share a process, so what each waits for adds up.
"""

import gc

import fixtures

# Half a million objects of imported modules stay to the end: do not look
# through them for garbage time and again.
gc.set_threshold(10_000, 20, 20)


class WithoutSync(fixtures.MonkeyPatch):
    """Do not wait for disks: what a test writes is gone a moment later."""

    def __init__(self) -> None:
        super().__init__('os.fsync', lambda fd: None)
