# SPDX-License-Identifier: Apache-2.0

"""What the older of the two series of Ironic that are tested has not."""

from importlib import metadata
import unittest

_OLDER = 35


def require_newer(what: str) -> None:
    """Skip a test of what came after the 2026.1 series (Ironic 35).

    :param what: that the series does not know.
    :raises: SkipTest there alone: if a newer Ironic has lost it, or calls it
        by another name, the test is to fail.
    """
    version = metadata.version('ironic')
    if int(version.partition('.')[0]) <= _OLDER:
        raise unittest.SkipTest(f'Ironic {version} knows no {what}')
