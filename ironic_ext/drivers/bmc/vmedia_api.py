# SPDX-License-Identifier: Apache-2.0

"""Ironic's own API of virtual media, ``/v1/nodes/{id}/vmedia``.

An image is inserted once and not looked after; a data image is the other
thing. Slots with a boot image, a data image or somebody's medium are left
alone, and what is ejected is what was inserted.
"""

import dataclasses
import typing
import uuid

from ironic.common import boot_devices
from ironic.common import exception
from ironic.drivers.modules import image_utils
import sushy

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import medium as media
from ironic_ext.node import boot_state

_KEY = 'ext_virtual_media'
_BOOT = 'boot image'
_TYPES = {
    boot_devices.CDROM: (sushy.VIRTUAL_MEDIA_CD, sushy.VIRTUAL_MEDIA_DVD),
    boot_devices.DISK: (sushy.VIRTUAL_MEDIA_USBSTICK,),
    boot_devices.FLOPPY: (sushy.VIRTUAL_MEDIA_FLOPPY,)}


def attach(task: typing.Any, device_type: str, url: str) -> None:
    """Insert an image; it takes the place of the one of that type.

    :param device_type: one of boot_devices.VMEDIA_DEVICES.
    :raises: MediaError
    """
    node = task.node
    _eject(task, [device_type])
    taken = [*node_media.load(node), *data_image_record.media(node),
             *_records(node).values()]
    slots = [slot for slot in drives.drives(task)
             if not set(_TYPES[device_type]).isdisjoint(slot.media_types)]
    free = [slot.path for slot in slots if not quirks.is_inserted(slot)
            and all(medium.slot != slot.path for medium in taken)]
    if not free:
        held = '; '.join(f'slot {slot.identity} has '
                         f'{redfish_slots.title(slot)}' for slot in slots)
        raise drives.MediaError(
            f'no virtual {device_type} of node {node.uuid} is free: '
            f'{held or "the BMC has none"}')
    medium = media.Medium(
        uuid.uuid4().hex, media.Purpose.VIRTUAL_MEDIA, media.Kind.BMC,
        mark=redfish_slots.url_mark(url), slot=free[0])
    # Before there is anything to forget.
    _save(node, {**_records(node), device_type: medium})
    path = insertion.put(task, free, insertion.Source(url), medium)
    _save(node, {**_records(node), device_type: dataclasses.replace(
        medium, slot=path)})


def detach(task: typing.Any, device_types: list[str] | None) -> bool:
    """Eject what was inserted, and remove the copies that Ironic published.

    :returns: whether there was anything.
    :raises: MediaError
    """
    return _eject(task, device_types or list(_TYPES), remove_copies=True)


def show(task: typing.Any) -> list[dict[str, typing.Any]]:
    """Return what the BMC shows of its slots, without secrets.

    The medium that a live system runs from is not "inserted": clients that
    eject until nothing is would never come to an end.

    :raises: MediaError
    """
    node = task.node
    owners = (
        (_BOOT, node_media.load(node)),
        ('data image', data_image_record.media(node)),
        (media.Purpose.VIRTUAL_MEDIA.value, tuple(_records(node).values())))
    stays = boot_record.load(node).mode != boot_state.ONCE
    shown = []
    for slot in drives.drives(task):
        inserted = quirks.is_inserted(slot)
        owner = next((name for name, records in owners
                      if redfish_slots.holds(slot, records)), None)
        shown.append({
            'identity': slot.identity, 'name': slot.name,
            'media_types': [getattr(kind, 'value', str(kind))
                            for kind in slot.media_types],
            'inserted': inserted and not (owner == _BOOT and stays),
            'image': redfish_slots.title(slot).strip('"') if inserted
            else None,
            'owner': owner})
    return shown


def _eject(task: typing.Any, device_types: list[str],
           remove_copies: bool = False) -> bool:
    node = task.node
    found = False
    for device_type in device_types:
        record = _records(node).get(device_type)
        if record is None:
            continue
        found = True
        ejection.eject(task, [record])
        if remove_copies:
            _remove_copy(task, device_type)
        left = _records(node)
        del left[device_type]
        _save(node, left)
    return found


def _remove_copy(task: typing.Any, device_type: str) -> None:
    # The name that conductor/manager.py publishes under; its own code to
    # remove it is never called (Ironic 35 to 39).
    suffix = 'iso' if device_type == boot_devices.CDROM else 'img'
    try:
        image_utils.cleanup_remote_image(
            task, f'{device_type.lower()}-{task.node.uuid}.{suffix}')
    except (exception.IronicException, OSError) as exc:
        raise drives.MediaError(
            f'the published copy of an image of node {task.node.uuid} could '
            f'not be removed: {exc}') from exc


def _records(node: typing.Any) -> dict[str, media.Medium]:
    return {kind: node_media.from_json(row) for kind, row
            in (node.driver_internal_info.get(_KEY) or {}).items()}


def _save(node: typing.Any,
          records: dict[str, media.Medium]) -> None:
    if records:
        node.set_driver_internal_info(_KEY, {
            kind: node_media.to_json(medium)
            for kind, medium in records.items()})
    else:
        node.del_driver_internal_info(_KEY)
    node.save()
