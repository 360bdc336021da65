# SPDX-License-Identifier: Apache-2.0

"""A real Ironic before BMCs without machines, and a web server."""

import pathlib

import fixtures

from lab import bare_metal
from tests import file_server
from tests.functional import fake_emulator


class FakeSite(fixtures.Fixture):
    """Runs as long as the fixture lasts.

    :param boot_interfaces: that are enabled, with commas.
    :param config: of ironic.conf, with ``{directory}``.
    :ivar root: what the web server at ``url`` has; [deploy]http_root.
    """

    directory: pathlib.Path
    root: pathlib.Path
    url: str
    emulator: fake_emulator.FakeEmulator
    ironic: bare_metal.Ironic

    def __init__(self, boot_interfaces: str, config: str) -> None:
        super().__init__()
        self._boot_interfaces = boot_interfaces
        self._config = config

    def _setUp(self) -> None:
        self.directory = pathlib.Path(self.useFixture(
            fixtures.TempDir()).path).resolve()
        folders = {name: self.directory / name
                   for name in ('http', 'bmc', 'ironic')}
        for folder in folders.values():
            folder.mkdir()
        self.root = folders['http']
        self.url = self.useFixture(file_server.FileServer(self.root)).url
        self.emulator = fake_emulator.FakeEmulator(folders['bmc'])
        self.ironic = bare_metal.Ironic(
            folders['ironic'], http_root=self.root, http_url=self.url,
            images=self.directory, hardware_types='redfish,redfish-ext',
            boot_interfaces=self._boot_interfaces,
            extra=self._config.format(directory=folders['ironic']))
        self.ironic.create_schema()
        for service in (self.emulator, self.ironic):
            self.addCleanup(service.stop)
            service.start()
