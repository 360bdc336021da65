# SPDX-License-Identifier: Apache-2.0

"""Where a node's content lies in tests."""


class MemoryShelf:
    """Holds content in memory.

    :param read: as of boot_files.Shelf.
    """

    def __init__(self, read):
        self.read = read

    def keep(self, pieces):
        return b''.join(pieces)
