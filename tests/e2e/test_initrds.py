# SPDX-License-Identifier: Apache-2.0

"""A kernel unpacks what is added behind the initrd that is hardest to add to.

The others, and other kernels, are those of ``make e2e-loaders``.
"""

import pathlib

import fixtures
import testtools

from lab import boot_iso
from tests.layouts import initrds

_CACHE = pathlib.Path(__file__).parents[2] / '.cache'


class InitrdTest(testtools.TestCase):

    def test_a_file_behind_blocks_of_lz4(self) -> None:
        kernel, = (boot_iso.unpacked_kernel(_CACHE) / 'boot').glob(
            'vmlinuz-*')
        initrds.unpacks(kernel, 'lz4', pathlib.Path(
            self.useFixture(fixtures.TempDir()).path))
