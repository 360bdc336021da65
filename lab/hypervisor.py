# SPDX-License-Identifier: Apache-2.0

"""A libvirt daemon of the lab's own, and the machines that it runs.

The daemon runs in libvirt's session mode under directories of its own, so
that it neither sees nor disturbs a libvirtd of the machine. Session mode is
for unprivileged users: started by root, the daemon becomes "nobody".
Machines run under TCG: /dev/kvm may exist and still run nothing.
"""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import enum
import os
import pathlib
import pwd
import uuid
from xml.sax import saxutils

import libvirt

from lab import boot_iso
from lab import process

_OVMF_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
_OVMF_VARS = '/usr/share/OVMF/OVMF_VARS_4M.fd'
# Of struct sockaddr_un; libvirt appends names of its own to the directory.
_SOCKET_PATH_MAX = 107
_SOCKET_SUFFIX = len('/config/libvirt/qemu/lib/domain-99-0123456789ab'
                     '/monitor.sock')

POOL = 'lab'
#: Of machines whose agent is reached, unless they are told another one: each
#: has a network of its own.
MAC = '52:54:00:12:34:56'
#: Where machines reach what listens on 127.0.0.1 here: QEMU's user
#: networking.
HOST = '10.0.2.2'

# The firmware is named outright: automatic selection picks a build that
# needs SMM. The chipset is the i440fx, since Debian's cloud kernel drives
# its IDE controller but not the q35's AHCI.
_DOMAIN = """\
<domain type='qemu'
        xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    {firmware}
    <boot dev='hd'/>
  </os>
  <features><acpi/></features>
  {cpu}
  <on_reboot>restart</on_reboot>
  <devices>
    <controller type='ide' index='0'/>
    <serial type='file'>
      <source path='{console}' append='on'/>
      <target port='0'/>
    </serial>
    {disk}
    {network}
    {tpm}
    <memballoon model='none'/>
  </devices>
  {options}
</domain>
"""

_DISK = """\
<disk type='file' device='disk'>
      <driver name='qemu' type='raw' discard='unmap'/>
      <source file='{path}'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""

_NETWORK = """\
<interface type='user'>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>"""

# libvirt has no port forwarding of its own for user networking. The card's
# slot is one that libvirt does not give to another.
_FORWARDING_NETWORK = """\
<qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=net{forwarded}'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=net,addr=0x10,mac={mac},romfile='/>
  </qemu:commandline>"""

_FORWARDED = ',hostfwd=tcp:127.0.0.1:{port}-:{inside}'

# Of swtpm, which libvirt starts and keeps the state of.
_TPM = """\
<tpm model='tpm-crb'>
      <backend type='emulator' version='2.0'/>
    </tpm>"""

# A processor by its name, and the largest one that TCG can be.
_CPU = "<cpu mode='custom'><model>{}</model></cpu>"
_LARGE_CPU = "<cpu mode='maximum'/>"

# Named too, since the emulator reads the boot mode from the loader's type.
_BIOS = "<loader type='rom'>/usr/share/seabios/bios-256k.bin</loader>"

_UEFI = """\
<loader readonly='yes' type='pflash'>{code}</loader>
    <nvram template='{template}'>{nvram}</nvram>"""

_STORAGE_POOL = """\
<pool type='dir'>
  <name>{name}</name>
  <target><path>{path}</path></target>
</pool>
"""


class Firmware(enum.Enum):
    """How a machine starts; the value is Ironic's boot_mode."""

    BIOS = 'bios'
    UEFI = 'uefi'


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What is in a machine.

    :ivar memory: MiB.
    :ivar disk: bytes of /dev/vda; 0 for no disk.
    :ivar agent_port: port of 127.0.0.1 at which the agent in the machine
        is reached, or None.
    :ivar ssh_port: port of 127.0.0.1 that leads to port 22 of a machine with
        an agent, or None.
    :ivar mac: of the card of a machine with an agent.
    :ivar tpm: whether there is a TPM 2.0.
    :ivar cpu: a model of QEMU's, "" for all that it can. The least is the
        default; newer distributions are built for x86-64-v2 or -v3.
    """

    memory: int = 512
    disk: int = 0
    agent_port: int | None = None
    ssh_port: int | None = None
    mac: str = MAC
    tpm: bool = False
    cpu: str = 'qemu64'


class Libvirtd(process.Service):
    """libvirtd in session mode, with a storage pool for virtual media."""

    def __init__(self, directory: pathlib.Path, *,
                 outlives: bool = False) -> None:
        super().__init__('libvirtd', directory, outlives=outlives)
        if len(str(directory)) + _SOCKET_SUFFIX > _SOCKET_PATH_MAX:
            raise process.LabError(
                f'{directory} is too long for the paths of libvirt\'s '
                'sockets: choose a shorter temporary directory (TMPDIR)')
        self.socket = directory / 'run/libvirt/libvirt-sock'
        self.uri = f'qemu+unix:///session?socket={self.socket}'
        self.media_directory = directory / 'media'
        self._machine_directory = directory / 'machines'
        self._user = (pwd.getpwnam('nobody') if os.geteuid() == 0
                      else pwd.getpwuid(os.geteuid()))
        settings = directory / 'config/libvirt'
        settings.mkdir(parents=True)
        for name in ('run', 'cache', 'data', 'media', 'machines'):
            (directory / name).mkdir()
        (settings / 'qemu.conf').write_text(
            # Without virtlogd, which would be one more daemon to mind.
            'stdio_handler = "file"\n'
            # Bounds what a machine can write if a lab is killed.
            'max_core = 0\n')
        (settings / 'libvirtd.conf').write_text('log_level = 3\n')
        self._give_to_user()

    def _give_to_user(self) -> None:
        if os.geteuid() != 0:
            return
        for path in (self.directory, *self.directory.rglob('*')):
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def command(self) -> Sequence[str]:
        return ['/usr/sbin/libvirtd', '--config',
                str(self.directory / 'config/libvirt/libvirtd.conf'),
                '--pid-file', str(self.directory / 'libvirtd.pid')]

    def environment(self) -> Mapping[str, str]:
        return {
            'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
            'LANG': 'C.UTF-8',
            'USER': self._user.pw_name,
            'HOME': str(self.directory),
            'TMPDIR': str(self.directory),
            'XDG_RUNTIME_DIR': str(self.directory / 'run'),
            'XDG_CONFIG_HOME': str(self.directory / 'config'),
            'XDG_CACHE_HOME': str(self.directory / 'cache'),
            'XDG_DATA_HOME': str(self.directory / 'data'),
        }

    def prepare_child(self) -> None:
        if os.geteuid() == 0:
            process.demote(self._user.pw_uid, self._user.pw_gid)()

    def is_ready(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            with self.connection():
                return True
        except libvirt.libvirtError:
            return False

    @contextlib.contextmanager
    def connection(self):
        """Yield a libvirt connection to this daemon."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def start(self) -> None:
        # Errors are raised as exceptions; the library would print them too.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        super().start()
        with self.connection() as connection:
            pool = connection.storagePoolDefineXML(_STORAGE_POOL.format(
                name=POOL, path=saxutils.escape(str(self.media_directory))))
            pool.create()

    def stop(self) -> None:
        """Stop every machine, then the daemon."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(libvirt.libvirtError):
                with self.connection() as connection:
                    for domain in connection.listAllDomains():
                        with contextlib.suppress(libvirt.libvirtError):
                            domain.destroy()
        super().stop()

    def add_machine(self, name: str, firmware: Firmware,
                    hardware: Hardware = Hardware()) -> 'Machine':
        """Define a machine, switched off."""
        identity = str(uuid.uuid4())
        console = self._machine_directory / f'{name}.console'
        boot = _BIOS
        if firmware is Firmware.UEFI:
            boot = _UEFI.format(
                code=_OVMF_CODE, template=_OVMF_VARS,
                nvram=self._machine_directory / f'{name}.nvram')
        disk, network, options = '', _NETWORK, ''
        if hardware.disk:
            path = self._machine_directory / f'{name}.disk'
            path.touch()
            os.truncate(path, hardware.disk)
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
            disk = _DISK.format(path=path)
        if hardware.agent_port is not None:
            network = ''
            ports = {9999: hardware.agent_port, 22: hardware.ssh_port}
            forwarded = ''.join(
                _FORWARDED.format(port=port, inside=inside)
                for inside, port in ports.items() if port is not None)
            options = _FORWARDING_NETWORK.format(mac=hardware.mac,
                                                 forwarded=forwarded)
        with self.connection() as connection:
            connection.defineXML(_DOMAIN.format(
                name=name, uuid=identity, firmware=boot, console=console,
                memory=hardware.memory, disk=disk, network=network,
                tpm=_TPM if hardware.tpm else '',
                cpu=(_CPU.format(hardware.cpu) if hardware.cpu
                     else _LARGE_CPU),
                options=options))
        return Machine(self, name, identity, firmware, console)

    def remove_machine(self, machine: 'Machine') -> None:
        """Switch a machine off and forget it."""
        with self.connection() as connection:
            domain = connection.lookupByUUIDString(machine.identity)
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
        machine.disk_path.unlink(missing_ok=True)


class Machine:
    """One machine made of QEMU; its BMC is the emulator."""

    def __init__(self, hypervisor: Libvirtd, name: str, identity: str,
                 firmware: Firmware, console_path: pathlib.Path) -> None:
        self.hypervisor = hypervisor
        self.name = name
        self.identity = identity
        self.firmware = firmware
        self.console_path = console_path
        #: Where its disk is, if it has one.
        self.disk_path = console_path.with_suffix('.disk')

    def console(self) -> str:
        """Return all that the machine has written to its serial port."""
        try:
            return self.console_path.read_text(errors='replace')
        except FileNotFoundError:
            return ''

    def reports(self) -> list[boot_iso.Report]:
        """Return what the lab's ISO reported at each boot of the machine."""
        return boot_iso.parse_reports(self.console())

    def is_on(self) -> bool:
        """Tell whether the machine is switched on."""
        with self.hypervisor.connection() as connection:
            return bool(connection.lookupByUUIDString(
                self.identity).isActive())
