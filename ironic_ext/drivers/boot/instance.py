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
from ironic_ext.drivers.images import bases as base_images
from ironic_ext.drivers.images import customised as customised_iso
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.media import delivery
from ironic_ext.node import boot_plan

LOG = log.getLogger(__name__)

#: What making and delivering an image raises when it fails.
FAILURES = (config_formats.ConfigError, delivery.DeliveryError,
            images.ImageError, iso.IsoError, OSError)

_MIB = 1 << 20
# System area and the first volume descriptors: enough to tell an ISO.
_HEAD = 34 << 10


def boots_iso(node: typing.Any) -> bool:
    """Tell whether the instance of a node is an ISO of its own."""
    return bool(node.instance_info.get('boot_iso')
                and deploy_utils.get_boot_option(node) == 'ramdisk')


def plan(task: typing.Any, default_arguments: str | None, *,
         patient: bool = True) -> boot_plan.BootPlan:
    """Plan the boot of a node's ``boot_iso``.

    :param default_arguments: see boot_plan.for_instance().
    :param patient: see base_images.store().
    :raises: InvalidParameterValue
    """
    def read(href: str, limit: int) -> bytes:
        return base_images.store(task, patient=patient).read(href, limit)

    return boot_plan.for_instance(
        task.node, limits=_limits(), read=read,
        default_arguments=default_arguments,
        sources=catalog.sources(),
        facts=catalog.facts(task))


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


@contextlib.contextmanager
def fetched(task: typing.Any, plan: boot_plan.BootPlan
            ) -> collections.abc.Iterator[
                tuple[iso.SegmentMap, images.BaseImage]]:
    """Get the base and put the plan into it; both are good in the context.

    :returns: the customised image, and the base, leased.
    :raises: any of FAILURES
    """
    store = base_images.store(task, user_access=plan.user_access)
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


def _limits() -> boot_plan.Limits:
    return boot_plan.Limits(
        file=CONF.ext_boot.max_file_size * _MIB,
        total=CONF.ext_boot.max_total_size * _MIB,
        configdrive=CONF.ext_boot.max_configdrive_size * _MIB)
