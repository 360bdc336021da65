# SPDX-License-Identifier: Apache-2.0

"""Ironic as one process on SQLite, and its command line client."""

from collections.abc import Mapping, Sequence
import contextlib
from importlib import metadata
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import urllib.request

from lab import debian_root
from lab import process

_CACHE = pathlib.Path(__file__).resolve().parent.parent / '.cache'
_PROGRAMS = pathlib.Path(sys.executable).parent
_API_VERSION = '1.93'

_CONFIG = """\
[DEFAULT]
auth_strategy = noauth
rpc_transport = none
hash_ring_reset_interval = 2
debug = true
use_stderr = false
log_file = {directory}/ironic.log
state_path = {directory}
tempdir = {directory}/tmp
host = {host}
my_ip = 127.0.0.1
enabled_hardware_types = {hardware_types}
enabled_bios_interfaces = no-bios
enabled_boot_interfaces = {boot_interfaces}
enabled_console_interfaces = no-console
enabled_deploy_interfaces = {deploy_interfaces}
enabled_firmware_interfaces = no-firmware
enabled_inspect_interfaces = no-inspect
enabled_management_interfaces = redfish,redfish-ext
enabled_network_interfaces = noop
enabled_power_interfaces = redfish
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
enabled_vendor_interfaces = redfish-ext

[agent]
certificates_path = {directory}/certificates

[api]
host_ip = 127.0.0.1
port = {port}
api_workers = 1

[conductor]
automated_clean = false
# A machine that switches itself off must not be an event for the tests.
sync_power_state_interval = 3600
# The default of 60 s would make a killed conductor look alive for a minute.
heartbeat_interval = 2
heartbeat_timeout = 10
sync_local_state_interval = 2
file_url_allowed_paths = {images}

[database]
connection = sqlite:///{directory}/ironic.sqlite

[deploy]
http_root = {http_root}
http_url = {http_url}
iso_master_path = {directory}/masters

# The emulator shows at once what is in its drives.
[ext_boot]
media_timeout = 8
media_poll_interval = 0.2
insert_retry_interval = 1

[ext_state]
dir = {directory}/ext

[oslo_concurrency]
lock_path = {directory}/locks

[pxe]
instance_master_path = {directory}/instance-masters

[redfish]
use_swift = false

# Where the agent calls back.
[service_catalog]
auth_type = none
endpoint_override = http://{callback_host}:{port}
{extra}
"""


class Ironic(process.Service):
    """API and conductor in one process, without authentication.

    :param programs: folder with Ironic's; by default those of this Python.
    :ivar token: of Keystone, with what is asked; '' where none is needed.
    """

    #: A host under load takes ten times as long as a quiet one.
    start_timeout = 900.0
    token = ''

    def __init__(self, directory: pathlib.Path, *, http_root: pathlib.Path,
                 http_url: str, images: pathlib.Path,
                 hardware_types: str = 'redfish-ext',
                 boot_interfaces: str = 'redfish-iso',
                 deploy_interfaces: str = 'ramdisk,direct',
                 callback_host: str = '127.0.0.1',
                 extra: str = '', outlives: bool = False,
                 programs: pathlib.Path | None = None) -> None:
        super().__init__('ironic', directory, outlives=outlives)
        # What the process prints before and beside its log.
        self.log_path = directory / 'ironic.out'
        self._programs = programs or _PROGRAMS
        self.ironic_log = directory / 'ironic.log'
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        #: Its ironic.conf.
        self.config = directory / 'ironic.conf'
        self._database = directory / 'ironic.sqlite'
        for name in ('tmp', 'locks'):
            (directory / name).mkdir()
        self._settings = {
            'directory': directory, 'port': self.port, 'images': images,
            'http_root': http_root, 'http_url': http_url,
            'hardware_types': hardware_types,
            'boot_interfaces': boot_interfaces,
            'deploy_interfaces': deploy_interfaces,
            'callback_host': callback_host, 'extra': extra}
        self.configure('lab')

    def configure(self, host: str) -> None:
        """Write the configuration: what the conductor is called.

        A conductor that starts under another name takes over the nodes of
        the one before.
        """
        self.host = host
        self.config.write_text(_CONFIG.format(host=host, **self._settings))

    def responsible_host(self, node_id: str) -> str | None:
        """Return the conductor that last deployed or took over a node."""
        with contextlib.closing(sqlite3.connect(
                f'file:{self._database}?mode=ro',
                uri=True)) as database:
            row = database.execute(
                'SELECT conductors.hostname FROM nodes JOIN conductors '
                'ON nodes.conductor_affinity = conductors.id '
                'WHERE nodes.uuid = ?', (node_id,)).fetchone()
        return row[0] if row else None

    def _program(self, name: str) -> str:
        return str(self._programs / name)

    def command(self) -> Sequence[str]:
        return [self._program('ironic'), '--config-file', str(self.config)]

    def environment(self) -> Mapping[str, str]:
        path = (f'{self._programs}{os.pathsep}'
                f'{os.environ.get("PATH", "")}{os.pathsep}/usr/sbin')
        return {**os.environ, 'PATH': path,
                'TMPDIR': str(self.directory / 'tmp')}

    def create_schema(self) -> None:
        """Make the database; once, before the first start.

        It is made once for a release of Ironic, and copied.
        """
        if self._programs != _PROGRAMS:
            self.run_dbsync()
            return
        versions = [metadata.version(name)
                    for name in ('ironic', 'SQLAlchemy', 'alembic')]
        kept = debian_root.cached(_CACHE, 'ironic-schema', versions,
                                  self._make_schema)
        shutil.copy(kept / self._database.name, self._database)

    def _make_schema(self, directory: pathlib.Path) -> None:
        self.run_dbsync()
        shutil.move(self._database, directory)

    def run_dbsync(self) -> None:
        """Make the tables of whatever database is configured."""
        result = subprocess.run(
            [self._program('ironic-dbsync'), '--config-file',
             str(self.config), 'create_schema'],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode:
            raise process.LabError(
                f'ironic-dbsync ended with {result.returncode}:\n'
                f'{result.stderr[-2000:]}')

    def is_ready(self) -> bool:
        """The API answers and a conductor with drivers stands behind it."""
        try:
            return bool(self.get('/v1/drivers')['drivers'])
        except (OSError, ValueError):
            return False

    def log_tail(self) -> str:
        tail = super().log_tail()
        if self.ironic_log.exists():
            tail += (f'\n--- end of {self.ironic_log}\n'
                     + self.ironic_log.read_text(errors='replace')[-4000:])
        return tail

    def client_environment(self) -> dict[str, str]:
        """Return what the command line client reads from the environment."""
        return {'OS_AUTH_TYPE': 'none', 'OS_ENDPOINT': self.url}

    def get(self, path: str) -> dict:
        """Return a resource of the API: the CLI is slow to poll with.

        :raises: OSError, ValueError when there is no good answer.
        """
        return json.loads(self.call('GET', path))

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """Send a request to the API, where the CLI is not the point.

        :param body: what to send as JSON.
        :raises: OSError when there is no good answer.
        """
        request = urllib.request.Request(
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'X-OpenStack-Ironic-API-Version': _API_VERSION,
                     'Content-Type': 'application/json',
                     **({'X-Auth-Token': self.token} if self.token
                        else {})})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def cli(self, *arguments: str) -> str:
        """Run openstack baremetal ... and return what it prints.

        :raises: LabError with what the client said.
        """
        result = subprocess.run(
            [str(_PROGRAMS / 'openstack'), 'baremetal', *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**os.environ, **self.client_environment()})
        if result.returncode:
            raise process.LabError(
                f'openstack baremetal {" ".join(arguments)}: '
                f'{result.stderr.strip().splitlines()[-1]}')
        return result.stdout
