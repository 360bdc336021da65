# SPDX-License-Identifier: Apache-2.0

"""A node that begins a boot and ends it, by the API of a real Ironic.

The machine alone is made up: it has drives, a boot device and power, and
boots nothing.
"""

from collections.abc import Mapping
import dataclasses
import json
import pathlib
import threading
import time
import urllib.error
import urllib.request

from lab import boot_server
from lab import process
from tests.functional import fake_emulator
from tests.functional import one_boot_server

#: Seconds for whatever a conductor does by itself: one that looks for
#: interfaces that have left comes once a minute.
PATIENCE = 600
#: Seconds that an answer about all nodes is good for.
_STALE = 0.5
_MEMBERS = {'boot': ('ext_boot', 'ext_media', 'ext_sanboot'),
            'data image': ('ext_data_image',)}


@dataclasses.dataclass(frozen=True)
class Seen:
    """What there is after an end.

    :param drive: what the machine has of what was begun: "same", "new" (at
        another URL) or "empty"; of an iPXE script "sanboot", "disk" or
        "empty".
    :param device: the boot device that the BMC shows.
    :param url: status of the URL that the BMC was given, 0 for none.
    :param record: "begun", "ended", "gone", or "no node".
    :param said: device of the next boot by the API, which asks the BMC; ''
        where the node has no such API any more.
    :param page: what the page of the boot server prints of the next boot,
        with "ISO" for its URL; '' for a node that it does not have.
    """

    drive: str
    device: str
    url: int
    record: str
    said: str
    page: str

    def saying(self, page: str) -> 'Seen':
        """Return the same with another sentence on the page."""
        return dataclasses.replace(self, page=page)


class States:
    """Where all nodes are: asked for once, for whoever waits."""

    _FIELDS = 'uuid,provision_state,reservation,last_error'

    def __init__(self, ironic) -> None:
        self.ironic = ironic
        self._lock = threading.Lock()
        self._seen: tuple[float, dict[str, Mapping[str, object]]] = (0, {})

    def of(self, uuid: str, after: float) -> Mapping[str, object] | None:
        """Return a node as it was seen later than a time, else None.

        :param after: of time.monotonic().
        """
        with self._lock:
            if self._seen[0] < max(after, time.monotonic() - _STALE):
                began = time.monotonic()
                nodes = self.ironic.get(
                    f'/v1/nodes?fields={self._FIELDS}')['nodes']
                self._seen = began, {node['uuid']: node for node in nodes}
            return self._seen[1].get(uuid)


class Host:
    """One node and its machine.

    :ivar url: of the medium that was begun, '' for none.
    """

    def __init__(self, states: States,
                 emulator: fake_emulator.FakeEmulator,
                 http_root: pathlib.Path,
                 server: boot_server.Process | None, number: int) -> None:
        """Nothing is done yet.

        :param server: whose page is read, None for no page.
        """
        self._states = states
        self._ironic = states.ironic
        self._emulator = emulator
        self._root = http_root
        self._server = server
        self._iso = ''
        self.system = emulator.new_system()
        self.mac = f'52:54:00:00:01:{number:02x}'
        self.uuid = self.url = ''
        self._path = ''
        self._part = 'boot'

    # The API

    def call(self, method: str, path: str = '', body: object = None
             ) -> bytes:
        """Ask the API about the node; a locked one is asked again.

        :raises: LabError with what the API said.
        """
        answer = b''

        def answered() -> bool:
            nonlocal answer
            try:
                answer = self._ironic.call(method, self._path + path, body)
            except urllib.error.HTTPError as error:
                said = error.read().decode()
                if error.code in (409, 503):
                    return False
                raise process.LabError(
                    f'{method} {path} {body}: {error.code} {said}') from None
            return True

        process.await_condition(answered, f'{method} {path}',
                                timeout=PATIENCE, interval=0.3)
        return answer

    def patch(self, **values: object) -> None:
        """Set fields, and members of fields: "driver_info__x".

        None removes.
        """
        self.call('PATCH', '', [
            {'op': 'remove', 'path': f'/{key.replace("__", "/")}'}
            if value is None else
            {'op': 'add', 'path': f'/{key.replace("__", "/")}',
             'value': value} for key, value in values.items()])

    def provision(self, target: str, state: str, **more: object) -> None:
        """Ask for a provision state, and wait for one."""
        self.call('PUT', '/states/provision', {'target': target, **more})
        self.await_state(state)

    def await_state(self, state: str) -> None:
        """Wait for a provision state without a lock.

        :raises: LabError when a failure is reached instead.
        """
        began = time.monotonic()

        def reached() -> bool:
            node = self._states.of(self.uuid, began)
            if node is None:
                return False
            found = str(node['provision_state'])
            if ('failed' in found or found == 'error') and found != state:
                raise process.LabError(f'{found}: {node["last_error"]}')
            return found == state and not node['reservation']

        process.await_condition(reached, f'{self.mac} to be {state}',
                                timeout=PATIENCE, interval=0.5)

    def await_power(self, state: str) -> None:
        """Wait for a power state."""
        process.await_condition(
            lambda: json.loads(self._ironic.call('GET', self._path))[
                'power_state'] == state, state, timeout=PATIENCE,
            interval=0.3)

    def provision_state(self) -> str:
        """Return where the node is."""
        return json.loads(self._ironic.call('GET', self._path))[
            'provision_state']

    def create(self, **values: object) -> None:
        """Enrol the node and make it available."""
        body = {'driver': 'redfish-ext', 'boot_interface': 'redfish-iso',
                'management_interface': 'redfish-ext',
                'vendor_interface': 'redfish-ext',
                'deploy_interface': 'ramdisk', 'driver_info': {
                    'redfish_address': self._emulator.url,
                    'redfish_system_id':
                        f'/redfish/v1/Systems/{self.system}'},
                'properties': {'capabilities': 'boot_mode:uefi',
                               'cpu_arch': 'x86_64'}}
        info = {**body['driver_info'], **values.pop('driver_info', {})}
        node = json.loads(self._ironic.call('POST', '/v1/nodes', {
            **body, **values, 'driver_info': info}))
        self.uuid = node['uuid']
        self._path = f'/v1/nodes/{self.uuid}'
        self._iso = node['instance_info'].get('boot_iso', '')
        self._ironic.call('POST', '/v1/ports', {
            'node_uuid': node['uuid'], 'address': self.mac,
            'pxe_enabled': True})
        self.provision('manage', 'manageable')
        self.provision('provide', 'available')

    # The machine

    def inserted(self) -> dict[str, str]:
        """Return slot -> URL."""
        return self._emulator.inserted(self.system)

    def device(self) -> str:
        """Return the boot device that the BMC shows."""
        with urllib.request.urlopen(
                f'{self._emulator.url}/redfish/v1/Systems/{self.system}',
                timeout=60) as answer:
            return json.load(answer)['Boot']['BootSourceOverrideTarget']

    def lose_media(self) -> None:
        """Have the BMC forget what is in its drives, as a reset does."""
        for slot in self.inserted():
            request = urllib.request.Request(
                f'{self._emulator.url}/redfish/v1/Systems/{self.system}'
                f'/VirtualMedia/{slot}/Actions/VirtualMedia.EjectMedia',
                data=b'{}', headers={'Content-Type': 'application/json'})
            urllib.request.urlopen(request, timeout=60).close()

    def script(self) -> str:
        """Return what the machine's iPXE is led to."""
        path = self._root / 'pxelinux.cfg' / self.mac.replace(':', '-')
        if not path.exists():
            return 'empty'
        return 'sanboot' if 'sanboot iscsi:' in path.read_text() else 'disk'

    # What is seen

    def remember(self, slot: str = 'Cd', part: str = 'boot') -> None:
        """Keep the URL of what was begun.

        :param part: of the node's records, "boot" or "data image".
        """
        self.url, self._part = self.inserted()[slot], part

    def remember_url(self, url: str) -> None:
        """Keep the URL of a medium that was seen."""
        self.url = url

    def remember_again(self) -> None:
        """Keep the URL of what was begun anew."""
        if self._part == 'boot':
            self.remember()

    def seen(self, wanted: Seen) -> Seen:
        """Look at everything.

        :param wanted: a boot device "*" is any. Nobody is asked what boots
            next before the rest fits: the API asks the BMC.
        """
        found = Seen(
            self._drive(),
            self.device() if wanted.device != '*' else '*', self._status(),
            self._record(), wanted.said, wanted.page)
        if found == wanted:
            found = dataclasses.replace(
                found, said=self._said(), page=self._printed())
        return found

    def last_error(self) -> str:
        """Return what the node says went wrong, '' for nothing."""
        try:
            node = json.loads(self._ironic.call('GET', self._path))
        except urllib.error.HTTPError:
            return ''
        return f'{node["provision_state"]}: {node["last_error"]}'

    def await_seen(self, wanted: Seen) -> Seen:
        """Look until it is as it should be, or time is over."""
        last = wanted

        def fits() -> bool:
            nonlocal last
            last = self.seen(wanted)
            return last == wanted

        try:
            process.await_condition(fits, 'the end', timeout=PATIENCE / 3,
                                    interval=2)
        except process.LabError:
            pass  # what was seen says more
        return last

    def _drive(self) -> str:
        if not self.url:
            return self.script()
        media = self.inserted().values()
        if self.url in media:
            return 'same'
        return 'new' if media else 'empty'

    def _status(self) -> int:
        if not self.url:
            return 0
        try:
            with urllib.request.urlopen(self.url, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def _record(self) -> str:
        try:
            info = json.loads(self._ironic.call('GET', self._path))[
                'driver_internal_info']
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return 'no node'
            raise
        kept = [info[key] for key in _MEMBERS[self._part] if key in info]
        if not kept:
            return 'gone'
        return 'ended' if (info.get('ext_boot') or {}).get(
            'ended_at') and self._part == 'boot' else 'begun'

    def _said(self) -> str:
        try:
            return json.loads(self._ironic.call(
                'GET', f'{self._path}/vendor_passthru?method=next_boot')
            )['device']
        except urllib.error.HTTPError:
            return ''

    def _printed(self) -> str:
        if self._server is None:
            return ''
        answer = self._server.call(
            'GET', f'{one_boot_server.HOSTS}/{self.uuid}')
        if answer.code == 404:
            return ''
        text = answer.json['status']['nextBoot']['text']
        return text.replace(self._iso, 'ISO') if self._iso else text
