# SPDX-License-Identifier: Apache-2.0

"""The BMC of the lab's machines: sushy-tools' Redfish emulator."""

from collections.abc import Mapping, Sequence
import os
import pathlib
import sys

from lab import hypervisor
from lab import process

# The feature set "full" answers 501 where a machine has no secure boot; sushy
# asks ten times, three seconds apart, before Ironic goes on without it.
_CONFIG = """\
SUSHY_EMULATOR_FEATURE_SET = 'vmedia'
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_LISTEN_PORT = {port}
SUSHY_EMULATOR_LIBVIRT_URI = {uri!r}
SUSHY_EMULATOR_STATE_DIR = {state!r}
SUSHY_EMULATOR_STORAGE_POOL = {pool!r}
"""


class SushyEmulator(process.Service):
    """sushy-emulator in front of the lab's libvirtd."""

    def __init__(self, directory: pathlib.Path, libvirt_uri: str, *,
                 outlives: bool = False) -> None:
        super().__init__('sushy-emulator', directory, outlives=outlives)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._config = directory / 'emulator.conf'
        self._downloads = directory / 'downloads'
        self._downloads.mkdir()
        self._config.write_text(_CONFIG.format(
            port=self.port, uri=libvirt_uri, state=str(directory),
            pool=hypervisor.POOL))

    def command(self) -> Sequence[str]:
        return [str(pathlib.Path(sys.executable).parent / 'sushy-emulator'),
                '--config', str(self._config)]

    def environment(self) -> Mapping[str, str]:
        # It downloads media to the temporary directory.
        return {**os.environ, 'TMPDIR': str(self._downloads),
                'PYTHONUNBUFFERED': '1'}

    def is_ready(self) -> bool:
        return process.http_answers(f'{self.url}/redfish/v1/')
