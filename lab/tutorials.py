# SPDX-License-Identifier: Apache-2.0

"""What the tutorials of the documentation begin with, in a lab that is kept.

A folder for each: its machines, what stands in for the ISO, and a file of
settings that is read by a shell.
"""

from collections.abc import Mapping
import contextlib
import os
import pathlib
import shlex
import shutil
import sys

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives import serialization

from lab import hypervisor
from lab import installer
from lab import live_machines
from lab import process
from lab import pxe
from lab import tgtd

#: Tutorial -> its machines. The first one is the one of $SYSTEM.
MACHINES = {
    'kickstart-many': ('server1', 'server2', 'server3'),
    'debian-preseed': ('server-5',),
    'ubuntu-autoinstall': ('server-6',),
    'coreos-live': ('worker-1',),
    'cloud-init-disk': ('server-7',),
    'iscsi': ('server-8',)}
#: The ISO of a tutorial, which is at $ISO_URL; and what lies in its folder.
_ISOS = {'debian-preseed': 'debian.iso', 'ubuntu-autoinstall': 'ubuntu.iso',
         'coreos-live': 'coreos.iso', 'iscsi': 'live.iso'}
_FILES = {'kickstart-many': 'fedora.iso', 'coreos-live': 'coreos.iso'}
#: Bytes: what boots from it is a sector.
_DISK = 64 << 20
_MAC = '52:54:00:00:00:08'


class TutorialLab(live_machines.LiveLab):
    """A lab with what the tutorials take.

    Without root there is no tgtd, and no tutorial of iSCSI.

    :ivar folder: where their folders are, after fill().
    """

    _tgtd: tgtd.Tgtd | None = None

    def _prepare(self, services: contextlib.ExitStack) -> str:
        text = ''
        if not os.geteuid():
            folder = self._subdirectory('san')
            (folder / 'exports').mkdir()
            self._tgtd = tgtd.Tgtd(folder, outlives=self._outlives)
            self._run(services, self._tgtd)
            text = pxe.settings(folder, self._tgtd)
        return text

    def services(self) -> list[process.Service]:
        return super().services() + ([self._tgtd] if self._tgtd else [])

    def fill(self) -> None:
        """Make the machines and the folders."""
        self.folder = self._subdirectory('tutorials')
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
        machines = [
            self.hypervisor.add_machine(
                name, hypervisor.Firmware.BIOS,
                hypervisor.Hardware(disk=_DISK))
            for name in MACHINES[tutorial]]
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
        self._write_settings(folder / 'settings', values)

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
