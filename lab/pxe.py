# SPDX-License-Identifier: Apache-2.0

"""A lab whose machines boot over the network, by iPXE.

QEMU's user networking is their DHCP server, and reaches what listens on
this host's loopback.
"""

from collections.abc import Callable, Iterator
import contextlib
import pathlib
import re
import subprocess
from typing import Any
from xml.etree import ElementTree

import libvirt

from lab import hypervisor
from lab import process
from lab import stack
from lab import tgtd

_QEMU = 'http://libvirt.org/schemas/domain/qemu/1.0'
# Before every other device, and with a card whose ROM is iPXE for both
# firmwares; OVMF has no driver of its own for it.
_CARD = ('-netdev', 'user,id=boot,bootfile={bootfile}',
         '-device', 'e1000,netdev=boot,mac={mac},bootindex=0,addr=0x1c')
# What stock Ironic puts there once, for all nodes.
_BOOT_SCRIPT = 'boot.ipxe'
_CONFIG = """
[dhcp]
dhcp_provider = none
[pxe]
tftp_root = {directory}/tftp
tftp_master_path = {directory}/tftp-master
[ext_san]
portal = {host}:{port}
export_dir = {directory}/exports
tgt_control_port = {number}
min_free_space = 0
look_interval = 1
rebuild_interval = 5
"""


class NetworkLab(stack.Lab):
    """A lab with a tgtd, and nodes of iso-sanboot."""

    other_boot_interfaces = ('redfish-iso',)

    def __init__(self, **options: Any) -> None:
        super().__init__(drivers=stack.Drivers(
            boot_interface='iso-sanboot'), **options)

    def _prepare(self, services: contextlib.ExitStack) -> str:
        folder = self._subdirectory('san')
        self.exports = folder / 'exports'
        self.exports.mkdir(mode=0o700)
        self.tgtd = tgtd.Tgtd(folder, outlives=self._outlives)
        self._run(services, self.tgtd)
        return settings(folder, self.tgtd)

    def services(self) -> list[process.Service]:
        return [*super().services(), self.tgtd]

    def published(self) -> list[pathlib.Path]:
        return [path for path in super().published()
                if path.name != _BOOT_SCRIPT]

    def create(self, name: str, firmware: hypervisor.Firmware,
               hardware: hypervisor.Hardware = hypervisor.Hardware()
               ) -> stack.Node:
        """Make a machine that boots over the network first, and its node.

        From this host the machine reaches media at hypervisor.HOST.
        """
        node = super().create(name, firmware, hardware)
        address = mac(node)
        plug(node.machine, address,
             f'http://{hypervisor.HOST}:{self.web.port}/{_BOOT_SCRIPT}')
        self.ironic.call('POST', '/v1/ports', {
            'node_uuid': node.identity, 'address': address})
        return node

    def script(self, node: stack.Node) -> str:
        """Return what the machine's iPXE reads, '' for nothing."""
        path = (self.http_root / 'pxelinux.cfg'
                / mac(node).replace(':', '-'))
        return path.read_text() if path.exists() else ''

    def targets(self) -> list[str]:
        """Return the IQNs of all targets, those of others included."""
        return re.findall(r'^Target \d+: (\S+)$', self._shown(),
                          re.MULTILINE)

    def sessions(self) -> list[str]:
        """Return the names of the machines that are logged in."""
        return re.findall(r'^ +Initiator: (\S+)', self._shown(),
                          re.MULTILINE)

    def _shown(self) -> str:
        return self.tgtd.tgtadm('target', 'show')

    def exported(self) -> list[pathlib.Path]:
        """Return the images that targets were made of."""
        return sorted(self.exports.rglob('*.iso'))

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let there be no room for images that are exported.

        :raises: LabError when mount(8) fails.
        """
        command = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'lab',
                   str(self.exports)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode:
            raise process.LabError(f'mount: {done.stderr.strip()}')
        try:
            yield
        finally:
            subprocess.run(['umount', '--lazy', str(self.exports)],
                           stdin=subprocess.DEVNULL, check=True)


def settings(folder: pathlib.Path, served_by: tgtd.Tgtd) -> str:
    """Return what Ironic is told where machines boot over iSCSI."""
    return _CONFIG.format(directory=folder, host=hypervisor.HOST,
                          port=served_by.port, number=served_by.number)


def plug(machine: hypervisor.Machine, mac: str, bootfile: str) -> None:
    """Let a machine boot over the network before anything else.

    libvirt knows no boot file for QEMU's user networking.
    """
    def change(domain: ElementTree.Element) -> None:
        system = domain.find('os')
        assert system is not None
        ElementTree.SubElement(system, 'bios', useserial='yes')
        line = ElementTree.SubElement(domain, f'{{{_QEMU}}}commandline')
        for word in _CARD:
            ElementTree.SubElement(
                line, f'{{{_QEMU}}}arg',
                value=word.format(bootfile=bootfile, mac=mac))

    _redefine(machine, change)


def unplug(machine: hypervisor.Machine) -> None:
    """Take the network card out again, see plug()."""
    def change(domain: ElementTree.Element) -> None:
        line = domain.find(f'{{{_QEMU}}}commandline')
        if line is not None:
            domain.remove(line)

    _redefine(machine, change)


def _redefine(machine: hypervisor.Machine,
              change: Callable[[ElementTree.Element], None]) -> None:
    ElementTree.register_namespace('qemu', _QEMU)
    with machine.hypervisor.connection() as connection:
        domain = connection.lookupByUUIDString(machine.identity)
        tree = ElementTree.fromstring(domain.XMLDesc(
            libvirt.VIR_DOMAIN_XML_INACTIVE))
        change(tree)
        connection.defineXML(ElementTree.tostring(tree, 'unicode'))


def mac(node: stack.Node) -> str:
    """Return the MAC of a node's card."""
    digits = node.identity.replace('-', '')[-6:]
    return '52:54:00:' + ':'.join(digits[i:i + 2] for i in (0, 2, 4))
