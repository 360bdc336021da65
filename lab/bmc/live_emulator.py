# SPDX-License-Identifier: Apache-2.0

"""sushy-emulator with drives that change under a running machine.

sushy-tools (2.2) puts media into the definition of a libvirt domain only,
where the machine finds them at its next start; a BMC's machine sees them at
once. Run as a program, with the emulator's own arguments.
"""

from xml.sax import saxutils

import libvirt
from sushy_tools.emulator import main
from sushy_tools.emulator.resources.systems import libvirtdriver
from sushy_tools import error

# Redfish's name of a drive -> libvirt's, see hypervisor.
DRIVES = {'Cd': 'hdc', 'Cd2': 'hdd'}
#: A drive for USB sticks, and the disk that a stick in it is. It hangs on a
#: SCSI controller: Debian's cloud kernel has no USB.
STICK = 'Usb'
CONTROLLER = "<controller type='scsi' index='0' model='virtio-scsi'/>"
_STICK = 'sda'

_DISK = """<disk type='file' device='{device}'>
  <driver name='qemu' type='raw'/>
  {source}
  <target dev='{target}' bus='{bus}'/>
  <readonly/>
</disk>
"""


def drive(target: str, path: str | None = None) -> str:
    """Return libvirt's description of a CD drive, empty without a path."""
    return _DISK.format(device='cdrom', source=_source(path), target=target,
                        bus='ide')


def _stick(path: str | None = None) -> str:
    return _DISK.format(device='disk', source=_source(path), target=_STICK,
                        bus='scsi')


def _source(path: str | None) -> str:
    return f'<source file={saxutils.quoteattr(path)}/>' if path else ''


class LiveDriver(libvirtdriver.LibvirtDriver):
    """Changes the medium in the definition and in the running machine."""

    def set_boot_image(self, identity: str, device: str,
                       boot_image: str | None = None,
                       write_protected: bool = True) -> None:
        domain = self._get_domain(identity)
        path = None
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        if domain.isActive():
            flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
        with libvirtdriver.libvirt_open(self._uri) as connection:
            if boot_image:
                path = self._upload_image(domain, connection, boot_image)
            try:
                if device == STICK:
                    self._replug(domain, path, flags)
                else:
                    domain.updateDeviceFlags(
                        drive(DRIVES[device], path),
                        flags | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)
            except libvirt.libvirtError as exc:
                raise error.FishyError(
                    f'cannot change the medium in {device}: {exc}')

    @staticmethod
    def _replug(domain: libvirt.virDomain, path: str | None, flags: int
                ) -> None:
        if f"dev='{_STICK}'" in domain.XMLDesc():
            domain.detachDeviceFlags(_stick(), flags)
        if path:
            domain.attachDeviceFlags(_stick(path), flags)


if __name__ == '__main__':
    main.libvirtdriver.LibvirtDriver = LiveDriver
    main.main()
