# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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
