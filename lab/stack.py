# SPDX-License-Identifier: Apache-2.0

"""The whole lab: all services in one directory, up and down together."""

from collections.abc import Sequence
import contextlib
import dataclasses
import json
import os
import pathlib
import pwd
import shutil
import tempfile
import urllib.error
import urllib.request
import uuid

from lab import bare_metal
from lab.bmc import emulator
from lab.bmc import fault_proxy
from lab import boot_iso
from lab import boot_server
from lab import hypervisor
from lab import media_server
from lab import process
from lab import web

DEFAULT_CACHE = pathlib.Path(__file__).resolve().parent.parent / '.cache'


@dataclasses.dataclass(frozen=True)
class Drivers:
    """Which driver the lab's Ironic offers."""

    hardware_type: str = 'redfish-ext'
    boot_interface: str = 'redfish-iso'
    deploy_interface: str = 'ramdisk'


class Lab:
    """A context manager: services start on entry and are gone on exit.

    :param cache: directory that keeps the downloaded kernel.
    :param media_servers: replicas that stream customised images; without
        any the web server has them as files.
    :param with_boot_server: whether ironic-boot-server is started, too;
        start_boot_server() does it later.
    :param outlives: services go on when this process ends without exit.
    :param machine_address: of this host, by which the boot server is reached
        and its machines are known; '' for loopback, where all are one.
    """

    #: What another kind of lab replaces.
    hypervisor_class = hypervisor.Libvirtd
    emulator_class = emulator.SushyEmulator
    #: Enabled beside those of its own nodes.
    other_boot_interfaces: Sequence[str] = ()
    other_deploy_interfaces: Sequence[str] = ()

    def __init__(self, *, cache: pathlib.Path = DEFAULT_CACHE,
                 drivers: Drivers = Drivers(), extra_config: str = '',
                 media_servers: int = 0, with_boot_server: bool = False,
                 outlives: bool = False, machine_address: str = '') -> None:
        self._cache = cache
        self._machine_address = machine_address
        self._drivers = drivers
        self._extra_config = extra_config
        self._replicas = media_servers
        self._with_boot_server = with_boot_server
        self._outlives = outlives
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> 'Lab':
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._exit.close()

    def release(self) -> None:
        """Leave everything up on exit; only for a lab that outlives."""
        self._exit.pop_all()

    def _start(self, stack: contextlib.ExitStack) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='ironic-lab-'))
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        # The hypervisor is another user where the lab runs as root.
        self.directory.chmod(0o755)
        self.http_root = self._subdirectory('http')
        self.images = self._subdirectory('images')
        self.iso = self.images / 'lab.iso'
        boot_iso.build(self.iso, self._cache)
        self._extra_config += self._prepare(stack)

        self.hypervisor = self.hypervisor_class(
            self._subdirectory('virt'), outlives=self._outlives)
        self._run(stack, self.hypervisor)
        self.emulator = self.emulator_class(
            self._subdirectory('bmc'), self.hypervisor.uri,
            outlives=self._outlives)
        self._run(stack, self.emulator)
        self.proxy = fault_proxy.FaultProxy(self.emulator.url)
        stack.callback(self.proxy.stop)
        self.proxy.start()
        self.web = web.Nginx(
            self._subdirectory('web'), self.http_root,
            self.images,
            user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
            outlives=self._outlives)
        self._run(stack, self.web)
        self._start_media_servers(stack)
        address = self._machine_address
        self.boot_server = boot_server.Process(
            self._subdirectory('boot'), outlives=self._outlives,
            host=address or '127.0.0.1',
            public_url=f'http://{address or hypervisor.HOST}:{{port}}',
            identity='address' if address else '',
            extra=self._reads_config)
        self.ironic = bare_metal.Ironic(
            self._subdirectory('ironic'), http_root=self.http_root,
            http_url=self.web.url, images=self.images,
            hardware_types=self._drivers.hardware_type,
            boot_interfaces=','.join((
                self._drivers.boot_interface, *self.other_boot_interfaces)),
            deploy_interfaces=','.join(dict.fromkeys(
                ('ramdisk', 'direct', self._drivers.deploy_interface,
                 *self.other_deploy_interfaces))),
            callback_host=hypervisor.HOST,
            extra=(self._media_config + self._extra_config
                   + self.boot_server.shared_config),
            outlives=self._outlives)
        self.ironic.create_schema()
        self._run(stack, self.ironic)
        self.boot_server.configure(self.ironic.url)
        stack.callback(self.boot_server.stop)
        if self._with_boot_server:
            self.start_boot_server()

    def _prepare(self, stack: contextlib.ExitStack) -> str:
        """Start what else a kind of lab has; return what Ironic is told."""
        return ''

    def start_boot_server(self) -> None:
        """Start ironic-boot-server, unless it runs.

        Its catalog is the conductor's.
        """
        if self.boot_server.pid is None:
            self.boot_server.start()

    def _start_media_servers(self, stack: contextlib.ExitStack) -> None:
        directory = self._subdirectory('media')
        self.media_servers: list[media_server.MediaServer] = []
        for number in range(self._replicas):
            server = media_server.MediaServer(
                f'media-server-{number + 1}', directory, self.images,
                outlives=self._outlives)
            self._run(stack, server)
            self.media_servers.append(server)
        url = self.media_servers[0].url if self.media_servers else ''
        if self._replicas > 1:
            self.balancer = media_server.LoadBalancer(self.media_servers[0])
            stack.callback(self.balancer.stop)
            self.balancer.start()
            url = self.balancer.url
        self._reads_config = media_server.READS_CONFIG.format(
            directory=directory)
        self._media_config = media_server.SHARED_CONFIG.format(
            directory=directory, url=url,
            delivery='stream' if self._replicas else 'file')

    def _subdirectory(self, name: str) -> pathlib.Path:
        path = self.directory / name
        path.mkdir()
        return path

    @staticmethod
    def _run(stack: contextlib.ExitStack, service: process.Service) -> None:
        stack.callback(service.stop)
        service.start()

    def services(self) -> list[process.Service]:
        """Return the child processes in the order in which to stop them."""
        servers = [self.boot_server] if self.boot_server.pid else []
        return [*servers, self.ironic, *self.media_servers, self.web,
                self.emulator, self.hypervisor]

    def published(self) -> list[pathlib.Path]:
        """Return every file below the directory that the web serves."""
        return sorted(path for path in self.http_root.rglob('*')
                      if not path.is_dir())

    def create(self, name: str, firmware: hypervisor.Firmware,
               hardware: hypervisor.Hardware = hypervisor.Hardware()
               ) -> 'Node':
        """Make a machine and create its node, in the state enroll.

        Its BMC is reached through the fault proxy.
        """
        machine = self.hypervisor.add_machine(name, firmware, hardware)
        node = Node(self.ironic, machine)
        node.create(self._drivers, self.proxy.url)
        return node

    def inserted_medium(self, node: 'Node') -> str | None:
        """Return the URL of the CD that the node's BMC shows, if any."""
        url = (f'{self.emulator.url}/redfish/v1/Systems/'
               f'{node.machine.identity}/VirtualMedia/Cd')
        with urllib.request.urlopen(url, timeout=30) as answer:
            medium = json.load(answer)
        return medium['Image'] if medium['Inserted'] else None


class Node:
    """An Ironic node: enrolled by API, driven by the CLI or by the API."""

    def __init__(self, ironic: bare_metal.Ironic,
                 machine: hypervisor.Machine) -> None:
        self._ironic = ironic
        self.machine = machine
        self.name = machine.name
        self.identity = str(uuid.uuid4())

    def create(self, drivers: Drivers, bmc_url: str) -> None:
        """Create the node in Ironic."""
        self._ironic.call('POST', '/v1/nodes', {
            'name': self.name, 'uuid': self.identity,
            'driver': drivers.hardware_type,
            'boot_interface': drivers.boot_interface,
            'deploy_interface': drivers.deploy_interface,
            'driver_info': {
                'redfish_address': bmc_url,
                'redfish_system_id':
                    f'/redfish/v1/Systems/{self.machine.identity}'},
            'properties': {
                'capabilities': f'boot_mode:{self.machine.firmware.value}'}})

    def provide(self) -> None:
        """Take the node from enroll to available."""
        for verb, state in (('manage', 'manageable'),
                            ('provide', 'available')):
            self.ask(verb)
            self.await_state(state)

    def delete(self) -> None:
        """Remove the node from Ironic, whatever its state."""
        path = f'/v1/nodes/{self.identity}'
        self._ironic.call('PUT', f'{path}/maintenance', {})
        self._ironic.call('DELETE', path)

    def say(self, **values: object) -> None:
        """Set keys of instance_info by the API: the CLI is slow to start."""
        self.configure('instance_info', **values)

    def configure(self, field: str, **values: object) -> None:
        """Set keys of a field, such as driver_info, by the API."""
        self._ironic.call('PATCH', f'/v1/nodes/{self.identity}', [
            {'op': 'add', 'path': f'/{field}/{key}', 'value': value}
            for key, value in values.items()])

    def ask(self, target: str, **more: object) -> None:
        """Ask the API for a provision state: active, deleted, rebuild.

        Waits for the node's lock, as the CLI does.

        :raises: LabError with what the API said.
        """
        def taken() -> bool:
            try:
                self._ironic.call(
                    'PUT', f'/v1/nodes/{self.identity}/states/provision',
                    {'target': target, **more})
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise process.LabError(
                        f'{target}: {error.read().decode()}') from error
                return False
            return True

        process.await_condition(taken, f'node {self.name} to be free for '
                                f'{target}', timeout=900, interval=0.5)

    def set_instance_info(self, **values: str) -> None:
        """Set keys of instance_info by the CLI; a value may be JSON."""
        arguments = []
        for key, value in values.items():
            arguments += ['--instance-info', f'{key}={value}']
        self._ironic.cli('node', 'set', self.name, *arguments)

    def request(self, verb: str, *arguments: str) -> None:
        """Ask for a state change by the CLI: deploy, undeploy, rebuild."""
        self._ironic.cli('node', verb, self.name, *arguments)

    def show(self) -> dict:
        """Return the node as the API shows it."""
        return self._ironic.get(f'/v1/nodes/{self.identity}')

    def settled(self) -> dict | None:
        """Return the node if its state stays as it is by itself."""
        node = self.show()
        # The state is saved before last_error is; the lock goes last.
        return (node if not node['reservation']
                and node['provision_state'] in _FINAL_STATES else None)

    def await_state(self, wanted: str, timeout: float = 300) -> dict:
        """Wait for a provision state and return the node.

        :raises: LabError when another state is reached for good, or none.
        """
        node = process.await_condition(
            self.settled, f'node {self.name} to be {wanted}',
            timeout=timeout, interval=0.3)
        if node['provision_state'] != wanted:
            raise process.LabError(
                f'node {self.name} is {node["provision_state"]}, not '
                f'{wanted}: {node["last_error"]}')
        return node

    def await_report(self, seen: int = 0,
                     timeout: float = 600) -> boot_iso.Report:
        """Wait until the machine has reported more often than seen times.

        :param timeout: seconds; a quiet host takes a twentieth of it.
        """
        def newest() -> boot_iso.Report | None:
            reports = self.machine.reports()
            return reports[-1] if len(reports) > seen else None
        return process.await_condition(
            newest, f'the serial console of {self.name} to show a report',
            timeout=timeout, interval=0.2)


_FINAL_STATES = frozenset(('active', 'available', 'clean failed',
                           'clean wait', 'deploy failed', 'enroll',
                           'error', 'manageable'))
