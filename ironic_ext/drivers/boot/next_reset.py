# SPDX-License-Identifier: Apache-2.0

"""What a node boots at its next reset, with what its BMC shows at this moment.

The judgement is node.next_boot's; here the BMC is asked.
"""

import typing

from ironic.common import boot_devices
from ironic.common import exception

from ironic_ext.drivers.bmc import boot_slot
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.records import media as node_media
from ironic_ext.media import medium as media
from ironic_ext.node import boot_state
from ironic_ext.node import host as hosts
from ironic_ext.node import next_boot


def describe(task: typing.Any) -> dict[str, typing.Any]:
    """Return what a node boots next, and why.

    What cannot be read from the BMC is told, and the records stand alone
    then.
    """
    node = task.node
    host = hosts.from_node({
        **{name: getattr(node, name, None) for name in hosts.FIELDS},
        'boot': boot_state.of(node.driver_internal_info)}, ())
    shown, error = None, None
    try:
        shown = _shown(task)
    except exception.IronicException as exc:
        error = redfish_slots.reason(exc)
    found = next_boot.of(host, shown)
    return {'text': found.text, 'device': found.device.value,
            'image': found.image or None, 'once': found.once,
            'chosen': found.chosen or None, 'takes': found.takes.value or None,
            'recorded': found.recorded or None,
            'bmc': None if shown is None else {
                'boot_device': shown.device or None,
                'once': shown.once, 'medium': shown.medium or None},
            'error': error}


def _shown(task: typing.Any) -> next_boot.Shown:
    """Ask the BMC.

    :raises: IronicException
    """
    with drives.asked(task):
        found = task.driver.management.get_boot_device(task)
    # Without a word on how long it holds, it is what was booted last.
    overrides = found.get('persistent') is not None
    device = found.get('boot_device') or '' if overrides else ''
    once = found.get('persistent') is False
    slot = None
    if overrides and not device:
        slot = boot_slot.chosen(task)
        if slot is not None and quirks.is_inserted(slot):
            device = boot_devices.CDROM
    if not device or slot is None:
        slot = next(filter(quirks.is_inserted, drives.discs(task)), None)
    if slot is None:
        return next_boot.Shown(device, once)
    own = [medium for medium in node_media.load(task.node)
           if medium.purpose is media.Purpose.INSTANCE]
    return next_boot.Shown(device, once,
                           redfish_slots.title(slot).strip('"'),
                           redfish_slots.holds(slot, own))
