# SPDX-License-Identifier: Apache-2.0

"""A config drive in a virtual drive of its own, beside the boot medium.

For ISOs whose system does not find it among their own files: cloud-init goes
by labels, or by a kernel argument where there is room for one. Best effort: a
machine without a second drive boots all the same, and the log says so.
"""

import collections.abc
import dataclasses
import io
import typing

from oslo_log import log

from ironic_ext.data_image import content
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.images import customised as customised_iso
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.images import whole
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext import images
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.node import boot_plan
from ironic_ext import stored

LOG = log.getLogger(__name__)

_WHAT = 'the config drive'
_LABEL = 'config-2'
_FAILURES = (*instance.FAILURES, drives.MediaError)


def of(node: typing.Any) -> list[media.Medium]:
    """Return the config drive's medium, if the node has one."""
    return [medium for medium in node_media.load(node)
            if medium.purpose is media.Purpose.CONFIG_DRIVE]


def needed(plan: boot_plan.BootPlan, base: images.BaseImage
           ) -> collections.abc.Mapping[str, stored.Content]:
    """Return the config drive that needs a virtual drive of its own.

    :param base: what the boot medium is made of.
    :returns: path -> content, nothing where there is no need.
    :raises: ConfigError, IsoError
    """
    with customised_iso.opened(base) as image:
        return customised_iso.hidden_drive(image, plan)


def bring(task: typing.Any,
          drive: collections.abc.Mapping[str, stored.Content]) -> None:
    """Put a config drive beside the boot medium, where there is room.

    :param drive: see needed().
    """
    try:
        paths = _free(task)
        if not paths:
            LOG.warning(
                'The system of node %s may not find its config drive: its '
                'ISO cannot tell of it, and there is no second virtual drive '
                'that is free', task.node.uuid)
            return
        data = built(drive)
        medium = media_delivery.announce(task, media.Purpose.CONFIG_DRIVE)
        with whole.literal(data, _WHAT) as (made, origin):
            _insert(task, media_delivery.for_node(task).deliver(
                medium, made, origin,
                media_delivery.lifetime(media.Purpose.CONFIG_DRIVE)), paths)
    except Exception as exc:
        # Whatever it is, such as names that no ISO takes: a machine that
        # does not boot would be worse.
        LOG.warning('The system of node %(node)s may not find its config '
                    'drive, which could not be put into a virtual drive of '
                    'its own: %(error)s',
                    {'node': task.node.uuid, 'error': exc})
        _forget(task)


def built(drive: collections.abc.Mapping[str, stored.Content]) -> bytes:
    """Return an image with the files of a config drive.

    An ISO, for sticks as well: a FAT of 512-byte sectors is none on a CD.
    """
    output = io.BytesIO()
    content.build({path.lstrip('/'): data[:] for path, data
                   in drive.items()}, _LABEL, output)
    return output.getvalue()


def put_back(task: typing.Any, lost: list[media.Medium]) -> None:
    """Put a config drive back that is in no drive any more.

    :raises: MediaError, DeliveryError
    """
    deliveries = media_delivery.for_node(task)
    for medium in lost:
        found = deliveries.find(medium,
                                media_delivery.lifetime(medium.purpose))
        paths = _free(task)
        if found is None or not paths:
            raise drives.MediaError(
                'its config drive is in no drive, and '
                + ('this conductor does not have it'
                   if found is None else 'no other drive is free'))
        LOG.warning('The config drive of node %s is gone; inserting it '
                    'again', task.node.uuid)
        _insert(task, found, paths)


def _insert(task: typing.Any, delivered: delivery.Delivered,
            paths: list[str]) -> None:
    medium = delivered.medium
    # First: what is in a drive is recognised whatever happens next.
    node_media.save(task.node, medium)
    deliveries = media_delivery.for_node(task)
    slot = insertion.put(
        task, paths, insertion.of_conductor(
            task, delivered.url,
            lambda: deliveries.removable_url(delivered)),
        medium, _WHAT)
    node_media.save(task.node, dataclasses.replace(medium, slot=slot))


def _free(task: typing.Any) -> list[str]:
    """Return the slots for it, best first.

    None is in front of the boot medium, and none is a data image's.
    """
    if (data_image_record.load(task.node) is not None
            and not data_image_record.media(task.node)):
        return []
    boot = [medium for medium in node_media.load(task.node)
            if medium.purpose is media.Purpose.INSTANCE]
    kept = {medium.slot for medium in data_image_record.media(task.node)}
    sticks, discs = [], []
    behind = False
    for slot in drives.drives(task):
        if redfish_slots.holds(slot, boot):
            behind = True
        elif (quirks.is_inserted(slot) or not quirks.takes_media(slot)
              or slot.path in kept):
            continue
        elif drives.is_disc(slot):
            if behind:
                discs.append(str(slot.path))
        elif drives.is_stick(slot):
            sticks.append(str(slot.path))
    return [*sticks, *discs]


def _forget(task: typing.Any) -> None:
    going = of(task.node)
    try:
        ejection.eject(task, going)
        media_delivery.withdraw(task, going)
        for medium in going:
            node_media.remove(task.node, medium.id)
    except _FAILURES as exc:
        LOG.warning('The config drive of node %(node)s is left to the end of '
                    'its boot: %(error)s',
                    {'node': task.node.uuid, 'error': exc})
