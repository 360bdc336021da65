# SPDX-License-Identifier: Apache-2.0

"""What the tutorials of the documentation begin with, in a lab that is kept.

A folder for each: its machines, what stands in for the ISO, and a file of
settings that is read by a shell.
"""

from collections.abc import Mapping
import configparser
import contextlib
import os
import pathlib
import shlex
import shutil
import sys

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives import serialization

from lab import bare_metal
from lab import hypervisor
from lab import live_machines
from lab import process
from lab import pxe
from lab import tgtd
from lab.tutorials import container
from lab.tutorials import installer
from lab.tutorials import registry

#: Tutorial -> its machines. The first one is the one of $SYSTEM.
MACHINES = {
    'kickstart-many': ('server1', 'server2', 'server3'),
    'debian-preseed': ('server-5',),
    'ubuntu-autoinstall': ('server-6',),
    'coreos-live': ('worker-1',),
    'cloud-init-disk': ('server-7',),
    'iscsi': ('server-8',),
    'bootc': ('server-9',),
    'running-ironic': ('old-1',)}
#: The ISO of a tutorial, which is at $ISO_URL; and what lies in its folder.
_ISOS = {'debian-preseed': 'debian.iso', 'ubuntu-autoinstall': 'ubuntu.iso',
         'coreos-live': 'coreos.iso', 'iscsi': 'live.iso',
         'running-ironic': 'live.iso'}
_FILES = {'kickstart-many': 'fedora.iso', 'coreos-live': 'coreos.iso'}
#: Bytes: what boots from it is a sector.
_DISK = 64 << 20
_MAC = '52:54:00:00:00:08'
#: Of the machine that becomes a container: MiB, and bytes.
_LARGE_MEMORY = 3072
_LARGE_DISK = 8 << 30
#: Of a page: what its reader is to have as files.
_EXAMPLES = (pathlib.Path(__file__).parents[2] / 'doc/source/admin/examples',
             ('move-node.sh', 'move-node-back.sh', 'nodes-left.sh'))
#: An Ironic that has nothing of the suite.
_STOCK = """
[DEFAULT]
enabled_management_interfaces = redfish
enabled_vendor_interfaces = no-vendor,redfish
[ext_boot]
leaving_interval = 2
"""
_LATER = """\
# The sections [ext_...] are the suite's, for when it is added: its state is in
# this folder, and what a node leaves is looked for every two seconds instead
# of once a minute. Without the suite nobody reads them.
"""
_START = """\
#!/bin/bash
# Start this Ironic, again if it runs, with what ironic.conf says now.
set -e
cd "$(dirname "$0")"
if [ -e ironic.pid ]; then
    kill "$(cat ironic.pid)" || true
    while kill -0 "$(cat ironic.pid)" 2>/dev/null; do sleep 1; done
fi
setsid ironic --config-file {config} >> ironic.out 2>&1 < /dev/null &
echo $! > ironic.pid
for second in $(seq 300); do
    sleep 1
    openstack baremetal driver list 2>/dev/null | grep redfish && exit
    kill -0 "$(cat ironic.pid)" || break
done
tail ironic.out
exit 1
"""
_NODE = """\
#!/bin/bash
# Have a node with Ironic's own interfaces that is active.
set -e
openstack baremetal node create --name old-1 --driver redfish \\
    --boot-interface redfish-virtual-media --deploy-interface ramdisk \\
    --no-automated-clean --property capabilities=boot_mode:bios \\
    --driver-info redfish_address="$BMC" \\
    --driver-info redfish_system_id="$SYSTEM" \\
    --driver-info redfish_username="$BMC_USER" \\
    --driver-info redfish_password="$BMC_PASSWORD"
openstack baremetal node manage old-1 --wait 600
openstack baremetal node provide old-1 --wait 600
openstack baremetal node set old-1 --instance-info boot_iso="$ISO_URL"
openstack baremetal node deploy old-1 --wait 600
"""


class TutorialLab(live_machines.LiveLab):
    """A lab with what the tutorials take.

    Without root there is no tgtd, and no tutorial of iSCSI.

    :ivar folder: where their folders are, after fill().
    :ivar machines: name -> machine, after fill().
    """

    other_deploy_interfaces = ('bootc-ext',)
    _tgtd: tgtd.Tgtd | None = None

    def _prepare(self, services: contextlib.ExitStack) -> str:
        self._registry = registry.Registry(self._subdirectory('registry'),
                                           outlives=self._outlives)
        self._run(services, self._registry)
        text = self._registry.settings
        if not os.geteuid():
            folder = self._subdirectory('san')
            (folder / 'exports').mkdir(mode=0o700)
            self._tgtd = tgtd.Tgtd(folder, outlives=self._outlives)
            self._run(services, self._tgtd)
            self.other_boot_interfaces = ('iso-sanboot',)
            text += pxe.settings(folder, self._tgtd)
        return text

    def services(self) -> list[process.Service]:
        return [*super().services(), self._registry,
                *([self._tgtd] if self._tgtd else [])]

    def fill(self) -> None:
        """Make the machines and the folders."""
        self.folder = self._subdirectory('tutorials')
        self.machines: dict[str, hypervisor.Machine] = {}
        self._image = self.directory / 'installer.iso'
        installer.build(self._image, self._cache)
        for name in sorted({*_ISOS.values(), *_FILES.values()}):
            os.link(self._image, self.images / name)
        for tutorial in MACHINES:
            if tutorial != 'iscsi' or self._tgtd:
                self._fill(tutorial)

    def _fill(self, tutorial: str) -> None:
        folder = self.folder / tutorial
        folder.mkdir()
        firmware = hypervisor.Firmware.BIOS
        hardware = hypervisor.Hardware(disk=_DISK)
        if tutorial == 'bootc':
            firmware = hypervisor.Firmware.UEFI
            hardware = hypervisor.Hardware(
                memory=_LARGE_MEMORY, disk=_LARGE_DISK,
                agent_port=process.free_port())
        machines = [
            self.hypervisor.add_machine(name, firmware, hardware)
            for name in MACHINES[tutorial]]
        self.machines.update({one.name: one for one in machines})
        systems = [f'/redfish/v1/Systems/{one.identity}' for one in machines]
        for one in machines:
            (folder / one.console_path.name).symlink_to(one.console_path)
        values = {'BMC': self.emulator.url, 'SYSTEM': systems[0],
                  'BMC_USER': 'admin', 'BMC_PASSWORD': 'secret'}
        if name := _ISOS.get(tutorial):
            values['ISO_URL'] = f'{self.web.image_url}/{name}'
        if name := _FILES.get(tutorial):
            shutil.copy(self._image, folder / name)
        if tutorial == 'kickstart-many':
            (folder / 'machines.txt').write_text(''.join(
                f'{one.name} {self.emulator.url} {system}\n'
                for one, system in zip(machines, systems)))
        elif tutorial == 'ubuntu-autoinstall':
            (folder / 'id.pub').write_bytes(_key())
        elif tutorial == 'cloud-init-disk':
            self._run_from_disk(machines[0])
        elif tutorial == 'iscsi':
            pxe.plug(machines[0], _MAC,
                     f'http://{hypervisor.HOST}:{self.web.port}/boot.ipxe')
            values.update(MAC=_MAC, IRONIC_CONF=str(self.ironic.config))
        elif tutorial == 'bootc':
            iso = self.images / 'deploy.iso'
            container.write_command(
                folder / 'build', iso, hardware.agent_port,
                self._registry.push_command(container.SOURCE,
                                            container.NAME))
            values.update(
                MAC=hypervisor.MAC,
                IMAGE=f'{self._registry.host}/{container.NAME}',
                PULL_SECRET=self._registry.secret,
                DEPLOY_ISO_URL=f'{self.web.image_url}/{iso.name}')
        elif tutorial == 'running-ironic':
            values.update(self._add_stock_ironic(folder))
        self._write_settings(folder / 'settings', values)

    def _add_stock_ironic(self, folder: pathlib.Path) -> dict[str, str]:
        """Have another Ironic that can be started; return where it is."""
        stock = bare_metal.Ironic(
            folder, http_root=self.http_root, http_url=self.web.url,
            images=self.images, hardware_types='redfish',
            boot_interfaces='redfish-virtual-media',
            extra=_STOCK.format(folder=folder))
        stock.create_schema()
        # Each option once: it is there to be edited.
        settings = configparser.RawConfigParser(strict=False,
                                                default_section='')
        settings.read(stock.config)
        with open(stock.config, 'w') as file:
            file.write(_LATER)
            settings.write(file)
        for name, text in (
                ('start-ironic', _START.format(config=stock.config)),
                ('make-node', _NODE)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        for name in _EXAMPLES[1]:
            shutil.copy(_EXAMPLES[0] / name, folder)
        return {'OS_ENDPOINT': stock.url}

    def _run_from_disk(self, machine: hypervisor.Machine) -> None:
        """Have a machine that runs, and not from its drive."""
        with open(machine.disk_path, 'r+b') as disk:
            disk.write(self._image.read_bytes())
        with self.hypervisor.connection() as connection:
            connection.lookupByUUIDString(machine.identity).create()

    def _write_settings(self, path: pathlib.Path,
                        values: Mapping[str, str]) -> None:
        programs = pathlib.Path(sys.executable).parent
        every = {**self.ironic.client_environment(),
                 'IRONIC_BOOT_SERVER_URL': self.boot_server.url, **values}
        path.write_text(''.join(
            [f'export PATH={shlex.quote(str(programs))}:$PATH:/usr/sbin\n',
             *(f'export {key}={shlex.quote(value)}\n'
               for key, value in every.items())]))


def _key() -> bytes:
    """Return the public half of a new SSH key, as a line."""
    return ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(
        serialization.Encoding.OpenSSH,
        serialization.PublicFormat.OpenSSH) + b' operator@lab\n'
