# SPDX-License-Identifier: Apache-2.0

"""Which virtual drives a machine has, over Redfish (DSP0266, VirtualMedia).

Reading only: insertion.py and ejection.py change what is in them.
"""

import collections.abc
import contextlib
import typing

from ironic.common import exception
from ironic.drivers.modules.redfish import utils as redfish_utils
from oslo_log import log
import sushy

from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.media import medium as media

LOG = log.getLogger(__name__)

# MediaTypes to boot an ISO from, best first. Cisco UCS has DVD slots only.
_DISC_TYPES = (sushy.VIRTUAL_MEDIA_CD, sushy.VIRTUAL_MEDIA_DVD)


class MediaError(exception.IronicException):
    """The BMC does not do what is needed; one sentence that says what."""


def reach(task: typing.Any) -> None:
    """Make sure that the BMC answers, before its node is locked.

    :raises: MediaError when it does not; MissingParameterValue,
        InvalidParameterValue when the node has none.
    """
    with asked(task):
        redfish_utils.get_system(task.node)


def drives(task: typing.Any) -> list[typing.Any]:
    """Return the slots that images can be put into, as sushy shows them.

    :raises: MediaError when the BMC cannot be asked.
    """
    found = []
    with asked(task):
        for resource in _resources(task):
            wanted = quirks.only_slot(task, resource)
            found += [slot for slot in _members(task, resource)
                      if wanted is None or slot.identity == wanted]
    return found


def discs(task: typing.Any) -> list[typing.Any]:
    """Return the slots an ISO can boot from, best first.

    :raises: MediaError when there is none or the BMC cannot be asked.
    """
    return bootable(task, drives(task))


def bootable(task: typing.Any, slots: list[typing.Any]
             ) -> list[typing.Any]:
    """Return those of the slots that an ISO can boot from, best first.

    :param slots: see drives().
    :raises: MediaError when there is none.
    """
    found = [slot for slot in slots if is_disc(slot)]
    if not found:
        raise MediaError(
            f'the BMC of node {task.node.uuid} has no virtual CD or DVD '
            'drive: use another boot interface for this node')
    found = [slot for slot in found if quirks.takes_media(slot)]
    if not found:
        raise MediaError(
            f'the virtual CD drives of node {task.node.uuid} take media by '
            'an action of their vendor alone, and not by Redfish\'s '
            'InsertMedia: update the BMC, or use another boot interface for '
            'this node')
    found.sort(key=lambda slot: _DISC_TYPES[0] not in slot.media_types)
    return found


def is_disc(slot: typing.Any) -> bool:
    """Tell whether a slot is a CD or DVD drive to the machine."""
    return not set(_DISC_TYPES).isdisjoint(slot.media_types)


def is_stick(slot: typing.Any) -> bool:
    """Tell whether a slot is a removable disk to the machine."""
    return sushy.VIRTUAL_MEDIA_USBSTICK in slot.media_types


def every_slot(task: typing.Any) -> list[typing.Any]:
    """Return all slots, also those that nothing may be put into.

    :raises: SushyError, RedfishError
    """
    return [slot for resource in _resources(task)
            for slot in _members(task, resource)]


def free_slot_left(task: typing.Any) -> bool:
    """Tell whether a CD or DVD drive of the machine is empty.

    :raises: MediaError
    """
    return any(not quirks.is_inserted(slot) for slot in discs(task))


def shown(task: typing.Any, media_: collections.abc.Collection[
        media.Medium]) -> bool:
    """Tell whether one of these media is in the machine.

    :raises: MediaError when the BMC cannot be asked, or not about the slot
        that a medium was put into.
    """
    with asked(task):
        slots = every_slot(task)
    if any(redfish_slots.holds(slot, media_) for slot in slots):
        return True
    hidden = {medium.slot for medium in media_ if medium.slot} - {
        slot.path for slot in slots}
    if hidden:
        raise MediaError(
            f'the BMC of node {task.node.uuid} does not show the slot '
            f'{", ".join(sorted(hidden))} now, which a medium was put into')
    return False


@contextlib.contextmanager
def asked(task: typing.Any) -> collections.abc.Iterator[None]:
    """Say of which node a BMC is that cannot be asked.

    :raises: MediaError
    """
    try:
        yield
    except (sushy.exceptions.SushyError, exception.RedfishError) as exc:
        raise MediaError(
            f'the virtual media of node {task.node.uuid} cannot be read '
            f'from its BMC: {redfish_slots.reason(exc)}') from exc


def _members(task: typing.Any, resource: typing.Any) -> list[typing.Any]:
    """Return the slots of a System or Manager that can be read.

    :raises: SushyError when none can.
    """
    collection = resource.virtual_media
    found, failures = [], []
    for identity in collection.members_identities:
        try:
            found.append(collection.get_member(identity))
        except sushy.exceptions.ServerSideError as exc:
            LOG.warning('Virtual drive %(slot)s of node %(node)s cannot be '
                        'read, going on without it: %(error)s',
                        {'slot': identity, 'node': task.node.uuid,
                         'error': redfish_slots.reason(exc)})
            failures.append(exc)
    if failures and not found:
        raise failures[0]
    return found


def _resources(task: typing.Any) -> list[typing.Any]:
    """Return what has the virtual media: the System, else its Managers."""
    system = redfish_utils.get_system(task.node)
    if _has_media(system):
        return [system]
    return [manager for manager in system.managers if _has_media(manager)]


def _has_media(resource: typing.Any) -> bool:
    try:
        return resource.virtual_media is not None
    except sushy.exceptions.MissingAttributeError:
        return False
