# SPDX-License-Identifier: Apache-2.0

"""Puts classes of this suite where upstream's tests look for stock's."""

import collections.abc
import ipaddress
import socket
import types
import typing


def _stay_here() -> None:
    """Refuse connections to other hosts, and do not wait to try again.

    What their tests replace of stock's is not what ours asks.
    """
    import sushy.connector
    import tenacity.nap

    stock = socket.socket.connect

    def connect(self: socket.socket, address: typing.Any) -> None:
        if isinstance(address, tuple) and not ipaddress.ip_address(
                address[0]).is_loopback:
            raise ConnectionRefusedError(f'{address[0]} is not this host')
        stock(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign]
    for module in (tenacity.nap, sushy.connector):
        module.time = types.SimpleNamespace(  # type: ignore[attr-defined]
            sleep=lambda _seconds: None)


def ironic() -> collections.abc.Sequence[str]:
    """Let boot and management by Redfish be ours; return the modules."""
    _stay_here()
    # Chooses the threading model, before anything else of Ironic.
    import ironic.tests.unit  # noqa: F401

    from ironic.drivers.modules.redfish import boot  # noqa: H306
    from ironic.drivers.modules.redfish import management

    from ironic_ext.drivers.boot import redfish_iso
    from ironic_ext.drivers import management as ours

    boot.RedfishVirtualMediaBoot = redfish_iso.RedfishIsoBoot
    management.RedfishManagement = ours.RedfishExtManagement
    return ('ironic.tests.unit.drivers.modules.redfish.test_boot',
            'ironic.tests.unit.drivers.modules.redfish.test_management')


def image_services() -> collections.abc.Sequence[str]:
    """Let Ironic have images by our services; return the modules."""
    _stay_here()
    import ironic.tests.unit  # noqa: F401

    from ironic.common import image_service  # noqa: H306

    from ironic_ext.drivers.images import ironic_services

    image_service.protocol_mapping.update(ironic_services.services())
    return ('ironic.tests.unit.common.test_images',
            'ironic.tests.unit.drivers.modules.test_image_cache')


def agent() -> collections.abc.Sequence[str]:
    """Let the agent's generic hardware manager be below ours."""
    # Registers options that others have to have.
    from ironic_python_agent import config  # noqa: F401
    from ironic_python_agent import hardware

    from ironic_python_agent_ext import hardware_manager

    stock = hardware.GenericHardwareManager

    class GenericHardwareManager(hardware_manager.BootcHardwareManager,
                                 stock):  # type: ignore[misc,valid-type]
        """What is ours goes before what is generic."""

    hardware.GenericHardwareManager = GenericHardwareManager
    return ('ironic_python_agent.tests.unit.test_hardware',)


ALL = {'ironic': ironic, 'images': image_services, 'agent': agent}
