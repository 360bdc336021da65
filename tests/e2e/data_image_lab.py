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

"""A lab whose machines have two CD drives that change while they run."""

from collections.abc import Mapping, Sequence
import atexit
import base64
import contextlib
import http.server
import json
import pathlib
import sys
import threading
import unittest.mock
import urllib.error
import urllib.request

import libvirt

from lab import boot_iso
from lab import emulator
from lab import hypervisor
from lab import live_emulator
from lab import process
from lab import stack
from tests.e2e import base

_CONFIG = """
[DEFAULT]
enabled_management_interfaces = redfish-ext
enabled_vendor_interfaces = redfish-ext
[api]
max_json_body_size = 4096
[ext_data_image]
max_files_size = 1
reconcile_interval = 2
backoff_base = 2
backoff_ceiling = 4
[ext_boot]
media_timeout = 5
insert_retry_interval = 1
insert_attempts = 2
[redfish]
connection_attempts = 2
connection_retry_interval = 1
"""
_DEVICES = {name: {'Name': name, 'MediaTypes': ['CD', 'DVD']}
            for name in live_emulator.DRIVES}


class LiveEmulator(emulator.SushyEmulator):
    """The emulator with lab.live_emulator's drives."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        with open(self._config, 'a') as file:
            file.write(f'SUSHY_EMULATOR_VMEDIA_DEVICES = {_DEVICES!r}\n')

    def command(self) -> Sequence[str]:
        return [sys.executable, '-m', 'lab.live_emulator', '--config',
                str(self._config)]

    def environment(self) -> Mapping[str, str]:
        root = pathlib.Path(live_emulator.__file__).parent.parent
        return {**super().environment(), 'PYTHONPATH': str(root)}

    def forget(self) -> None:
        """Start again with empty drives, as a BMC that was reset."""
        self.stop()
        for path in self.directory.glob('vmedia*'):
            path.unlink()
        self.start()


class LiveLibvirtd(hypervisor.Libvirtd):
    """Machines with two CD drives, empty."""

    def add_machine(self, name: str, firmware: hypervisor.Firmware
                    ) -> hypervisor.Machine:
        machine = super().add_machine(name, firmware)
        with self.connection() as connection:
            domain = connection.lookupByUUIDString(machine.identity)
            for target in live_emulator.DRIVES.values():
                domain.attachDeviceFlags(live_emulator.drive(target),
                                         libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        return machine


class _Lab:
    """Starts the lab when first asked and stops it as the process ends."""

    def __init__(self) -> None:
        self._lab: stack.Lab | None = None

    def get(self, *_media_servers: object) -> stack.Lab:
        if self._lab is None:
            exit_stack = contextlib.ExitStack()
            atexit.register(exit_stack.close)
            with (unittest.mock.patch.object(
                    emulator, 'SushyEmulator', LiveEmulator),
                  unittest.mock.patch.object(
                      hypervisor, 'Libvirtd', LiveLibvirtd)):
                self._lab = exit_stack.enter_context(
                    stack.Lab(extra_config=_CONFIG))
        return self._lab


_LAB = _Lab()


class DataImageTestCase(base.EndToEndTestCase):
    """A node with data images."""

    def setUp(self) -> None:
        with unittest.mock.patch.object(base, '_SHARED_LAB', _LAB):
            super().setUp()
        for name in ('management_interface', 'vendor_interface'):
            assert self.node.show()[name] == 'redfish-ext'
        self.folder = pathlib.Path(self.lab.images)

    def cli(self, verb: str, *arguments: str) -> str:
        """Run openstack baremetal node data image ..."""
        return self.lab.ironic.cli('node', 'data', 'image', verb,
                                   self.node.name, *arguments)

    def call(self, method: str, body: object = None) -> dict:
        """Call the passthru method; wait for the lock as clients do."""
        answers: list[dict] = []

        def answered() -> bool:
            try:
                answers.append(self.call_once(method, body))
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
            return bool(answers)

        process.await_condition(answered, f'{method} to be taken',
                                timeout=30, interval=1)
        return answers[0]

    def call_once(self, method: str, body: object = None) -> dict:
        """Call the passthru method; an error is a urllib HTTPError."""
        answer = self.lab.ironic.call(
            method, f'/v1/nodes/{self.node.identity}/vendor_passthru'
                    '?method=data_image', body)
        return json.loads(answer or b'{}')

    def refused(self, body: object, method: str = 'PUT') -> tuple[int, str]:
        """Return the status and the message of an error answer."""
        try:
            self.call_once(method, body)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        raise AssertionError(f'{body} was taken')

    def attach(self, **spec: object) -> None:
        """Ask for a data image and do not wait."""
        self.call('PUT', spec)

    def status(self) -> dict:
        return self.call('GET')['status']

    def await_status(self, wanted, what: str, timeout: float = 60) -> dict:
        """Wait for a status and return it."""
        seen: dict = {}

        def reached() -> bool:
            seen.update(self.status())
            return wanted(seen)

        try:
            process.await_condition(reached, what, timeout=timeout,
                                    interval=0.3)
        except process.LabError as exc:
            raise process.LabError(f'{exc}: it is {seen}') from exc
        return seen

    def await_phase(self, phase: str, timeout: float = 60) -> dict:
        return self.await_status(lambda seen: seen['phase'] == phase,
                                 f'the data image to be {phase}', timeout)

    def media(self) -> list[dict[str, str]]:
        """Return what the machine saw in its other drive, so far."""
        return boot_iso.parse_media(self.node.machine.console())

    def await_medium(self, files: dict[str, str], seen: int = 0,
                     timeout: float = 60) -> None:
        """Wait until the machine sees a medium that it did not before."""
        process.await_condition(
            lambda: files in self.media()[seen:],
            f'the machine to see {files}', timeout=timeout, interval=0.3)

    def drives(self) -> dict[str, str | None]:
        """Return what the BMC shows in its drives."""
        shown = {}
        for name in live_emulator.DRIVES:
            with urllib.request.urlopen(self.drive_url(name),
                                        timeout=30) as answer:
                drive = json.load(answer)
            shown[name] = drive['Image'] if drive['Inserted'] else None
        return shown

    def drive_url(self, name: str) -> str:
        return (f'{self.lab.emulator.url}/redfish/v1/Systems/'
                f'{self.node.machine.identity}/VirtualMedia/{name}')

    def eject_by_hand(self, name: str) -> None:
        """Eject behind Ironic's back."""
        request = urllib.request.Request(
            f'{self.drive_url(name)}/Actions/VirtualMedia.EjectMedia',
            b'{}', {'Content-Type': 'application/json'})
        urllib.request.urlopen(request, timeout=30).close()


class ImageServer:
    """A web server that wants a user and a password for everything.

    :ivar users: of the requests it had, None for those without.
    """

    def __init__(self, folder: pathlib.Path, user: str,
                 password: str) -> None:
        self.users: list[str | None] = []
        expected = 'Basic ' + base64.b64encode(
            f'{user}:{password}'.encode()).decode()
        users = self.users

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: object) -> None:
                super().__init__(*args, directory=str(folder))

            def send_head(self):
                given = self.headers.get('Authorization')
                users.append(given and base64.b64decode(
                    given.partition(' ')[2]).decode().partition(':')[0])
                if given == expected:
                    return super().send_head()
                self.send_response(401)
                self.send_header('WWW-Authenticate', 'Basic realm="lab"')
                self.send_header('Content-Length', '0')
                self.end_headers()
                return None

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self._server.server_address[1]}'
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> 'ImageServer':
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
