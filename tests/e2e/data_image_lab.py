# SPDX-License-Identifier: Apache-2.0

"""A lab whose machines have drives that change while they run.

Tests share two machines, one that runs and one that does not: they leave
them as they found them, without a data image.
"""

import atexit
import base64
import contextlib
import http.server
import itertools
import json
import pathlib
import threading
import urllib.error
import urllib.request

import testtools

from lab import boot_iso
from lab import hypervisor
from lab import live_machines
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
reconcile_interval = 1
backoff_base = 1
backoff_ceiling = 2
[ext_boot]
media_timeout = 3
insert_retry_interval = 1
insert_attempts = 2
[redfish]
connection_attempts = 2
connection_retry_interval = 1
"""
# Seconds, for machines that are much slower than any that was seen.
PATIENCE = 300


class _Lab:
    """Starts the lab when first asked and stops it as the process ends.

    :ivar nodes: the shared ones, by what they are like.
    """

    def __init__(self) -> None:
        self._lab: stack.Lab | None = None
        self.nodes: dict[str, stack.Node] = {}
        self._names = itertools.count(1)

    def get(self) -> stack.Lab:
        if self._lab is None:
            exit_stack = contextlib.ExitStack()
            atexit.register(exit_stack.close)
            self._lab = exit_stack.enter_context(
                live_machines.LiveLab(extra_config=_CONFIG))
        return self._lab

    def new_node(self) -> stack.Node:
        """Make a machine, and a node that is available."""
        node = self.get().create(f'data-image-{next(self._names)}',
                                 hypervisor.Firmware.BIOS)
        node.provide()
        for name in ('management_interface', 'vendor_interface'):
            assert node.show()[name] == 'redfish-ext'
        return node


_LAB = _Lab()


class DataImageTestCase(base.EndToEndTestCase):
    """With a node that is shared, and has no data image."""

    #: What the node is like, and whether it still is when a test ends.
    like = 'available'
    is_shared = True

    def setUp(self) -> None:
        # Not the lab and the node of the other tests.
        testtools.TestCase.setUp(self)
        self.lab = _LAB.get()
        self.addOnException(self._attach_logs)
        self.folder = pathlib.Path(self.lab.images)
        self.ensure_ironic()
        if self.like not in _LAB.nodes:
            self.node = _LAB.new_node()
            self.prepare()
            _LAB.nodes[self.like] = self.node
        self.node = _LAB.nodes[self.like]
        self._published = self.lab.published()
        self.addCleanup(self._leave)

    def prepare(self) -> None:
        """Make of an available node what the tests want."""

    def ensure_ironic(self) -> None:
        if self.lab.ironic.pid is None:
            self.lab.ironic.start()

    def _leave(self) -> None:
        """Leave the node to the next test, or to none at all."""
        _LAB.nodes.pop(self.like, None)
        self.lab.proxy.clear()
        self.ensure_ironic()
        self.detach()
        if self.is_shared:
            _LAB.nodes[self.like] = self.node

    def detach(self) -> None:
        """Have no data image, and no copies of one."""
        self.call('DELETE')
        self.await_phase('detached')

    def boot_from_iso(self) -> None:
        """Have the node boot the lab's ISO when it is deployed."""
        self.ask('PATCH', f'/v1/nodes/{self.node.identity}', [
            {'op': 'add', 'path': '/instance_info/boot_iso',
             'value': f'file://{self.lab.iso}'}])

    def provision(self, target: str, state: str) -> dict:
        """Ask for a change of state, and wait for it."""
        self.request(target)
        return self.node.await_state(state, timeout=PATIENCE)

    def request(self, target: str) -> None:
        """Ask for a change of state."""
        self.ask('PUT', f'/v1/nodes/{self.node.identity}/states/provision',
                 {'target': target})

    def power(self, target: str) -> None:
        """Ask for a change of power, and wait for it."""
        self.ask('PUT', f'/v1/nodes/{self.node.identity}/states/power',
                 {'target': target})
        process.await_condition(
            lambda: not self.node.show()['target_power_state'],
            f'{target} to be done', timeout=PATIENCE)

    def cli(self, verb: str, *arguments: str) -> str:
        """Run openstack baremetal node data image ..."""
        return self.lab.ironic.cli('node', 'data', 'image', verb,
                                   self.node.name, *arguments)

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """Call the API; wait for the node's lock as clients do."""
        answers: list[bytes] = []

        def answered() -> bool:
            try:
                answers.append(self.lab.ironic.call(method, path, body))
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
            return bool(answers)

        process.await_condition(answered, f'{method} {path} to be taken',
                                timeout=PATIENCE, interval=0.5)
        return answers[0]

    def delete_node(self) -> None:
        """Delete the node, which may be active."""
        path = f'/v1/nodes/{self.node.identity}'
        self.ask('PUT', f'{path}/maintenance', {})
        self.ask('DELETE', path)

    def call(self, method: str, body: object = None) -> dict:
        """Call the passthru method; wait for the lock as clients do."""
        return json.loads(self.ask(method, self._passthru, body) or b'{}')

    @property
    def _passthru(self) -> str:
        return (f'/v1/nodes/{self.node.identity}/vendor_passthru'
                '?method=data_image')

    def call_once(self, method: str, body: object = None) -> dict:
        """Call the passthru method; an error is a urllib HTTPError."""
        answer = self.lab.ironic.call(method, self._passthru, body)
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

    def await_status(self, wanted, what: str) -> dict:
        """Wait for a status and return it."""
        seen: dict = {}

        def reached() -> bool:
            seen.update(self.status())
            return wanted(seen)

        try:
            process.await_condition(reached, what, timeout=PATIENCE,
                                    interval=0.2)
        except process.LabError as exc:
            raise process.LabError(f'{exc}: it is {seen}') from exc
        return seen

    def await_phase(self, phase: str) -> dict:
        return self.await_status(lambda seen: seen['phase'] == phase,
                                 f'the data image to be {phase}')

    def media(self) -> list[dict[str, str]]:
        """Return what the machine saw in its other drive, so far."""
        return boot_iso.parse_media(self.node.machine.console())

    def await_medium(self, files: dict[str, str], seen: int) -> int:
        """Wait until the machine sees a medium that it did not before.

        :param seen: how many changes of media do not count.
        :returns: how many changes there were until then.
        """
        def index() -> int | None:
            media = self.media()
            return (media.index(files, seen) + 1 if files in media[seen:]
                    else None)

        return process.await_condition(
            index, f'the machine to see {files}', timeout=PATIENCE,
            interval=0.2)

    def drives(self) -> dict[str, str | None]:
        """Return what the BMC shows in its drives."""
        shown = {}
        for name in live_machines.DEVICES:
            with urllib.request.urlopen(self.drive_url(name),
                                        timeout=PATIENCE) as answer:
                drive = json.load(answer)
            shown[name] = drive['Image'] if drive['Inserted'] else None
        return shown

    def drive_url(self, name: str) -> str:
        return (f'{self.lab.emulator.url}/redfish/v1/Systems/'
                f'{self.node.machine.identity}/VirtualMedia/{name}')

    def await_drives(self, what: str, **wanted: str | bool | None) -> None:
        """Wait until drives hold these URLs, any (True) or none."""
        def reached() -> bool:
            drives = self.drives()
            return all(bool(drives[name]) if value is True
                       else drives[name] == value
                       for name, value in wanted.items())

        process.await_condition(reached, what, timeout=PATIENCE,
                                interval=0.2)

    def published(self) -> list[pathlib.Path]:
        """Return what was published since, and is in none of the drives."""
        shown = ' '.join(filter(None, self.drives().values()))
        return [path for path in self.lab.published()
                if path not in self._published and path.name not in shown]

    def eject_by_hand(self, name: str) -> None:
        """Eject behind Ironic's back."""
        self._act(name, 'EjectMedia', {})

    def insert_by_hand(self, name: str, url: str) -> None:
        """Insert behind Ironic's back."""
        self._act(name, 'InsertMedia', {'Image': url})

    def _act(self, name: str, action: str, body: dict[str, str]) -> None:
        request = urllib.request.Request(
            f'{self.drive_url(name)}/Actions/VirtualMedia.{action}',
            json.dumps(body).encode(), {'Content-Type': 'application/json'})
        urllib.request.urlopen(request, timeout=PATIENCE).close()


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
