# SPDX-License-Identifier: Apache-2.0

"""Take media out of virtual drives over Redfish (DSP0266, VirtualMedia).

What the BMC shows is believed, not what it answered: every ejection is read
back.
"""

import collections.abc
import typing

from ironic.common import exception
from ironic.conf import CONF
from oslo_log import log

from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.media import medium as media

LOG = log.getLogger(__name__)

_Media = collections.abc.Collection[media.Medium]


def eject(task: typing.Any, media_: _Media,
          paths: collections.abc.Collection[str] | None = None) -> None:
    """Eject these media, and nothing else.

    :param paths: of the slots to eject them from, by default all.
    :raises: MediaError when the BMC cannot be reached or keeps a medium.
    """
    with drives.asked(task):
        for slot in drives.every_slot(task):
            if (redfish_slots.holds(slot, media_)
                    and (paths is None or slot.path in paths)):
                empty(task, slot)


def eject_named(task: typing.Any, names: collections.abc.Collection[str]
                ) -> None:
    """Eject media whose URL or name has one of these names in it.

    :raises: MediaError when the BMC cannot be reached or keeps a medium.
    """
    with drives.asked(task):
        for slot in drives.every_slot(task):
            shown = f'{slot.image or ""} {slot.image_name or ""}'
            if (quirks.is_inserted(slot)
                    and any(name in shown for name in names)):
                empty(task, slot)


def why_out_of_reach(task: typing.Any, media_: _Media
                     ) -> drives.MediaError | None:
    """Tell why a BMC cannot eject media; for nodes that are not locked yet.

    A node that has no BMC any more is no reason: see eject_withdrawn().
    """
    try:
        if media_:
            drives.reach(task)
    except (exception.MissingParameterValue,
            exception.InvalidParameterValue):
        return None
    except drives.MediaError as exc:
        return exc
    return None


def eject_withdrawn(task: typing.Any, media_: _Media, what: str) -> None:
    """Eject media that nobody can read any more.

    They stay, and the log says so, where the node has lost its address.

    :param what: they are, such as "boot medium".
    :raises: MediaError when the BMC cannot be reached or keeps a medium.
    """
    try:
        eject(task, media_)
    except (exception.MissingParameterValue,
            exception.InvalidParameterValue) as exc:
        LOG.warning('The %(what)s of node %(node)s can be read no more, but '
                    'stays in its drive: the node has no Redfish address '
                    'any more to eject it by (%(error)s). Eject it by hand',
                    {'what': what, 'node': task.node.uuid, 'error': exc})


def eject_of_deleted(task: typing.Any, media_: _Media, what: str) -> None:
    """Eject media of a node that is deleted; the log has what fails.

    :param task: its node is all that is needed.
    :param what: they are, such as "boot medium".
    """
    try:
        eject(task, media_)
    except Exception as exc:
        LOG.warning('The %(what)s of node %(node)s, which is deleted, '
                    'stays in its drive: %(error)s',
                    {'what': what, 'node': task.node.uuid, 'error': exc})


def empty(task: typing.Any, slot: typing.Any) -> None:
    """Eject what is in a slot, and see that it is gone.

    :raises: MediaError, SushyError
    """
    title = redfish_slots.title(slot)
    slot.eject_media()
    if not redfish_slots.wait(slot, lambda: not quirks.is_inserted(slot),
                              CONF.ext_boot.media_timeout):
        raise drives.MediaError(
            f'the BMC of node {task.node.uuid} still has {title} in slot '
            f'{slot.identity}, {CONF.ext_boot.media_timeout} s after it was '
            'told to eject it: eject it by hand or reset the BMC')
    LOG.info('Ejected %(what)s from slot %(slot)s of node %(node)s',
             {'what': title, 'slot': slot.identity, 'node': task.node.uuid})
