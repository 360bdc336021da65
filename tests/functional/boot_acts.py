# SPDX-License-Identifier: Apache-2.0

"""How a boot is begun, and how it is ended, over Ironic's API."""

from collections.abc import Callable, Mapping
import hashlib
import pathlib

from lab import process
from tests.functional import boot_matrix

Host = boot_matrix.Host

_TARGET = {'iqn': 'iqn.2001-04.com.example:isos', 'portal': '192.0.2.9:3260',
           'lun': 5}


class Begins:
    """Begins of a boot: each is a method that returns a host.

    :param host: makes a new one.
    :param iso: that boots.
    :param url: of the web server, at which ``disk.img`` is ``image``.
    """

    def __init__(self, host: Callable[[], Host], iso: pathlib.Path,
                 url: str, image: bytes) -> None:
        self._host = host
        self._iso = f'file://{iso}'
        self._image = {
            'image_source': f'{url}/disk.img', 'image_type': 'whole-disk',
            'image_disk_format': 'raw', 'image_os_hash_algo': 'sha256',
            'image_os_hash_value': hashlib.sha256(image).hexdigest()}

    def begin(self, name: str) -> Host:
        """Begin a boot by the name of its method, with spaces."""
        return getattr(self, name.replace(' ', '_'))()

    def ramdisk_once(self) -> Host:
        host = self._ramdisk('once')
        host.remember()
        return host

    def ramdisk_for_ever(self) -> Host:
        host = self._ramdisk('forever')
        host.remember()
        return host

    def data_image(self) -> Host:
        host = self._ramdisk('forever')
        boot = host.inserted()
        host.call('PUT', '/vendor_passthru?method=data_image',
                  {'files': {'hello': 'world'}})
        process.await_condition(
            lambda: len(host.inserted()) == 2, 'a data image',
            timeout=boot_matrix.PATIENCE)
        slot, = host.inserted().keys() - boot.keys()
        host.remember(slot, 'data image')
        return host

    def sanboot(self) -> Host:
        return self._ramdisk(
            'once', boot_interface='iso-sanboot',
            driver_info={'sanboot_target': _TARGET,
                         'rescue_kernel': self._iso,
                         'rescue_ramdisk': self._iso})

    def agent(self) -> Host:
        """An agent that is to deploy a disk image, and has not called."""
        host = self._new(deploy_interface='direct',
                         driver_info={'deploy_iso': self._iso},
                         instance_info=self._image)
        host.provision('active', 'wait call-back')
        host.remember()
        return host

    def rescue(self) -> Host:
        """An agent in the place of what boots once."""
        host = self._ramdisk('once')
        rescue(host)
        host.remember()
        return host

    def _ramdisk(self, mode: str, **values: object) -> Host:
        host = self._new(instance_info={
            'boot_iso': self._iso, 'ext_boot_mode': mode},
            **{'driver_info': {'rescue_iso': self._iso}, **values})
        host.provision('active', 'active')
        return host

    def _new(self, **values: object) -> Host:
        host = self._host()
        host.create(rescue_interface='agent', **values)
        return host


def rescue(host: Host) -> None:
    """Have the rescue's agent boot; it never calls."""
    host.provision('rescue', 'rescue wait', rescue_password='secret')


def _boot_complete(host: Host) -> None:
    host.patch(instance_info__ext_boot_completed_at='2026-01-01T00:00Z')
    # An installer's last script reports, and it restarts the machine.
    host.call('PUT', '/states/power', {'target': 'power off'})


def _localboot(host: Host) -> None:
    host.patch(instance_info__boot_iso=None)


def _eject(host: Host) -> None:
    host.call('DELETE', '/vendor_passthru?method=boot_media')


def _delete_vmedia(host: Host) -> None:
    host.call('DELETE', '/vmedia')


def _undeploy(host: Host) -> None:
    host.provision('deleted', 'available')


def _rebuild(host: Host) -> None:
    host.provision('rebuild', 'active')


def _rescue(host: Host) -> None:
    if host.provision_state() == 'active':
        rescue(host)
    host.provision('abort', 'rescue failed')
    host.provision('unrescue', 'active')


def _delete(host: Host) -> None:
    host.call('PUT', '/maintenance', {'reason': 'gone'})
    host.call('DELETE')


def _driver_change(host: Host) -> None:
    _change(host, driver='redfish', boot_interface='redfish-virtual-media',
            management_interface='redfish', vendor_interface='no-vendor')


def _interface_change(host: Host) -> None:
    _change(host, boot_interface='redfish-virtual-media')


def _change(host: Host, **fields: object) -> None:
    host.call('PUT', '/maintenance', {'reason': 'another driver'})
    host.patch(**fields)
    host.call('DELETE', '/maintenance')


def _lose_bmc(host: Host) -> None:
    host.lose_media()
    if host.provision_state() != 'active':
        # An agent gets its medium back when Ironic starts the machine.
        host.call('PUT', '/states/power', {'target': 'rebooting'})


#: End -> what brings it about. One is the conductor's, and of all hosts.
ENDS: Mapping[str, Callable[[Host], None]] = {
    'boot-complete': _boot_complete, 'localboot': _localboot,
    'media eject': _eject, 'DELETE vmedia': _delete_vmedia,
    'undeploy': _undeploy, 'rebuild': _rebuild, 'rescue': _rescue,
    'delete': _delete, 'driver change': _driver_change,
    'interface change': _interface_change, 'BMC lost': _lose_bmc,
    'conductor killed': lambda host: None}
