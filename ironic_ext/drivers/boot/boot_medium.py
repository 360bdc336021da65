# SPDX-License-Identifier: Apache-2.0

"""The medium of a boot in its drive: put in, taken out, all of it on record.

For what the suite puts into virtual drives. What Ironic's own interface
left there goes when this suite takes a node over.
"""

import dataclasses
import types
import typing

from ironic.common import exception
from ironic.drivers.modules import image_utils

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import delivery

#: What Ironic's interface calls images of a node: its ISO, what a removable
#: device brings to the agent, and the config drive.
_STOCK = ('boot-', 'image-', 'configdrive-')


def insert(task: typing.Any, delivered: delivery.Delivered) -> None:
    """Put a medium into a drive.

    :raises: MediaError
    """
    medium = delivered.medium
    # First: what is in a drive is recognised whatever happens next.
    node_media.save(task.node, medium)
    slot = insertion.insert(task, delivered.url, medium)
    node_media.save(task.node, dataclasses.replace(medium, slot=slot))


def withdraw(task: typing.Any) -> None:
    """Eject this node's media and make them unreadable.

    The images go whether or not the BMC can be reached: they hold the
    node's secrets. What could not be ejected stays on record.

    :raises: MediaError
    """
    going = node_media.load(task.node)
    if not going:
        return
    try:
        try:
            ejection.eject(task, going)
        finally:
            media_delivery.withdraw(task, going)
    except (delivery.DeliveryError, OSError) as exc:
        raise drives.MediaError(
            f'the boot image of node {task.node.uuid} could not be '
            f'withdrawn: {exc}') from exc
    for medium in going:
        node_media.remove(task.node, medium.id)


def withdraw_stock(task: typing.Any) -> None:
    """Eject and unpublish what Ironic's own interface made for a node.

    It keeps no record, and its names are known. Nothing is done for a node
    whose boot this suite has prepared: its own interface has no part in it.

    :raises: MediaError
    """
    node = task.node
    if (boot_record.exists(node) or node_media.load(node)
            or not node.driver_info.get('redfish_address')):
        return
    names = [f'{prefix}{node.uuid}' for prefix in _STOCK]
    # With [conductor]ramdisk_image_download_source or the like it is told
    # the very URL.
    iso = str(node.instance_info.get('boot_iso') or '')
    if iso.startswith(('http://', 'https://')):
        names.append(iso)
    try:
        ejection.eject_named(task, names)
    finally:
        # Its publisher is found by the boot interface.
        stock = types.SimpleNamespace(node=node, driver=types.SimpleNamespace(
            boot=quirks.stock_boot(task)))
        try:
            image_utils.cleanup_iso_image(stock)
            image_utils.cleanup_floppy_image(stock)
            image_utils.cleanup_disk_image(stock, prefix='configdrive')
        except (exception.IronicException, OSError) as exc:
            raise drives.MediaError(
                f'what Ironic published for node {node.uuid} could not be '
                f'removed: {exc}') from exc
