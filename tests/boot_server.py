# SPDX-License-Identifier: Apache-2.0

"""``ironic-boot-server`` in a directory of its own, for tests."""

import pathlib
import tempfile
import typing

import fixtures

from lab.boot_server import Answer
from lab.boot_server import Process
from lab.boot_server import Watch

__all__ = ('Answer', 'BootServer', 'Process', 'Watch')


class BootServer(fixtures.Fixture):
    """A process in a directory of its own; see Process."""

    def __init__(self, ironic: str, **settings: typing.Any) -> None:
        super().__init__()
        self._ironic = ironic
        self._settings = settings

    def _setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix='boot-server-')
        self.addCleanup(folder.cleanup)
        self.directory = pathlib.Path(folder.name)
        self.process = Process(self.directory, self._ironic,
                               **self._settings)
        self.addCleanup(self.process.stop)
        self.process.start()
