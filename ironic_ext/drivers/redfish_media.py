# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Virtual media over Redfish (DSP0266, schema VirtualMedia).

What the BMC shows is believed, not what it answered: every insertion and
ejection is read back. Media that this node's plan did not insert stay where
they are, unless the only slot has to be freed for it.
"""

import collections.abc
import logging
import re
import time
import typing

from ironic.common import exception
from ironic.conf import CONF
from ironic.drivers.modules.redfish import utils as redfish_utils
from oslo_log import log
import sushy
import tenacity

from ironic_ext.drivers import node_media
from ironic_ext.drivers import quirks
from ironic_ext import images
from ironic_ext.media import tokens

LOG = log.getLogger(__name__)

# MediaTypes to boot an ISO from, best first. Cisco UCS has DVD slots only.
_DISC_TYPES = (sushy.VIRTUAL_MEDIA_CD, sushy.VIRTUAL_MEDIA_DVD)
# The name of a published image (media.publish.MediaName).
_PUBLISHED = re.compile(r'([0-9a-f]{32})-[A-Za-z0-9_-]+\.iso')
_MAX_REASON = 400


# What of sushy logs requests and answers (on level DEBUG).
_SUSHY_LOGS = ('sushy.connector', 'sushy.exceptions', 'sushy.resources.base',
               'sushy.resources.manager.virtual_media')


class _HideUrls(logging.Filter):
    """Takes the secret part of our URLs out of sushy's log records."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _masked(record.getMessage()), ()
        return True


def hide_urls_in_logs() -> None:
    """Keep URLs of published images out of the log, even on DEBUG."""
    for name in _SUSHY_LOGS:
        logger = logging.getLogger(name)
        if not any(isinstance(f, _HideUrls) for f in logger.filters):
            logger.addFilter(_HideUrls())


class MediaError(exception.IronicException):
    """The BMC does not do what is needed; one sentence that says what."""


class _TryAgain(Exception):
    """The BMC had a failure that may pass."""


def require_slot(task: typing.Any) -> None:
    """Make sure that the machine has a virtual CD or DVD drive.

    :raises: MediaError
    """
    _disc_slots(task)


def insert(task: typing.Any, url: str, media_id: str) -> str:
    """Insert an image, and return the path of the slot it is in.

    Tried again, from the choice of the slot on, when the BMC answers with a
    server error or not at all ([ext_boot]insert_attempts).

    :param url: secret; never part of a message.
    :param media_id: the part of the URL that is looked for afterwards.
    :raises: MediaError when no slot shows the image in the end.
    """
    def report(state: tenacity.RetryCallState) -> None:
        LOG.warning('Inserting medium %(id)s into node %(node)s will be '
                    'tried again: %(error)s',
                    {'id': media_id, 'node': task.node.uuid,
                     'error': state.outcome.exception()})

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_TryAgain),
        stop=tenacity.stop_after_attempt(CONF.ext_boot.insert_attempts),
        wait=tenacity.wait_fixed(CONF.ext_boot.insert_retry_interval),
        before_sleep=report, reraise=True)
    try:
        return retrying(_insert, task, url, media_id)
    except _TryAgain as exc:
        raise MediaError(
            f'the BMC of node {task.node.uuid} failed to insert the boot '
            f'image in {CONF.ext_boot.insert_attempts} attempts: {exc}: '
            'check the BMC, reset it if need be') from exc


def shown(task: typing.Any, records: collections.abc.Collection[
        node_media.MediaRecord]) -> bool:
    """Tell whether a medium of these records is in the machine.

    :raises: MediaError when the BMC cannot be asked.
    """
    try:
        return any(_holds(slot, records) for slot in _all_slots(task))
    except (sushy.exceptions.SushyError, exception.RedfishError) as exc:
        raise MediaError(_unreachable(task, exc)) from exc


def free_slot_left(task: typing.Any) -> bool:
    """Tell whether a CD or DVD drive of the machine is empty.

    :raises: MediaError
    """
    return any(not slot.inserted for slot in _disc_slots(task))


def eject(task: typing.Any, records: collections.abc.Collection[
        node_media.MediaRecord]) -> None:
    """Eject the media of these records, and nothing else.

    :raises: MediaError when the BMC cannot be reached or keeps a medium.
    """
    try:
        for slot in _all_slots(task):
            if _holds(slot, records):
                _empty(task, slot)
    except (sushy.exceptions.SushyError, exception.RedfishError) as exc:
        raise MediaError(_unreachable(task, exc)) from exc


def _insert(task: typing.Any, url: str, media_id: str) -> str:
    record = node_media.MediaRecord(
        media_id, '', mark=next(iter(tokens.digests_in(url)), ''))
    slots = _disc_slots(task)
    # Free slots first; a medium of somebody else's goes only for need.
    slots.sort(key=lambda slot: bool(slot.inserted)
               and not _holds(slot, node_media.records(task.node)))
    refusals = []
    for slot in slots:
        try:
            if slot.inserted:
                LOG.warning('Ejecting %(what)s from slot %(slot)s of node '
                            '%(node)s, which the boot image needs',
                            {'what': _title(slot),
                             'slot': slot.identity,
                             'node': task.node.uuid})
                _empty(task, slot)
            quirks.insert_media(slot, url, **_transfer_protocol(task))
        except (sushy.exceptions.ServerSideError,
                sushy.exceptions.ConnectionError) as exc:
            # It may have worked all the same.
            if not _wait(slot, lambda: _holds(slot, [record]), 0):
                raise _TryAgain(_reason(exc)) from exc
        except sushy.exceptions.AccessError as exc:
            raise MediaError(
                f'the BMC of node {task.node.uuid} does not let the user in '
                'driver_info insert virtual media: give it the '
                'privilege') from exc
        except (sushy.exceptions.MissingActionError,
                sushy.exceptions.HTTPError, MediaError) as exc:
            # Some slots are for the BMC's own console only (Cisco UCS,
            # OpenBMC): the next one may do.
            refusals.append(f'slot {slot.identity}: {_reason(exc)}')
            continue
        if _wait(slot, lambda: (_holds(slot, [record])
                                or quirks.hides_image(slot)),
                 CONF.ext_boot.media_timeout):
            LOG.info('Inserted medium %(id)s into slot %(slot)s of node '
                     '%(node)s', {'id': media_id, 'slot': slot.identity,
                                  'node': task.node.uuid})
            return slot.path
        refusals.append(
            f'slot {slot.identity}: it accepted the request, but after '
            f'{CONF.ext_boot.media_timeout} s shows '
            f'{_title(slot)} '
            '(can it reach the web server?)')
    raise MediaError(
        f'the BMC of node {task.node.uuid} did not insert the boot image: '
        + '; '.join(refusals))


def _transfer_protocol(task: typing.Any) -> dict[str, str]:
    protocol = task.node.driver_info.get('vmedia_transport_protocol')
    return {'transfer_protocol': protocol.upper()} if protocol else {}


def _disc_slots(task: typing.Any) -> list[typing.Any]:
    """Return the slots an ISO can go into, best first.

    :raises: MediaError when there is none or the BMC cannot be asked.
    """
    found = []
    try:
        for resource in _resources(task):
            wanted = quirks.only_slot(task, resource)
            found += [slot for slot in resource.virtual_media.get_members()
                      if wanted is None or slot.identity == wanted]
    except (sushy.exceptions.SushyError, exception.RedfishError) as exc:
        raise MediaError(_unreachable(task, exc)) from exc
    found = [slot for slot in found
             if not set(_DISC_TYPES).isdisjoint(slot.media_types)]
    if not found:
        raise MediaError(
            f'the BMC of node {task.node.uuid} has no virtual CD or DVD '
            'drive: use another boot interface for this node')
    found.sort(key=lambda slot: _DISC_TYPES[0] not in slot.media_types)
    return found


def _all_slots(task: typing.Any) -> list[typing.Any]:
    return [slot for resource in _resources(task)
            for slot in resource.virtual_media.get_members()]


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


def _holds(slot: typing.Any, records: collections.abc.Collection[
        node_media.MediaRecord]) -> bool:
    """Tell whether a slot shows the medium of one of these records."""
    if not slot.inserted:
        return False
    title = f'{slot.image or ""} {slot.image_name or ""}'
    marks = tokens.digests_in(title)
    return (any(record.id in title or record.mark in marks
                for record in records)
            or quirks.hides_image(slot)
            and any(record.slot == slot.path for record in records))


def _empty(task: typing.Any, slot: typing.Any) -> None:
    """Eject what is in a slot, and see that it is gone.

    :raises: MediaError, SushyError
    """
    title = _title(slot)
    slot.eject_media()
    if not _wait(slot, lambda: not slot.inserted,
                 CONF.ext_boot.media_timeout):
        raise MediaError(
            f'the BMC of node {task.node.uuid} still has {title} in slot '
            f'{slot.identity}, {CONF.ext_boot.media_timeout} s after it was '
            'told to eject it: eject it by hand or reset the BMC')
    LOG.info('Ejected %(what)s from slot %(slot)s of node %(node)s',
             {'what': title, 'slot': slot.identity, 'node': task.node.uuid})


def _wait(slot: typing.Any, condition: collections.abc.Callable[[], bool],
          timeout: float) -> bool:
    """Look at a slot until a condition holds or ``timeout`` s are over."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            slot.refresh(force=True)
            if condition():
                return True
        except sushy.exceptions.SushyError as exc:
            LOG.debug('Slot %s cannot be read now: %s', slot.identity, exc)
        if time.monotonic() >= deadline:
            return False
        time.sleep(CONF.ext_boot.media_poll_interval)


def _title(slot: typing.Any) -> str:
    """Name what is in a slot, without secrets."""
    if not slot.inserted:
        return 'no medium'
    text = slot.image or slot.image_name
    if not text:
        return 'a medium it does not name'
    published = _PUBLISHED.search(text)
    if published:
        return f'medium {published.group(1)}'
    return f'"{tokens.masked(images.redacted(text))[:200]}"'


def _reason(exc: Exception) -> str:
    """Return what the BMC said, without the secret part of our URLs."""
    return ' '.join(_masked(str(exc)).split())[:_MAX_REASON]


def _masked(text: str) -> str:
    return tokens.masked(_PUBLISHED.sub(r'\1-***.iso', text))


def _unreachable(task: typing.Any, exc: Exception) -> str:
    return (f'the virtual media of node {task.node.uuid} cannot be read '
            f'from its BMC: {_reason(exc)}')
