# SPDX-License-Identifier: Apache-2.0

"""The boot of an instance from its ISO, whatever brings that to the machine.

What boot interfaces share: whether a node boots ``boot_iso``, the plan, a
first look at the base, and the customised image. Delivering is theirs.
"""

import collections.abc
import contextlib
import typing

from ironic.common import exception
from ironic.common import states
from ironic.conf import CONF
from ironic.drivers.modules import deploy_utils
from oslo_log import log

from ironic_ext import config_formats
from ironic_ext.drivers.boot import catalog
from ironic_ext.drivers.boot import content
from ironic_ext.drivers.boot import end
from ironic_ext.drivers.boot import firmware
from ironic_ext.drivers.images import bases as base_images
from ironic_ext.drivers.images import customised as customised_iso
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import interfaces
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.media import delivery
from ironic_ext.node import boot_plan
from ironic_ext.node import boot_state
from ironic_ext.node import errors

LOG = log.getLogger(__name__)

#: What making and delivering an image raises when it fails.
FAILURES = (config_formats.ConfigError, delivery.DeliveryError,
            images.ImageError, iso.IsoError, OSError)

_ONCE_KEY = 'once_boot_device'
# Ironic cleans up the boot of an instance in these, and prepares it again
# when the agent has had its turn.
_INTERRUPTED = (states.RESCUING, states.SERVICING)
# System area and the first volume descriptors: enough to tell an ISO.
_HEAD = 34 << 10


def boots_iso(node: typing.Any) -> bool:
    """Tell whether the instance of a node is an ISO of its own."""
    return bool(node.instance_info.get('boot_iso')
                and deploy_utils.get_boot_option(node) == 'ramdisk')


def began_with_iso(node: typing.Any) -> bool:
    """Tell whether a node boots an ISO, or did until that was taken away.

    Then nothing is left that could be prepared for the instance, here or by
    Ironic's own interface.
    """
    return boots_iso(node) or (
        boot_record.exists(node)
        and not node.instance_info.get('image_source')
        and deploy_utils.get_boot_option(node) == 'ramdisk')


@contextlib.contextmanager
def planned(task: typing.Any, default_arguments: str | None, *,
            patient: bool = True
            ) -> collections.abc.Iterator[boot_plan.BootPlan]:
    """Plan the boot of a node's ``boot_iso``; good in the context.

    :param default_arguments: see boot_plan.for_instance().
    :param patient: see images.bases.store().
    :raises: InvalidParameterValue
    """
    with content.shelf(task, patient=patient) as shelf:
        try:
            found = boot_plan.for_instance(
                task.node, limits=content.limits(), shelf=shelf,
                default_arguments=default_arguments,
                sources=catalog.sources(task.node),
                facts=catalog.facts(task), firmware=firmware.of(task.node))
        except errors.PlanError as exc:
            raise exception.InvalidParameterValue(str(exc)) from exc
        yield _attended_if_it_stays(task.node, found)


def _attended_if_it_stays(node: typing.Any, plan: boot_plan.BootPlan
                          ) -> boot_plan.BootPlan:
    """Start no installer by itself that would start again and again.

    Where the medium stays the boot device, an installer that does not
    report would wipe the disk at every start.

    :raises: InvalidParameterValue when the node asks for it
    """
    if (plan.injection.timeout is None or _mode(node, plan)
            != boot_state.ONCE or not stays(node, boot_state.ONCE)):
        return plan
    if plan.wishes_unattended:
        return plan.attended()
    raise exception.InvalidParameterValue(
        f'instance_info/{boot_plan.UNATTENDED_KEY} would have an installer '
        f'that does not report run again at every start, since '
        f'once_boot_device is "persistent" for this node: leave '
        f'{boot_plan.UNATTENDED_KEY} out, or set '
        f'driver_info/{_ONCE_KEY} to "once"')


def end_former(node: typing.Any) -> None:
    """End the tokens of the boot before, when a node is deployed.

    Before the boot is planned, which makes tokens.
    """
    if node.provision_state == states.DEPLOYING:
        boot_record.end_tokens(node)


def begin(node: typing.Any, planned: boot_plan.BootPlan) -> str:
    """Put on record that a node is to boot, and return its boot mode.

    A deployment forgets what became of the boot before.
    """
    mode = _mode(node, planned)
    if node.provision_state == states.DEPLOYING:
        boot_record.begin(node, mode, planned.delivery.way,
                          interfaces.of(node, 'boot'))
    return mode


def forget(node: typing.Any) -> None:
    """Remove the record of a boot, when its instance goes.

    One that makes room for a rescue or a service comes back, and whether
    its boot is over must be known then: an installer ran already.
    """
    if node.provision_state not in _INTERRUPTED:
        boot_record.remove(node)


def ends_here(node: typing.Any) -> bool:
    """Tell whether a boot is not to be prepared, and put that on record.

    After a rescue a boot that is for once stays what it was, over or not:
    the installer has had its turn.
    """
    if node.provision_state == states.DEPLOYING:
        return False
    if is_over(node):
        end.ask(node, cause(node))
    elif boot_record.load(node).mode == boot_state.ONCE:
        end.ask(node, boot_state.Cause.RESCUE)
    else:
        return False
    return True


def _mode(node: typing.Any, planned: boot_plan.BootPlan) -> str:
    return boot_state.mode(
        node.instance_info,
        installs=planned.config is not None
        and planned.config.format.installs)


def require_end(node: typing.Any, planned: boot_plan.BootPlan) -> None:
    """Refuse a node that could never leave a boot that is for once.

    :raises: InvalidParameterValue
    """
    if (_mode(node, planned) == boot_state.ONCE and node.driver_info.get(
            'force_persistent_boot_device') == 'Always'):
        raise exception.InvalidParameterValue(
            'driver_info/force_persistent_boot_device is "Always", and the '
            'node is to boot its ISO once: an installer would run again at '
            'every start. Set it to "Default", or '
            f'instance_info/{boot_state.MODE_KEY} to '
            f'"{boot_state.FOREVER}"')


def stays(node: typing.Any, mode: str) -> bool:
    """Tell whether the medium stays the boot device after the first boot.

    :raises: InvalidParameterValue
    """
    if mode != boot_state.ONCE:
        return True
    how = node.driver_info.get(_ONCE_KEY) or CONF.ext_boot.once_boot_device
    if how not in ('once', 'persistent'):
        raise exception.InvalidParameterValue(
            f'driver_info/{_ONCE_KEY} must be "once" or "persistent"')
    return bool(how == 'persistent')


def plan_stays(node: typing.Any, planned: boot_plan.BootPlan) -> bool:
    """Tell whether the medium of a plan is to stay the boot device.

    :raises: InvalidParameterValue
    """
    return stays(node, _mode(node, planned))


def is_over(node: typing.Any) -> bool:
    """Tell whether a machine is to boot from its disk from now on.

    :param node: or a row with instance_info and driver_internal_info.
    """
    return _cause(node) is not None


def cause(node: typing.Any) -> boot_state.Cause:
    """Return what ended the boot of a node that is over."""
    found = _cause(node)
    assert found is not None
    return found


def _cause(node: typing.Any) -> boot_state.Cause | None:
    return boot_state.cause(node.instance_info or {},
                            boot_state.of(node.driver_internal_info))


def base_store(task: typing.Any, plan: boot_plan.BootPlan, *,
               patient: bool = True) -> images.ImageStore:
    """Return the store that gets a plan's base, as who chose it may.

    :raises: ImageAccessError
    """
    return base_images.store(
        task, user_access=plan.user_access, patient=patient,
        reach=base_images.Reach.IMAGE if plan.chosen_by_owner
        else base_images.Reach.OPERATOR)


def judge_base(plan: boot_plan.BootPlan, store: images.ImageStore) -> None:
    """Try the injection if the base is here, else look at its start.

    :raises: InvalidParameterValue, and any of FAILURES
    """
    with store.at_hand(plan.href, plan.checksum) as base:
        if base is not None:
            with customised_iso.opened(base) as image:
                customised_iso.inject(image, plan)[0].close()
                return
    head = store.peek(plan.href, _HEAD)
    if not head.startswith(iso.MAGIC[1], iso.MAGIC[0]):
        raise exception.InvalidParameterValue(
            f'{images.redacted(plan.href)} is not an ISO 9660 image')


def is_at_hand(task: typing.Any, plan: boot_plan.BootPlan) -> bool:
    """Tell whether the base of a plan is on this host, and current."""
    try:
        with base_store(task, plan, patient=False).at_hand(
                plan.href, plan.checksum) as base:
            return base is not None
    except images.ImageError as exc:
        LOG.debug('Whether %(iso)s is current cannot be told: %(error)s',
                  {'iso': images.redacted(plan.href), 'error': exc})
        return False


@contextlib.contextmanager
def at_hand(task: typing.Any, plan: boot_plan.BootPlan
            ) -> collections.abc.Iterator[None]:
    """Get the base of a plan, which stays on this host in the context.

    :raises: any of FAILURES
    """
    with base_store(task, plan).lease(plan.href, plan.checksum):
        yield


@contextlib.contextmanager
def fetched(task: typing.Any, plan: boot_plan.BootPlan
            ) -> collections.abc.Iterator[
                tuple[iso.SegmentMap, images.BaseImage]]:
    """Get the base and put the plan into it; both are good in the context.

    :returns: the customised image, and the base, leased.
    :raises: any of FAILURES
    """
    store = base_store(task, plan)
    with store.lease(plan.href, plan.checksum) as base:
        with customised_iso.opened(base) as image:
            customised, warnings = customised_iso.inject(image, plan)
            for warning in warnings:
                LOG.warning('Node %(node)s, %(iso)s: %(warning)s',
                            {'node': task.node.uuid, 'iso': base.href,
                             'warning': warning})
            with customised:
                yield customised, base
        base.require_unchanged()


@contextlib.contextmanager
def keeping_last_error(node: typing.Any
                       ) -> collections.abc.Iterator[None]:
    """Keep why a deploy failed while its clean-up runs.

    Ironic (35 to 39) writes last_error first and cleans up then; powering
    off a machine that is off already clears last_error
    (conductor/utils.py, _not_going_to_change).
    """
    error = node.last_error
    try:
        yield
    finally:
        if (error and node.last_error is None
                and node.provision_state == states.DEPLOYING):
            node.last_error = error
            node.save()
