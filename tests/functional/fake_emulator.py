# SPDX-License-Identifier: Apache-2.0

"""sushy-emulator with machines that are made up: Redfish without libvirt."""

import atexit
from collections.abc import Mapping, Sequence
import functools
import json
import os
import pathlib
import sys
import tempfile
import urllib.request
import uuid

from lab import process

_SLOTS = {'Cd': ['CD', 'DVD'], 'Cd2': ['CD', 'DVD'],
          'Usb': ['Floppy', 'USBStick']}
_SYSTEMS = 80


class FakeEmulator(process.Service):
    """A BMC for each of a number of machines that boot nothing.

    :param power: of the machines at first, as Redfish writes it.
    """

    def __init__(self, directory: pathlib.Path, systems: int = _SYSTEMS,
                 power: str = 'On') -> None:
        super().__init__('sushy-emulator', directory)
        port = process.free_port()
        self.url = f'http://127.0.0.1:{port}'
        self._free = [str(uuid.uuid4()) for _number in range(systems)]
        #: Machines that somebody uses.
        self.used: list[str] = []
        self._config = directory / 'emulator.conf'
        self._config.write_text('\n'.join(
            f'SUSHY_EMULATOR_{name} = {value!r}' for name, value in {
                'FAKE_DRIVER': True,
                'FAKE_SYSTEMS': [
                    {'uuid': system, 'name': system, 'power_state': power,
                     'external_notifier': False, 'nics': []}
                    for system in self._free],
                'LISTEN_IP': '127.0.0.1', 'LISTEN_PORT': port,
                'STATE_DIR': str(directory),
                'VMEDIA_DEVICES': {
                    name: {'Name': name, 'MediaTypes': types}
                    for name, types in _SLOTS.items()}}.items()) + '\n')

    def command(self) -> Sequence[str]:
        return [str(pathlib.Path(sys.executable).parent / 'sushy-emulator'),
                '--config', str(self._config)]

    def environment(self) -> Mapping[str, str]:
        # It downloads media to the temporary directory.
        return {**os.environ, 'TMPDIR': str(self.directory),
                'PYTHONUNBUFFERED': '1'}

    def is_ready(self) -> bool:
        return process.http_answers(f'{self.url}/redfish/v1/')

    def new_system(self) -> str:
        """Return the UUID of a machine that nobody used yet."""
        self.used.append(self._free.pop())
        return self.used[-1]

    def inserted(self, system: str) -> dict[str, str]:
        """Return slot -> URL of what is in a machine's drives."""
        found = {}
        for name in _SLOTS:
            url = f'{self.url}/redfish/v1/Systems/{system}/VirtualMedia/'
            with urllib.request.urlopen(url + name, timeout=60) as answer:
                slot = json.load(answer)
            if slot['Inserted']:
                found[name] = slot['Image']
        return found


@functools.cache
def shared() -> FakeEmulator:
    """Return one that all tests of this process share, and that runs."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    emulator = FakeEmulator(pathlib.Path(folder.name))
    atexit.register(emulator.stop)
    emulator.start()
    return emulator
