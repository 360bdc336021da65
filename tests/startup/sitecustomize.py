# SPDX-License-Identifier: Apache-2.0

"""What each Python process of a test run does first.

Hundreds start, and import a thousand modules: to look for garbage amid that
is a quarter of what a start takes, and none is there.
"""

import gc

gc.set_threshold(50000, 20, 100)
