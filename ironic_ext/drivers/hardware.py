# SPDX-License-Identifier: Apache-2.0

"""Hardware types: the stock ones plus the interfaces of this suite."""

from ironic.drivers import base
from ironic.drivers import drac
from ironic.drivers import generic
from ironic.drivers import ipmi
from ironic.drivers import redfish

from ironic_ext.drivers.boot import iso_sanboot
from ironic_ext.drivers.boot import redfish_iso
from ironic_ext.drivers.bootc import deploy as bootc
from ironic_ext.drivers.images import ironic_services as ironic_image_services
from ironic_ext.drivers import management
from ironic_ext.drivers import vendor


class _Loaded:
    """What happens when a conductor loads a type of this suite."""

    def __init__(self) -> None:
        super().__init__()
        ironic_image_services.install()

    @property
    def supported_deploy_interfaces(self) -> list[type[base.DeployInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        stock = super().supported_deploy_interfaces  # type: ignore[misc]
        return [*stock, bootc.BootcDeploy]


class RedfishExtHardware(_Loaded, redfish.RedfishHardware):
    """Redfish machines."""

    @property
    def supported_boot_interfaces(self) -> list[type[base.BootInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        return [*super().supported_boot_interfaces,
                redfish_iso.RedfishIsoBoot, iso_sanboot.IsoSanboot]

    @property
    def supported_vendor_interfaces(self) -> list[type[base.VendorInterface]]:
        """Here, too, the stock interfaces come first."""
        return [*super().supported_vendor_interfaces,
                vendor.RedfishExtVendorPassthru]

    @property
    def supported_management_interfaces(
            self) -> list[type[base.ManagementInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        return [*super().supported_management_interfaces,
                management.RedfishExtManagement]


class IDRACExtHardware(_Loaded, drac.IDRACHardware):
    """Dell machines."""

    @property
    def supported_boot_interfaces(self) -> list[type[base.BootInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        return [*super().supported_boot_interfaces,
                redfish_iso.RedfishIsoBoot, iso_sanboot.IsoSanboot]

    @property
    def supported_vendor_interfaces(self) -> list[type[base.VendorInterface]]:
        """Here, too, the stock interfaces come first."""
        return [*super().supported_vendor_interfaces,
                vendor.RedfishExtVendorPassthru]

    @property
    def supported_management_interfaces(
            self) -> list[type[base.ManagementInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        return [*super().supported_management_interfaces,
                management.DracRedfishExtManagement]


class IPMIExtHardware(_Loaded, ipmi.IPMIHardware):
    """IPMI machines."""

    @property
    def supported_boot_interfaces(self) -> list[type[base.BootInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        return [*super().supported_boot_interfaces, iso_sanboot.IsoSanboot]


class ManualManagementExtHardware(_Loaded,
                                  generic.ManualManagementHardware):
    """Machines that people switch on and off."""

    @property
    def supported_boot_interfaces(self) -> list[type[base.BootInterface]]:
        """The stock interfaces first, so that their defaults stay."""
        return [*super().supported_boot_interfaces, iso_sanboot.IsoSanboot]
