# SPDX-License-Identifier: Apache-2.0

"""Boot interface ``iso-sanboot``: iPXE boots any ISO with the node's config.

``instance_info/boot_iso`` (deploy interface ``ramdisk``) by iPXE's
``sanboot``, over iSCSI or HTTP; everything else boots as with Ironic's own
ipxe, which this class is based on.
"""

import collections.abc
import contextlib
import dataclasses
import typing

from ironic.common import exception
from ironic.common import states
from ironic.conductor import periodics
from ironic.conductor import task_manager
from ironic.conf import CONF
from ironic.drivers.modules import boot_mode_utils
from ironic.drivers.modules import deploy_utils
from ironic.drivers.modules import ipxe
from ironic import objects
from oslo_log import log

from ironic_ext import conf
from ironic_ext.drivers.boot import boot_medium
from ironic_ext.drivers.boot import end
from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.boot import published_script as scripts
from ironic_ext.drivers.boot import sanboot_delivery as delivery
from ironic_ext.drivers.boot import secret_script
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.images import left_files
from ironic_ext.drivers import ironic_private
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import interfaces
from ironic_ext.drivers.records import sanboot as records
from ironic_ext import images
from ironic_ext.media import records as media_records
from ironic_ext.node import boot_plan
from ironic_ext.node import boot_state
from ironic_ext import san
from ironic_ext.san import configured
from ironic_ext.san import ipxe as script

LOG = log.getLogger(__name__)

conf.register_opts(CONF)

NAME = interfaces.ISO_SANBOOT
# Seconds, as for redfish-iso.
_LOOK_AFTER = 900
# Seconds between two tries to prepare the boots of adopted nodes.
_ADOPT = 60
_FAILURES = (*instance.FAILURES, san.SanError,
             media_records.RecordsError)


class IsoSanboot(ipxe.iPXEBoot):
    """Network boot that puts the node's config into the ISO."""

    capabilities = [*ipxe.iPXEBoot.capabilities, 'ramdisk_boot_configdrive']

    def validate(self, task: typing.Any) -> None:
        """Refuse what cannot work, before anything is touched.

        :raises: InvalidParameterValue, MissingParameterValue
        """
        if not instance.boots_iso(task.node):
            super().validate(task)
            return
        self._validate_common(task)
        deploy_utils.get_image_instance_info(task.node)
        said = task.node.properties.get(script.LOCAL_BOOT_KEY)
        if said not in (None, *script.LOCAL_BOOTS):
            raise exception.InvalidParameterValue(
                f'properties/{script.LOCAL_BOOT_KEY} is '
                f'"{str(said)[:40]}": set '
                f'{" or ".join(script.LOCAL_BOOTS)}, or remove it')
        with self._planned(task, patient=False) as (plan, way):
            delivery.require(task, plan, way)
            instance.require_end(task.node, plan)
            try:
                instance.judge_base(plan, instance.base_store(
                    task, plan, patient=False))
            except _FAILURES as exc:
                raise exception.InvalidParameterValue(str(exc)) from exc

    def prepare_instance(self, task: typing.Any) -> None:
        """Prepare the boot of the instance.

        :raises: InstanceDeployFailure, InvalidParameterValue
        """
        node = task.node
        if instance.began_with_iso(node):
            if node.provision_state in (states.ACTIVE, states.ADOPTING):
                self._take_over(task)
                return
            if instance.ends_here(node):
                self._let_go(task)
                return
        if not instance.boots_iso(node):
            self._withdraw(task)
            super().prepare_instance(task)
            return
        instance.end_former(node)
        with self._planned(task) as (plan, way):
            self._withdraw(task)
            boot_medium.withdraw_stock(task)
            mode = instance.begin(node, plan)
            boot_mode_utils.sync_boot_mode(task)
            boot_mode_utils.configure_secure_boot_if_needed(task)
            try:
                self._deliver(task, plan, way)
                ironic_private.set_network_boot(
                    self, task, mode != boot_state.ONCE)
            except Exception as exc:
                self._undo(task)
                if isinstance(exc, _FAILURES):
                    raise exception.InstanceDeployFailure(str(exc)) from exc
                raise
        LOG.info('Node %(node)s is set to boot %(iso)s over the network '
                 '(%(transport)s)',
                 {'node': node.uuid, 'iso': images.redacted(plan.href),
                  'transport': way.transport})

    def clean_up_instance(self, task: typing.Any) -> None:
        """Remove what was made for the boot of the instance.

        :raises: InstanceDeployFailure when a part of it stays; the script
            is gone even so.
        """
        node = task.node
        with instance.keeping_last_error(node):
            if (records.load(node) is None and not delivery.made_for(node)
                    and not instance.boots_iso(node)):
                super().clean_up_instance(task)
                return
            boot_medium.withdraw_stock(task)
            scripts.remove(task)
            self._withdraw(task)
            instance.forget(node)
            boot_mode_utils.deconfigure_secure_boot_if_needed(task)

    def get_properties(self) -> dict[str, str]:
        """Return what driver_info may say, and what it means."""
        return {**super().get_properties(), **delivery.PROPERTIES}

    # Plans

    @contextlib.contextmanager
    def _planned(self, task: typing.Any, patient: bool = True
                 ) -> collections.abc.Iterator[
                     tuple[boot_plan.BootPlan, delivery.Way]]:
        with instance.planned(task, CONF.pxe.kernel_append_params,
                              patient=patient) as plan:
            way = delivery.way(task, plan)
            yield delivery.without_medium(
                delivery.with_ibft(task, plan, way), way), way

    # What is made

    def _deliver(self, task: typing.Any, plan: boot_plan.BootPlan,
                 way: delivery.Way) -> None:
        """Make the ISO readable, and lead the machine's iPXE there."""
        node = task.node
        target = delivery.deliver(task, plan, way)
        macs = [port.address for port in task.ports]
        text = script.Sanboot(delivery.title(task, plan), target).text(
            node.name or node.uuid,
            macs[0] if len(macs) == 1 else script.MAC)
        digest = scripts.write(
            task, secret_script.published(node, text, target))
        records.save(node, records.SanbootRecord(way.transport, way.targets,
                                                 script=digest))

    def _withdraw(self, task: typing.Any) -> None:
        """Make what was delivered unreadable.

        What could not be withdrawn stays on record.

        :raises: InstanceDeployFailure
        """
        try:
            delivery.withdraw(task)
        except _FAILURES as exc:
            raise exception.InstanceDeployFailure(
                f'the boot image of node {task.node.uuid} could not be '
                f'withdrawn: {exc}') from exc
        secret_script.forget(task.node)
        records.remove(task.node)

    def _undo(self, task: typing.Any) -> None:
        try:
            scripts.remove(task)
            self._withdraw(task)
        except Exception as exc:
            LOG.warning('Undoing the failed boot of node %(node)s is left '
                        'to its clean-up: %(error)s',
                        {'node': task.node.uuid, 'error': exc})

    # Active nodes

    def _take_over(self, task: typing.Any) -> None:
        """Leave a running machine alone; make what its next boot needs."""
        node = task.node
        try:
            if instance.is_over(node):
                self._let_go(task)
                return
            record = records.load(node)
            if (record is not None and record.is_here and not record.done
                    and scripts.is_written(node, record.script)
                    and delivery.is_there(task, record)):
                media_delivery.prolong([node])
                return
            with self._planned(task) as (plan, way):
                if _is_adopted(node) and not instance.is_at_hand(task, plan):
                    LOG.info('The ISO of the active node %s is not on this '
                             'host yet; its network boot is made again when '
                             'it is', node.uuid)
                    return
                before = delivery.made_for(node)
                self._deliver(task, plan, way)
                delivery.withdraw_media(task, before)
            LOG.info('The network boot of the active node %s was made '
                     'again; its machine was not touched', node.uuid)
        except (exception.IronicException, *_FAILURES) as exc:
            _not_taken_over(task, exc)

    def _let_go(self, task: typing.Any, reached: bool = True) -> None:
        """Let the machine leave iPXE from now on; remove what it read.

        :param reached: whether its BMC is to be told, too.
        """
        node = task.node
        record = records.load(node) or records.SanbootRecord(records.HTTP)
        if (record.done and record.is_here
                and scripts.is_written(node, record.script)):
            return
        end.ask(node, instance.cause(node))
        digest = scripts.write(task, script.local(
            node.name or node.uuid, node.properties, chained=True))
        secret_script.forget(node)
        delivery.withdraw(task)
        try:
            seen = reached and end.set_disk(task)
        except exception.IronicException as exc:
            # The script leads to the disk in any case.
            LOG.warning('The disk could not be made the boot device of node '
                        '%(node)s, which still runs iPXE first: %(error)s',
                        {'node': node.uuid, 'error': exc})
            seen = False
        end.close(node, disk_seen=seen)
        # Last: nobody comes back to one that is done.
        records.save(node, records.SanbootRecord(
            record.transport, record.targets, script=digest, done=True))
        LOG.info('Node %s leaves iPXE from now on', node.uuid)

    def has_boot(self, node: typing.Any) -> bool:
        """Tell whether the node boots over the network by this interface."""
        record = records.load(node)
        return record is not None and not record.done

    def end_boot(self, task: typing.Any, cause: boot_state.Cause
                 ) -> boot_state.BootState:
        """Let the machine leave iPXE from now on.

        :raises: IronicException when the disk does not become its boot
            device, or what it read cannot be removed.
        """
        end.ask(task.node, cause)
        try:
            self._let_go(task)
        except _FAILURES as exc:
            raise exception.IronicException(
                f'the network boot of node {task.node.uuid} is not over: '
                f'{exc}') from exc
        return boot_record.load(task.node)

    # Periodic tasks

    @periodics.node_periodic(
        purpose='ending network boots', spacing=CONF.ext_san.look_interval,
        filters={'provision_state_in': (states.ACTIVE,),
                 'reserved': False},
        predicate_extra_fields=('instance_info', 'driver_internal_info'),
        predicate=lambda row: _is_over(row))
    def _end_boots(self, task: typing.Any, manager: typing.Any,
                   context: typing.Any) -> None:
        """Let machines leave iPXE whose installed system has reported."""
        if not _is_over(task.node):
            return
        # Before the lock: a BMC that does not answer takes its time.
        try:
            task.driver.management.get_boot_device(task)
            reached = True
        except exception.IronicException as exc:
            LOG.warning('The disk will not be made the boot device of node '
                        '%(node)s, which runs iPXE first: %(error)s',
                        {'node': task.node.uuid, 'error': exc})
            reached = False
        task.upgrade_lock()
        if _is_over(task.node):
            try:
                self._let_go(task, reached)
            except (exception.IronicException, *_FAILURES) as exc:
                LOG.warning('Node %(node)s is to boot from its disk, but '
                            'still boots over the network, trying again '
                            'later: %(error)s',
                            {'node': task.node.uuid, 'error': exc})

    @periodics.node_periodic(
        purpose='preparing the network boots of adopted nodes',
        spacing=_ADOPT,
        filters={'provision_state_in': (states.ACTIVE,),
                 'reserved': False, 'maintenance': False},
        predicate_extra_fields=('boot_interface', 'deploy_interface',
                                'instance_info', 'driver_internal_info'),
        # "autodetect" may stand for "ramdisk".
        predicate=lambda row: (
            _is_adopted(row) and interfaces.of(row, 'boot') == NAME
            and interfaces.of(row, 'deploy') in ('ramdisk', 'autodetect')))
    def _adopt(self, task: typing.Any, manager: typing.Any,
               context: typing.Any) -> None:
        """Make what Ironic does not ask for when a node is adopted.

        Nor when it comes to this conductor, and a download is needed first.
        """
        if not (_is_adopted(task.node) and instance.boots_iso(task.node)):
            return
        try:
            with self._planned(task) as (plan, _way):
                # Before the lock: a download takes its time.
                with instance.at_hand(task, plan):
                    task.upgrade_lock()
                    if _is_adopted(task.node):
                        self._take_over(task)
        except exception.NodeLocked:
            raise
        except (exception.IronicException, *_FAILURES) as exc:
            _not_taken_over(task, exc)

    @periodics.periodic(spacing=CONF.ext_san.rebuild_interval)
    def _look_after_targets(self, manager: typing.Any, context: typing.Any
                            ) -> None:
        """Make targets again that tgtd lost; remove those nobody needs."""
        try:
            targets = configured.targets_from(CONF)
            owners = targets.owners()
            here = {delivery.owner(row[0]) for row
                    in (manager.iter_nodes() if owners else ())}
            for uuid in sorted(_node(owner) for owner in owners
                               if owner.startswith(delivery.owner(''))):
                _release_if_orphaned(context, targets, uuid,
                                     delivery.owner(uuid) in here)
            rebuilt = targets.rebuild()
            if any(dataclasses.astuple(rebuilt)):
                LOG.info('iSCSI targets: %s', rebuilt)
        except san.SanError as exc:
            LOG.warning('The iSCSI targets of this conductor cannot be '
                        'looked after, trying again later: %s', exc)

    @periodics.periodic(spacing=_LOOK_AFTER)
    def _look_after_media(self, manager: typing.Any, context: typing.Any
                          ) -> None:
        """Let the media live on that this conductor's nodes have."""
        media_delivery.look_after(manager)

    @periodics.periodic(spacing=CONF.ext_boot.leaving_interval)
    def _end_left_boots(self, manager: typing.Any, context: typing.Any
                        ) -> None:
        """End the boots of nodes that have another interface by now."""
        leaving.sweep(manager)
        left_files.sweep()


def _is_over(row: typing.Any) -> bool:
    record = records.of(row.driver_internal_info)
    return (record is not None and not record.done
            and instance.is_over(row))


def _is_adopted(row: typing.Any) -> bool:
    """Tell whether an active node never got its script on this host."""
    record = records.of(row.driver_internal_info)
    return ((record is None or not record.script or not record.is_here)
            and not instance.is_over(row))


def _not_taken_over(task: typing.Any, exc: Exception) -> None:
    LOG.warning('The network boot of the active node %(node)s cannot be '
                'looked after; its machine was not touched: %(error)s',
                {'node': task.node.uuid, 'error': exc})


def _node(owner: str) -> str:
    return owner.removeprefix(delivery.owner(''))


def _release_if_orphaned(context: typing.Any, targets: san.Targets,
                         uuid: str, is_ours: bool) -> None:
    """Release what a node has that it does not need on this host.

    A conductor that was killed may have left it, and a node can be another
    host's by now.
    """
    try:
        if not _is_orphan(objects.Node.get_by_uuid(context, uuid), is_ours):
            return
        # Once more with the lock, so that nobody makes it meanwhile.
        with task_manager.acquire(context, uuid, shared=False,
                                  purpose='looking after targets') as task:
            if _is_orphan(task.node, is_ours):
                targets.release(delivery.owner(uuid))
    except exception.NodeNotFound:
        targets.release(delivery.owner(uuid))
    except exception.NodeLocked:
        LOG.debug('Node %s is locked; its targets are looked after later',
                  uuid)


def _is_orphan(node: typing.Any, is_ours: bool) -> bool:
    record = records.load(node)
    return (record is None or record.done
            or record.transport != records.ISCSI
            or not (record.is_here or is_ours))
