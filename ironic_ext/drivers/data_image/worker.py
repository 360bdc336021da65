# SPDX-License-Identifier: Apache-2.0

"""The data image of a node: asked for, looked at, brought about.

A look needs no lock on the node; changes are made under one. What is to be
done is decided by data_image.reconcile.
"""

import collections.abc
import contextlib
import dataclasses
import functools
import random
import time
import typing

from ironic.common import exception
from ironic.common import states
from ironic.conf import CONF
from oslo_log import log
import sushy

from ironic_ext.data_image import reconcile
from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as specs
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.data_image import requests
from ironic_ext.drivers.data_image import source as data_image_source
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.media import delivery
from ironic_ext.media import medium as media

LOG = log.getLogger(__name__)

_FAILURES = (drives.MediaError, images.ImageError, iso.IsoError,
             delivery.DeliveryError, exception.IronicException, OSError)
# A status that does not change is written this often, in seconds.
_QUIET = 300
_MAX_ERROR = 1000


@dataclasses.dataclass(frozen=True)
class Outlook:
    """A record, and what is to be done about it.

    :param state: of the node, as it was then.
    :param going: whether the image is to go for good.
    :param error: why that cannot be told.
    """

    record: records.Record
    state: str
    going: bool
    plan: reconcile.Plan = reconcile.Plan()
    error: Exception | None = None


# Brought about

def apply(task: typing.Any, spec: specs.DataImageSpec | None) -> None:
    """Attach or detach now, whatever state the node is in (for steps).

    :raises: MediaError, ImageError and other IronicExceptions; InvalidState
        when it has to wait
    """
    if spec is None and data_image_record.load(task.node) is None:
        return
    requests.put_on_record(task, spec)
    run(task, forced=True)
    record = data_image_record.load(task.node)
    if record is None or record.status.phase is records.Phase.ATTACHED:
        return
    if (record.status.phase is records.Phase.WAITING
            and spec is not None and spec.apply is specs.Apply.ON_REBOOT):
        return
    raise exception.InvalidState(
        f'The data image of node {task.node.uuid} is '
        f'{record.status.phase.value}: '
        f'{record.status.error or record.status.reason}')


def run(task: typing.Any, *, forced: bool = False,
        restarting: bool = False) -> None:
    """Look at a node's data image, and do what there is to do.

    Failures end in the status of the data image.

    :param task: its lock is upgraded if there is something to do.
    :param forced: the state of the node does not count.
    :param restarting: the machine is about to be started.
    :raises: NodeLocked
    """
    outlook = _look(task, forced, restarting)
    if outlook is None or _is_settled(outlook):
        return
    with contextlib.ExitStack() as stack:
        content = None
        if _needs_content(outlook):
            assert outlook.record.spec is not None
            try:
                # Before the lock: a download takes its time.
                content = stack.enter_context(data_image_source.fetched(
                    task, outlook.record.spec))
            except Exception as exc:
                outlook = dataclasses.replace(outlook, error=exc)
        task.upgrade_lock()
        if (data_image_record.load(task.node) != outlook.record
                or task.node.provision_state != outlook.state):
            # Somebody was faster; there will be another look.
            return
        _act(task, outlook, content)


def end_instance(task: typing.Any) -> None:
    """Remove the data image of an instance that is being torn down.

    What fails is left to the reconciler: the instance goes all the same.
    The wish goes first, so that the next instance never gets it.
    """
    record = data_image_record.load(task.node)
    if (record is not None and record.instance
            and task.node.provision_state == states.DELETING):
        requests.put_on_record(task, None)
        run(task, forced=True)


def _look(task: typing.Any, forced: bool, restarting: bool
          ) -> Outlook | None:
    node = task.node
    record = data_image_record.load(node)
    if record is None:
        return None
    # Nobody but who asks for something works on a node in maintenance.
    if (node.maintenance and not forced
            and record.status.phase not in (records.Phase.PENDING,
                                            records.Phase.DETACHING)):
        return None
    state = node.provision_state
    gone = state not in requests.INSTANCE_STATES
    may_change = ('' if forced or state in requests.ALLOWED_STATES
                  else f'the node is {state}')
    going = record.spec is None or record.instance and gone
    try:
        found = (drives.drives(task) if going or not may_change
                 else [])
        plan = reconcile.plan(record, reconcile.Machine(
            _slots(task, found), may_change=may_change, instance_gone=gone,
            restarting=restarting or node.power_state == states.POWER_OFF,
            readable=going or _is_readable(task, record, found)))
        return Outlook(record, state, going, plan)
    except Exception as exc:
        return Outlook(record, state, going, error=exc)


def _is_readable(task: typing.Any, record: records.Record,
                 slots: list[typing.Any]) -> bool:
    media = data_image_record.media(task.node)
    urls = [slot.image for slot in slots
            if redfish_slots.holds(slot, media) and slot.image]
    return record.medium is None or not urls or (
        data_image_source.is_readable(record.medium, urls[0]))


def _slots(task: typing.Any, found: list[typing.Any]
           ) -> tuple[reconcile.Slot, ...]:
    boot = node_media.load(task.node)
    ours = data_image_record.media(task.node)
    return tuple(
        reconcile.Slot(slot.path, _devices(slot), _owner(slot, boot, ours),
                       redfish_slots.title(slot))
        for slot in found)


def _devices(slot: typing.Any) -> frozenset[specs.Device]:
    types = set(slot.media_types)
    found = set()
    if types & {sushy.VIRTUAL_MEDIA_CD, sushy.VIRTUAL_MEDIA_DVD}:
        found.add(specs.Device.CDROM)
    if drives.is_stick(slot):
        found.add(specs.Device.USB)
    return frozenset(found)


def _owner(slot: typing.Any, boot: tuple[media.Medium, ...],
           ours: tuple[media.Medium, ...]) -> reconcile.Owner:
    if redfish_slots.holds(slot, ours):
        return reconcile.Owner.OURS
    # Also while it is empty: what boots the machine goes back in there.
    if (redfish_slots.holds(slot, boot)
            or any(medium.slot == slot.path for medium in boot)):
        return reconcile.Owner.BOOT
    if quirks.is_inserted(slot):
        return reconcile.Owner.OTHER
    return reconcile.Owner.NOBODY


def _is_settled(outlook: Outlook) -> bool:
    """Tell whether nothing is to be done, nor to be written."""
    plan, status = outlook.plan, outlook.record.status
    if (outlook.error or plan.eject or plan.insert or plan.deliver
            or plan.withdraw or plan.forget):
        return False
    if time.time() - (status.last_reconciled or 0) > _QUIET:
        return False
    if plan.attached:
        return (status.phase is records.Phase.ATTACHED
                and outlook.record.medium is not None
                and plan.attached == outlook.record.medium.slot)
    return (status.phase is records.Phase.WAITING
            and status.reason == plan.wait)


def _needs_content(outlook: Outlook) -> bool:
    record, plan = outlook.record, outlook.plan
    return bool((plan.insert or plan.deliver)
                and record.spec is not None
                and record.spec.delivery is specs.Delivery.CONDUCTOR
                and (record.medium is None or plan.withdraw))


def _act(task: typing.Any, outlook: Outlook,
         content: data_image_source.Content | None) -> None:
    record = outlook.record
    result: records.Record | None
    try:
        if outlook.going and record.spec is not None:
            # For good: the node may have its next instance soon.
            record = record.ask(None, instance=False)
            data_image_record.save(task.node, record)
        if outlook.going and record.medium is not None:
            # Whether or not the BMC can be reached: it may hold secrets.
            data_image_source.withdraw(task, record.medium)
        if outlook.error is not None:
            raise outlook.error
        result = _bring_about(task, record, outlook.plan, content)
    except Exception as exc:
        # A failure that is not foreseen must not be tried without end.
        if not isinstance(exc, _FAILURES):
            LOG.exception('The data image of node %s failed',
                          task.node.uuid)
        # An image that is to be replaced stays until the new one is here.
        still_there = exc is outlook.error and bool(outlook.plan.eject)
        result = _failed(task, data_image_record.load(task.node) or record,
                         exc, inserted=still_there or None)
    data_image_record.save(task.node, result)


def _bring_about(task: typing.Any, record: records.Record,
                 plan: reconcile.Plan,
                 content: data_image_source.Content | None
                 ) -> records.Record | None:
    medium = record.medium
    if plan.eject:
        ejection.eject(task, data_image_record.media(task.node),
                       plan.eject)
    if plan.withdraw and medium is not None:
        data_image_source.withdraw(task, medium)
        record = dataclasses.replace(record, medium=None)
        data_image_record.save(task.node, record)
    if plan.forget:
        requests.tell(task, 'the data image is detached')
        return None
    if plan.attached:
        return _attached(task, record, plan.attached)
    if not (plan.insert or plan.deliver):
        return _seen(record, records.Phase.WAITING, reason=plan.wait,
                     inserted=False)
    spec = record.spec
    assert spec is not None
    # Errors count until it has worked.
    record = dataclasses.replace(record, status=dataclasses.replace(
        record.status, phase=records.Phase.ATTACHING, inserted=False))
    record, source = data_image_source.source(task, record, functools.partial(
        _content, task, spec, content))
    if not plan.insert:
        return _seen(record, records.Phase.WAITING, reason=plan.wait,
                     inserted=False)
    assert record.medium is not None
    path = insertion.put(task, plan.insert, source, record.medium)
    requests.tell(task, f'{spec.title} is attached')
    return _attached(task, record, path)


@contextlib.contextmanager
def _content(task: typing.Any, spec: specs.DataImageSpec,
             content: data_image_source.Content | None
             ) -> collections.abc.Iterator[data_image_source.Content]:
    if content is not None:
        yield content
        return
    with data_image_source.fetched(task, spec) as found:
        yield found


def _attached(task: typing.Any, record: records.Record, path: str
              ) -> records.Record:
    medium = record.medium
    assert medium is not None
    devices = {slot.path: _devices(slot)
               for slot in drives.drives(task)}.get(path, ())
    return _seen(
        dataclasses.replace(record, medium=dataclasses.replace(
            medium, slot=path, device=' or '.join(
                sorted(device.value for device in devices)) or None)),
        records.Phase.ATTACHED, inserted=True)


def _seen(record: records.Record, phase: records.Phase, **seen: typing.Any
          ) -> records.Record:
    return dataclasses.replace(record, status=records.Status(
        phase=phase, last_reconciled=time.time(), **seen))


def _failed(task: typing.Any, record: records.Record, exc: Exception,
            inserted: bool | None) -> records.Record:
    errors = record.status.errors + 1
    message = redfish_slots.masked(
        str(exc) or type(exc).__name__)[:_MAX_ERROR]
    delay = reconcile.Backoff(
        CONF.ext_data_image.backoff_base,
        CONF.ext_data_image.backoff_ceiling).delay(errors, random.random())
    LOG.warning('The data image of node %(node)s failed, for the %(count)s. '
                'time; the next try is in %(delay).0f s: %(error)s',
                {'node': task.node.uuid, 'count': errors, 'delay': delay,
                 'error': message})
    if errors == 1:
        requests.tell(task, f'failed: {message}')
    now = time.time()
    return dataclasses.replace(record, status=records.Status(
        phase=records.Phase.FAILED, inserted=inserted, errors=errors,
        error=message, last_reconciled=now, next_attempt=now + delay))
