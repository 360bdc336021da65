# SPDX-License-Identifier: Apache-2.0

"""Hardware types: the stock ones plus the interfaces of this suite."""

from ironic.conf import CONF
from ironic.drivers import base
from ironic.drivers import drac
from ironic.drivers import generic
from ironic.drivers import hardware_type
from ironic.drivers import ipmi
from ironic.drivers import redfish

from ironic_ext.conf import state
from ironic_ext.drivers.boot import iso_sanboot
from ironic_ext.drivers.boot import redfish_iso
from ironic_ext.drivers.bootc import deploy as bootc
from ironic_ext.drivers import ironic_patches
from ironic_ext.drivers import management
from ironic_ext.drivers import vendor


class _Suite(hardware_type.AbstractHardwareType):
    """A stock type with more interfaces.

    Those of the stock type come first, so that its defaults stay.
    """

    _boot: tuple[type[base.BootInterface], ...] = (iso_sanboot.IsoSanboot,)
    _deploy: tuple[type[base.DeployInterface], ...] = (bootc.BootcDeploy,)
    _management: tuple[type[base.ManagementInterface], ...] = ()
    _vendor: tuple[type[base.VendorInterface], ...] = ()

    def __init__(self) -> None:
        super().__init__()
        state.settle(CONF)
        ironic_patches.install()

    @property
    def supported_boot_interfaces(self) -> list[type[base.BootInterface]]:
        """The stock interfaces, and those that boot ISOs."""
        return [*super().supported_boot_interfaces, *self._boot]

    @property
    def supported_deploy_interfaces(self) -> list[type[base.DeployInterface]]:
        """The stock interfaces, and the one for bootable containers."""
        return [*super().supported_deploy_interfaces, *self._deploy]

    @property
    def supported_management_interfaces(
            self) -> list[type[base.ManagementInterface]]:
        """The stock interfaces, and one with data images."""
        return [*super().supported_management_interfaces, *self._management]

    @property
    def supported_vendor_interfaces(self) -> list[type[base.VendorInterface]]:
        """The stock interfaces, and one with media and data images."""
        return [*super().supported_vendor_interfaces, *self._vendor]


class RedfishExtHardware(_Suite, redfish.RedfishHardware):
    """Machines with Redfish, of any vendor."""

    _boot = (redfish_iso.RedfishIsoBoot, iso_sanboot.IsoSanboot)
    _management = (management.RedfishExtManagement,)
    _vendor = (vendor.RedfishExtVendorPassthru,)


class IDRACExtHardware(_Suite, drac.IDRACHardware):
    """Machines of Dell, with an iDRAC."""

    _boot = (redfish_iso.RedfishIsoBoot, iso_sanboot.IsoSanboot)
    _management = (management.DracRedfishExtManagement,)
    _vendor = (vendor.RedfishExtVendorPassthru,)


class IPMIExtHardware(_Suite, ipmi.IPMIHardware):
    """Machines with IPMI, which boot over the network."""


class ManualManagementExtHardware(_Suite, generic.ManualManagementHardware):
    """Machines that people switch on and off."""
