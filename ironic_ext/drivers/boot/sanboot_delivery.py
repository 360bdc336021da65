# SPDX-License-Identifier: Apache-2.0

"""A node's ISO made readable for its iPXE: by iSCSI or by HTTP.

The part of ironic_ext.san that knows Ironic: options, driver_info, the
record on the node.
"""

import collections.abc
import dataclasses
import typing

from ironic.common import dhcp_factory
from ironic.common import exception
from ironic.conf import CONF
from oslo_log import log

from ironic_ext import catalog
from ironic_ext.drivers.boot import catalog as boot_catalog
from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.boot import live_systems
from ironic_ext.drivers.images import customised as customised_iso
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import media as node_media
from ironic_ext.drivers.records import sanboot as records
from ironic_ext import images
from ironic_ext import iso
from ironic_ext.media import medium as media
from ironic_ext.node import boot_plan
from ironic_ext.node import targets
from ironic_ext import san
from ironic_ext.san import configured
from ironic_ext.san import contract as san_targets
from ironic_ext.san import location

LOG = log.getLogger(__name__)

#: Keys of driver_info.
PROPERTIES = {
    'sanboot_transport': 'How iPXE reads an ISO: iscsi, http or auto. '
                         'Optional; [ext_san]transport by default.',
    'sanboot_portal': 'Where the machine reaches the iSCSI server: '
                      'HOST[:PORT]. Optional; see [ext_san]portal.',
    'sanboot_target': 'A target that serves the ISO as it is: a dictionary '
                      'of iqn, portal and, where needed, lun, username and '
                      'password. Optional.'}
_STATIC = 'static'
_AUTO = 'auto'
_TARGET = 'driver_info/sanboot_target'


@dataclasses.dataclass(frozen=True)
class Way:
    """How the machine is to read its ISO.

    :param transport: records.ISCSI or records.HTTP.
    :param targets: back end of ironic_ext.san_targets, '' for HTTP.
    :param given: a target that the operator has made.
    """

    transport: str
    targets: str = ''
    given: san.Location | None = None


def way(task: typing.Any, plan: boot_plan.BootPlan) -> Way:
    """Decide how a node's machine is to read its ISO.

    :raises: InvalidParameterValue
    """
    info, driver_info = task.node.instance_info, task.node.driver_info
    wanted = (info.get('sanboot_transport')
              or driver_info.get('sanboot_transport')
              or CONF.ext_san.transport)
    if wanted not in (records.ISCSI, records.HTTP, _AUTO):
        raise exception.InvalidParameterValue(
            f'sanboot_transport must be "{records.ISCSI}", '
            f'"{records.HTTP}" or "{_AUTO}"')
    if wanted == records.HTTP:
        return Way(records.HTTP)
    given = _given(task, plan)
    if given is not None:
        return Way(records.ISCSI, _STATIC, given)
    if wanted == _AUTO and not (CONF.ext_san.portal or CONF.ext_san.portals
                                or driver_info.get('sanboot_portal')):
        return Way(records.HTTP)
    return Way(records.ISCSI, CONF.ext_san.targets)


def with_ibft(task: typing.Any, plan: boot_plan.BootPlan, how: Way
              ) -> boot_plan.BootPlan:
    """Add what makes the kernel log in to the target, where asked.

    :raises: InvalidParameterValue
    """
    wanted = task.node.instance_info.get('sanboot_ibft')
    if wanted in (None, '', False, 'false', 'False'):
        return plan
    if wanted in (True, 'true', 'True'):
        wanted = 'dracut'
    known = live_systems.IBFT_ARGUMENTS
    if not isinstance(wanted, str) or wanted not in known:
        raise exception.InvalidParameterValue(
            'instance_info/sanboot_ibft must be true, false or one of '
            f'{", ".join(sorted(known))}')
    if how.transport != records.ISCSI:
        raise exception.InvalidParameterValue(
            'instance_info/sanboot_ibft: there is no iBFT with HTTP; set '
            'sanboot_transport to iscsi')
    arguments = f'{plan.injection.append_args} {known[wanted]}'.strip()
    return dataclasses.replace(plan, injection=dataclasses.replace(
        plan.injection, append_args=arguments))


def without_medium(plan: boot_plan.BootPlan, how: Way) -> boot_plan.BootPlan:
    """Return the plan of a system that iPXE leaves without its medium."""
    return dataclasses.replace(plan, delivery=dataclasses.replace(
        plan.delivery, lost=live_systems.config_remedy(
            plan.injection, by_iscsi=how.transport == records.ISCSI)))


def require(task: typing.Any, plan: boot_plan.BootPlan, how: Way) -> None:
    """Make sure that the node's ISO can be delivered that way.

    :raises: InvalidParameterValue
    """
    if how.transport == records.HTTP:
        media_delivery.require(task)
        return
    if how.targets == _STATIC:
        _require_static(plan, how)
    try:
        opened = configured.targets_from(CONF, how.targets)
        opened.require()
        if how.given is None:
            _portal(task)
    except san.SanError as exc:
        raise exception.InvalidParameterValue(str(exc)) from exc


def _require_static(plan: boot_plan.BootPlan, how: Way) -> None:
    if how.given is None:
        raise exception.InvalidParameterValue(
            f'there is no iSCSI target for {images.redacted(plan.href)}: '
            f'set {_TARGET}, or the target of the ISO in the catalog')
    if not _is_plain(plan):
        raise exception.InvalidParameterValue(
            f'target {how.given.iqn} serves the ISO as it is, but this boot '
            'needs changes in it (config, files or kernel arguments): '
            f'remove {_TARGET}, or set sanboot_transport to http')


def _is_plain(plan: boot_plan.BootPlan) -> bool:
    return plan.injection.empty and plan.config is None


def deliver(task: typing.Any, plan: boot_plan.BootPlan, how: Way
            ) -> san.Location | str:
    """Make the ISO readable; what came before stays.

    What is made is on record on the node before it is there.

    :returns: a target, or a URL.
    :raises: SanError, and any of instance.FAILURES
    """
    records.save(task.node, records.SanbootRecord(how.transport,
                                                  how.targets))
    if how.transport == records.ISCSI:
        return _export(task, plan, how)
    medium = media_delivery.announce(task, media.Purpose.SANBOOT)
    with instance.fetched(task, plan) as (customised, base):
        _advise(task, plan, how, base)
        delivered = media_delivery.for_node(task).deliver(
            medium, customised,
            media_delivery.base_of(base, plan.href, plan.chosen_by_owner),
            media_delivery.lifetime(media.Purpose.SANBOOT))
    node_media.save(task.node, delivered.medium)
    return delivered.url


def is_there(task: typing.Any, record: records.SanbootRecord) -> bool:
    """Tell whether what was delivered can still be read.

    Targets that tgtd has lost are made again.

    :raises: SanError, DeliveryError, RecordsError
    """
    if record.transport == records.HTTP:
        found = made_for(task.node)
        return bool(found) and all(_is_kept(task, item) for item in found)
    if record.targets == _STATIC:
        return True
    opened = configured.targets_from(CONF, record.targets)
    opened.rebuild()
    mine = owner(task.node.uuid)
    states = [target.state for target in opened.status()
              if mine in target.owners]
    return bool(states) and san_targets.LOST not in states


def withdraw(task: typing.Any) -> None:
    """Make what was delivered unreadable, all of it if at all possible.

    :raises: DeliveryError, OSError, SanError: the first failure.
    """
    record = records.load(task.node)
    try:
        if record is not None:
            release(task.node, record)
    finally:
        withdraw_media(task, made_for(task.node))


def release(node: typing.Any, record: records.SanbootRecord) -> None:
    """Release the target of a node, if this suite has made one.

    :raises: SanError
    """
    if record.transport == records.ISCSI and record.targets != _STATIC:
        configured.targets_from(CONF, record.targets).release(
            owner(node.uuid))


def withdraw_media(task: typing.Any, going: collections.abc.Collection[
        media.Medium]) -> None:
    """Make images unreadable that HTTP delivers.

    :raises: DeliveryError, OSError: the first failure.
    """
    media_delivery.withdraw(task, going)
    for item in going:
        node_media.remove(task.node, item.id)


def made_for(node: typing.Any) -> tuple[media.Medium, ...]:
    """Return the media of the node that HTTP delivers."""
    return tuple(medium for medium in node_media.load(node)
                 if medium.purpose is media.Purpose.SANBOOT)


def owner(node_uuid: str) -> str:
    """Return who has the targets of a node."""
    return f'node:{node_uuid}'


def title(task: typing.Any, plan: boot_plan.BootPlan) -> str:
    """Return what the script calls the ISO."""
    named = boot_catalog.named_iso(task)
    if named is not None:
        return named.metadata.name
    return images.redacted(plan.href).partition('?')[0].rpartition('/')[2]


def _export(task: typing.Any, plan: boot_plan.BootPlan, how: Way
            ) -> san.Location:
    opened = configured.targets_from(CONF, how.targets)
    with instance.fetched(task, plan) as (customised, base):
        _advise(task, plan, how, base)
        if how.given is not None:
            return opened.export(owner(task.node.uuid), customised, base,
                                 given=how.given)
        return opened.export(owner(task.node.uuid), customised, base,
                             portal=_portal(task))


def _is_kept(task: typing.Any, item: media.Medium) -> bool:
    if item.kind is media.Kind.STREAM:
        return item.id in media_delivery.known().live([item.id])
    return media_delivery.for_node(task).find(item) is not None


def _advise(task: typing.Any, plan: boot_plan.BootPlan, how: Way,
            base: images.BaseImage) -> None:
    with customised_iso.opened(base) as image:
        try:
            placed, _notes = plan.with_config_in(image)
            sentences = live_systems.advice(
                image, placed.injection,
                by_iscsi=how.transport == records.ISCSI)
        except iso.IsoError:
            # It boots, or it does not; that is not for advice to decide.
            return
    for sentence in sentences:
        LOG.warning('Node %(node)s, %(iso)s: %(sentence)s',
                    {'node': task.node.uuid, 'iso': base.href,
                     'sentence': sentence})


def _given(task: typing.Any, plan: boot_plan.BootPlan
           ) -> san.Location | None:
    """Return the target that the operator has made for the node's ISO.

    That of the catalog serves the ISO as it is: where targets can be
    made, it is for boots without changes only.
    """
    own = task.node.driver_info.get('sanboot_target')
    try:
        if own:
            return _parse(own)
        named = boot_catalog.named_iso(task)
        if named is None or not (CONF.ext_san.targets == _STATIC
                                 or _is_plain(plan)):
            return None
        return targets.of_iso(named.status)
    except (catalog.CatalogError, san.SanError) as exc:
        raise exception.InvalidParameterValue(str(exc)) from exc


def _parse(value: typing.Any) -> san.Location:
    if not (isinstance(value, dict) and value.keys() <= {
            'iqn', 'portal', 'lun', 'username', 'password', 'initiator'}
            and isinstance(value.get('iqn'), str)
            and isinstance(value.get('portal'), str)):
        raise exception.InvalidParameterValue(
            f'{_TARGET} must be {{"iqn": ..., "portal": ...}}, with "lun", '
            '"username", "password" and "initiator" where needed')
    portal = location.Portal.parse(value['portal'])
    chap = None
    if value.get('username') or value.get('password'):
        chap = san.Chap(str(value.get('username', '')),
                        str(value.get('password', '')))
    try:
        lun = int(value.get('lun', location.LUN))
    except (TypeError, ValueError) as exc:
        raise exception.InvalidParameterValue(
            f'{_TARGET}: "lun" must be a number') from exc
    return san.Location(value['iqn'], portal.host, portal.port, lun, chap,
                        str(value.get('initiator') or ''))


def _portal(task: typing.Any) -> san.Portal:
    """Return where the node's machine finds the iSCSI server.

    :raises: SanError
    """
    own = task.node.driver_info.get('sanboot_portal')
    if own:
        return location.Portal.parse(str(own))
    settings = configured.settings_from(CONF)
    failure: san.SanError | None = None
    # The address of another network than the one it boots from may come
    # first.
    for address in (*_addresses(task), None) if settings.portals else (None,):
        try:
            portal = settings.portal_for(address)
        except san.PortalError as exc:
            failure = failure or exc
            continue
        if address is None or portal != settings.portal:
            return portal
    assert failure is not None
    raise failure


def _addresses(task: typing.Any) -> list[str]:
    known = list(boot_catalog.facts(task)['ips'])
    try:
        known += dhcp_factory.DHCPFactory().provider.get_ip_addresses(task)
    except Exception as exc:
        # Some providers know addresses only once a machine has asked.
        LOG.debug('The DHCP provider tells no address of node %(node)s: '
                  '%(error)s', {'node': task.node.uuid, 'error': exc})
    return known
