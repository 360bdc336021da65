# SPDX-License-Identifier: Apache-2.0

"""The hosts of a site: Ironic's API, conductors, media and boot servers.

Each has a directory of its own, which no other one uses.
"""

import collections.abc
import dataclasses
import os
import pathlib
import random
import sys
import time
import urllib.request

from lab import process

_BIN = pathlib.Path(sys.executable).parent
_PATH = os.pathsep.join((str(_BIN), os.environ.get('PATH', ''), '/usr/sbin'))

_SHARED = """\
[DEFAULT]
auth_strategy = noauth
{rpc}
hash_ring_reset_interval = 5
use_stderr = true
debug = false
my_ip = 127.0.0.1
enabled_hardware_types = redfish-ext,redfish
enabled_bios_interfaces = no-bios
enabled_boot_interfaces = redfish-iso,redfish-virtual-media
enabled_console_interfaces = no-console
enabled_deploy_interfaces = ramdisk,direct
enabled_firmware_interfaces = no-firmware
enabled_inspect_interfaces = no-inspect
enabled_management_interfaces = redfish-ext,redfish
enabled_network_interfaces = noop
enabled_power_interfaces = redfish
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
enabled_vendor_interfaces = redfish-ext,no-vendor

[conductor]
automated_clean = false
heartbeat_interval = 3
heartbeat_timeout = {silence}
sync_local_state_interval = 10
sync_power_state_interval = 60
power_failure_recovery_interval = 20
workers_pool_size = 100
power_state_change_timeout = 60

[database]
connection = {ironic}
max_retries = -1

[redfish]
use_swift = false

[ext_boot]
media_timeout = 15
media_poll_interval = 0.5
insert_retry_interval = 1

[ext_data_image]
reconcile_interval = 10

[ext_media]
connection = {ext_media}
delivery = auto
server_url = {media_url}

[ext_catalog]
connection = {ext_catalog}

[ext_server]
public_url = {boot_url}
token_key_file = {directory}/boot.key
"""
#: Seconds after which a conductor that says nothing is dead: on a busy
#: machine one that lives may say nothing for a quarter of a minute.
_SILENCE = 30
#: Seconds in which a server that ends while it starts is started anew, and
#: before that: its unit's RestartSec.
_PERSISTS, _RESTART = 120.0, 2.0
# With any other port Ironic (39) locks nodes by one name, and frees those of
# another at its next start: who is killed then leaves its nodes locked.
_JSON_RPC = 8089
_RABBIT = """\
rpc_transport = oslo
transport_url = rabbit://guest:guest@127.0.0.1:{port}/
"""
_API = """\
[DEFAULT]
state_path = {directory}
tempdir = {directory}/tmp
[api]
host_ip = 127.0.0.1
port = {port}
api_workers = 1
[oslo_concurrency]
lock_path = {directory}/locks
[ext_state]
dir = {directory}/state
"""
_CONDUCTOR = """\
[DEFAULT]
# By JSON-RPC that is where it is reached.
host = {address}
state_path = {directory}
tempdir = {directory}/tmp
[json_rpc]
auth_strategy = noauth
host_ip = {address}
port = {port}
[deploy]
http_root = {directory}/http
http_url = {web_url}/{name}
iso_master_path = {directory}/iso_master
[oslo_concurrency]
lock_path = {directory}/locks
[ext_state]
dir = {directory}/state
[ext_images]
min_free_space = 0
"""
_MEDIA = """\
[ext_images]
cache_dir = {directory}/store
min_free_space = 0
[ext_media]
connection = {ext_media}
overlay_dir = {directory}/overlays
host_ip = 127.0.0.1
port = {port}
workers = 1
max_client_connections = 0
stop_timeout = 2
[ext_state]
dir = {directory}/state
"""
_BOOT = """\
[ext_server]
auth_strategy = noauth
host_ip = 127.0.0.1
port = {port}
public_url = {boot_url}
token_key_file = {site}/boot.key
hosts_file = {directory}/hosts.sqlite
[ext_ironic]
auth_type = none
endpoint_override = {api_url}
[ext_catalog]
connection = {ext_catalog}
iso_dir = {directory}/isos
[ext_images]
cache_dir = {directory}/store
min_free_space = 0
[ext_state]
dir = {directory}/state
"""


def program(name: str) -> str:
    """Return the path of a command of this environment."""
    return str(_BIN / name)


@dataclasses.dataclass(frozen=True)
class Addresses:
    """Where all of a site is.

    :ivar databases: name -> URL.
    :ivar rabbit: port of RabbitMQ, 0 where JSON-RPC takes its place.
    :ivar network: the first three numbers of the addresses of conductors.
    """

    directory: pathlib.Path
    databases: collections.abc.Mapping[str, str]
    rabbit: int
    api_port: int
    media_url: str
    boot_url: str
    web_url: str
    network: str = dataclasses.field(default_factory=lambda: (
        f'127.{random.randint(2, 254)}.{random.randint(0, 255)}'))

    @property
    def api_url(self) -> str:
        """URL of Ironic's API."""
        return f'http://127.0.0.1:{self.api_port}'

    def of(self, conductor: str) -> str:
        """Return the address of a conductor, which is its name for Ironic."""
        return f'{self.network}.{conductor[1:]}'

    def write(self, skew: int) -> pathlib.Path:
        """Write what API and conductors share; return its path.

        :param skew: seconds between the clocks of two conductors: Ironic (39)
            takes one for dead whose clock is so much behind.
        """
        path = self.directory / 'common.conf'
        path.write_text(_SHARED.format(
            rpc=_RABBIT.format(port=self.rabbit) if self.rabbit
            else 'rpc_transport = json-rpc', directory=self.directory,
            media_url=self.media_url, boot_url=self.boot_url,
            silence=_SILENCE + skew, **self.databases))
        path.chmod(0o600)
        return path


class Host(process.Service):
    """One process with its configuration in its directory.

    :param program: name of the command.
    :param text: of its own configuration, with ``{port}`` and so on.
    :param shared: a file to read before that.
    :ivar executable: the words that a command line of it begins with.
    :ivar extra_environment: what its environment has, too.
    """

    #: Seconds; ten of them come up at once on two processors.
    start_timeout = 400.0

    def __init__(self, name: str, program: str, port: int, text: str,
                 addresses: Addresses, shared: pathlib.Path | None = None
                 ) -> None:
        directory = addresses.directory / name
        directory.mkdir()
        for folder in ('tmp', 'http', 'locks'):
            (directory / folder).mkdir()
        super().__init__(name, directory)
        self.program = program
        self.port = port
        self.executable = [str(_BIN / program)]
        self.extra_environment: dict[str, str] = {}
        own = directory / 'own.conf'
        own.write_text(text.format(
            name=name, directory=directory, port=port,
            address=addresses.of(name),
            site=addresses.directory, media_url=addresses.media_url,
            boot_url=addresses.boot_url, web_url=addresses.web_url,
            api_url=addresses.api_url, **addresses.databases))
        own.chmod(0o600)
        self.files = [path for path in (shared, own) if path]

    def command(self, *more: str) -> list[str]:
        """Return the command line."""
        return [*self.executable,
                *(word for path in self.files
                  for word in ('--config-file', str(path))), *more]

    def environment(self) -> dict[str, str]:
        """Return the environment."""
        return {**os.environ, 'PATH': _PATH, 'PYTHONUNBUFFERED': '1',
                'TMPDIR': str(self.directory / 'tmp'),
                **self.extra_environment}

    def is_ready(self) -> bool:
        """It answers, if that is known."""
        return process.http_answers(f'http://127.0.0.1:{self.port}/')


class Conductor(Host):
    """It is ready when Ironic's API knows that it lives."""

    def begin(self) -> None:
        """Note how much of the log is old."""
        self._seen = (self.log_path.stat().st_size
                      if self.log_path.exists() else 0)

    def start(self) -> None:
        """Start, and wait until it has its drivers."""
        self.begin()
        super().start()

    def is_ready(self) -> bool:
        """It says so."""
        if not self.log_path.exists():
            return False
        with open(self.log_path, 'rb') as log:
            log.seek(self._seen)
            return b'Successfully started conductor' in log.read()


class Server(Host):
    """A server with /readyz, which starts as its unit of systemd does."""

    def start(self) -> None:
        """Start; anew where it ends, as it does when its database is away.

        :raises: LabError when it does not stay.
        """
        deadline = time.monotonic() + _PERSISTS
        while True:
            try:
                super().start()
                return
            except process.LabError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_RESTART)

    def is_ready(self) -> bool:
        """It is ready."""
        try:
            with urllib.request.urlopen(
                    f'http://127.0.0.1:{self.port}/readyz',
                    timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def api(addresses: Addresses, shared: pathlib.Path) -> Host:
    """Return Ironic's API."""
    return Host('api', 'ironic-api', addresses.api_port, _API, addresses,
                shared)


def conductor(name: str, addresses: Addresses, shared: pathlib.Path
              ) -> Conductor:
    """Return a conductor."""
    return Conductor(name, 'ironic-conductor', _JSON_RPC, _CONDUCTOR,
                     addresses, shared)


def media_server(name: str, port: int, addresses: Addresses) -> Server:
    """Return a media server."""
    return Server(name, 'ironic-media-server', port, _MEDIA, addresses)


def boot_server(name: str, port: int, addresses: Addresses) -> Server:
    """Return a boot server."""
    return Server(name, 'ironic-boot-server', port, _BOOT, addresses)
