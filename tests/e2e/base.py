# SPDX-License-Identifier: Apache-2.0

"""One lab for all end-to-end tests of a process, and nodes of their own."""

import atexit
import contextlib
import json
import pathlib
import signal
import sys
import tempfile

import testtools

from lab import boot_iso
from lab import hypervisor
from lab import process
from lab import stack

ARGUMENT = 'e2e.colour=green'
FILES = {'site/greeting.txt': 'Hello\nworld', 'site/deep/er/file': 'deep'}
HOSTNAME = 'e2e-host'
CONFIG_DRIVE = {
    'meta_data': {'hostname': HOSTNAME},
    'user_data': '#cloud-config\n{}\n',
    'network_data': {'links': [], 'networks': [], 'services': []}}
META_DATA = 'openstack/latest/meta_data.json'
INSERT = r'/VirtualMedia/Cd/Actions/VirtualMedia\.InsertMedia$'
EJECT = r'/VirtualMedia/Cd/Actions/VirtualMedia\.EjectMedia$'


class _SharedLab:
    """Starts a lab when first asked and stops it as the process ends.

    There is one at a time: tests that need another kind begin a new one.
    """

    def __init__(self) -> None:
        self._lab: stack.Lab | None = None
        self._media_servers = 0
        self._error: BaseException | None = None
        self._exit = contextlib.ExitStack()

    def get(self, media_servers: int) -> stack.Lab:
        if media_servers != self._media_servers:
            self._exit.close()
            self._lab = self._error = None
            self._media_servers = media_servers
        if self._error is not None:
            raise process.LabError(f'the lab did not start: {self._error}')
        if self._lab is None:
            # So that a terminated run stops the lab, too.
            signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
            atexit.register(self._exit.close)
            try:
                self._lab = self._exit.enter_context(
                    stack.Lab(media_servers=media_servers))
            except Exception as exc:
                self._error = exc
                raise
        return self._lab


_SHARED_LAB = _SharedLab()


class EndToEndTestCase(testtools.TestCase):
    """A test with the lab, and a node of its own."""

    firmware = hypervisor.Firmware.BIOS
    hardware = hypervisor.Hardware()
    media_servers = 0

    def setUp(self) -> None:
        super().setUp()
        self.lab = _SHARED_LAB.get(self.media_servers)
        self.addOnException(self._attach_logs)
        name = self.id().rpartition('.')[2][-20:].strip('_')
        name = f'{name}-{self.firmware.value}'.replace('_', '-')
        self.addCleanup(self.lab.proxy.clear)
        self.node = self.lab.create(name, self.firmware, self.hardware)
        self.addCleanup(self._remove_node)
        self.node.provide()

    def _remove_node(self) -> None:
        """Leave nothing of this test's to the next one."""
        self.lab.proxy.clear()
        with contextlib.suppress(process.LabError):
            if self.node.show()['provision_state'] != 'available':
                self.undeploy()
        self.node.delete()
        self.lab.hypervisor.remove_machine(self.node.machine)
        for path in self.lab.published():
            path.unlink()

    def _attach_logs(self, exc_info: object) -> None:
        tail = self.lab.ironic.ironic_log.read_text(errors='replace')
        lines = [line for line in tail.splitlines()
                 if ' DEBUG ' not in line and ' ironic.api ' not in line]
        self.addDetail('ironic.log', testtools.content.text_content(
            '\n'.join(lines[-60:])))
        self.addDetail('console', testtools.content.text_content(
            self.node.machine.console()[-2000:]
            if hasattr(self, 'node') else ''))

    def configure(self, **extra: object) -> None:
        """Give the node the lab's ISO and a config of its own."""
        self.node.say(boot_iso=f'file://{self.lab.iso}',
                      kernel_append_params=ARGUMENT,
                      boot_iso_files=FILES, **extra)

    def deploy(self, **more: object) -> dict:
        """Deploy and return the active node."""
        self.node.ask('active', **more)
        return self.node.await_state('active')

    def undeploy(self) -> dict:
        """Undeploy and return the available node."""
        self.node.ask('deleted')
        return self.node.await_state('available')

    def config_drive_file(self) -> str:
        """Return the path of a JSON config drive."""
        directory = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        path = directory / 'config-drive.json'
        path.write_text(json.dumps(CONFIG_DRIVE))
        return str(path)

    def enterContext(self, manager):
        """Enter a context that the test's end leaves."""
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value

    def assert_nothing_left(self) -> None:
        """No published file, no medium in the BMC."""
        self.assertEqual([], self.lab.published())
        self.assertIsNone(self.lab.inserted_medium(self.node))

    def assert_config_arrived(self, report: boot_iso.Report) -> None:
        """The kernel argument and the added files."""
        self.assertIn(ARGUMENT, report.command_line.split())
        for path, text in FILES.items():
            self.assertEqual(text, report.files.get(path), path)
