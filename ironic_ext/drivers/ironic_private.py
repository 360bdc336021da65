# SPDX-License-Identifier: Apache-2.0

"""What has no public name in Ironic and is needed all the same: all of it.

Methods of Ironic's own boot interfaces that know what vendors want. A release
that has one no more is met with what the interface without vendors does.
"""

import typing

from ironic.common import boot_devices
from ironic.conductor import utils as manager_utils


def acceptable_slot(boot: typing.Any, task: typing.Any,
                    resource: typing.Any) -> str | None:
    """Return the id of the one slot that boots, None if all of them do.

    :param boot: Ironic's boot interface of a vendor.
    :param resource: the sushy System or Manager with the slots.
    """
    method = getattr(boot, '_get_acceptable_media_id', None)
    found: str | None = method(task, resource) if method else None
    return found


def require_vendor(boot: typing.Any, task: typing.Any, managers: typing.Any
                   ) -> None:
    """Refuse what a vendor's machines cannot do.

    :param boot: see acceptable_slot().
    :param managers: of the sushy System.
    :raises: InvalidParameterValue
    """
    method = getattr(boot, '_validate_vendor', None)
    if method:
        method(task, managers)


def set_boot_device(boot: typing.Any, task: typing.Any, device: str,
                    persistent: bool) -> None:
    """Set the boot device in the way of a vendor.

    :param boot: see acceptable_slot().
    :raises: IronicException
    """
    method = getattr(boot, '_set_boot_device', None)
    (method or manager_utils.node_set_boot_device)(task, device, persistent)


def set_network_boot(boot: typing.Any, task: typing.Any, persistent: bool
                     ) -> None:
    """Have a machine boot over the network.

    :param boot: Ironic's boot interface for PXE, or one made of it.
    :raises: IronicException
    """
    method = getattr(boot, '_node_set_boot_device_for_network_boot', None)
    if method:
        method(task, persistent=persistent)
    else:
        manager_utils.node_set_boot_device(task, boot_devices.PXE,
                                           persistent=persistent)
