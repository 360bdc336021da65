# SPDX-License-Identifier: Apache-2.0

"""Boot interface ``redfish-iso``: boot any ISO with the node's own config.

Customises ``instance_info/boot_iso`` (deploy interface ``ramdisk``) and
``driver_info/deploy_iso`` and ``rescue_iso``; everything else boots as with
Ironic's own redfish-virtual-media, which this class is based on.
"""

import collections.abc
import contextlib
import types
import typing

from ironic.common import boot_devices
from ironic.common import exception
from ironic.common import states
from ironic.conductor import periodics
from ironic.conductor import utils as manager_utils
from ironic.conf import CONF
from ironic.drivers.modules import boot_mode_utils
from ironic.drivers.modules import deploy_utils
from ironic.drivers.modules import image_utils
from ironic.drivers.modules.redfish import boot as redfish_boot
from ironic.drivers.modules.redfish import utils as redfish_utils
from ironic.drivers import utils as driver_utils
from oslo_log import log

from ironic_ext import conf
from ironic_ext.drivers.bmc import boot_slot
from ironic_ext.drivers.bmc import drives
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.bmc import quirks
from ironic_ext.drivers.boot import boot_medium
from ironic_ext.drivers.boot import config_medium
from ironic_ext.drivers.boot import end
from ironic_ext.drivers.boot import firmware
from ironic_ext.drivers.boot import instance
from ironic_ext.drivers.boot import leaving
from ironic_ext.drivers.boot import lost
from ironic_ext.drivers.boot import overdue
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.images import left_files
from ironic_ext.drivers import ironic_private
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import interfaces
from ironic_ext.drivers.records import media as node_media
from ironic_ext import images
from ironic_ext.media import medium as media
from ironic_ext.media import records as media_records
from ironic_ext.node import boot_plan
from ironic_ext.node import boot_state
from ironic_ext.node import errors

LOG = log.getLogger(__name__)

conf.register_opts(CONF)

# Seconds; a small part of the shortest [ext_media]token_lifetime.
_LOOK_AFTER = 900


class RedfishIsoBoot(redfish_boot.RedfishVirtualMediaBoot):
    """Virtual media boot that puts the node's config into the ISO."""

    # Validation

    def validate(self, task: typing.Any) -> None:
        """Refuse what cannot work, before anything is touched.

        :raises: InvalidParameterValue, MissingParameterValue
        """
        if not instance.boots_iso(task.node):
            super().validate(task)
            if _agent_iso(task.node):
                self._validate_agent(task)
            return
        self._validate_driver_info(task)
        # Refuses image_source beside boot_iso.
        deploy_utils.get_image_instance_info(task.node)
        with instance.planned(task, CONF.redfish.kernel_append_params,
                              patient=False) as plan:
            instance.require_end(task.node, plan)
            instance.stays(task.node, boot_state.ONCE)
            self._validate_plan(task, plan,
                                instance.plan_stays(task.node, plan))

    def validate_rescue(self, task: typing.Any) -> None:
        """Refuse a rescue that cannot work.

        :raises: InvalidParameterValue, MissingParameterValue
        """
        super().validate_rescue(task)
        if _agent_iso(task.node, 'rescue'):
            self._validate_agent(task, 'rescue')

    def _validate_agent(self, task: typing.Any, mode: str = 'deploy'
                        ) -> None:
        self._validate_plan(task, self._plan_agent(task, {}, mode), False)

    def _validate_plan(self, task: typing.Any, plan: boot_plan.BootPlan,
                       stays: bool) -> None:
        media_delivery.require(task)
        try:
            instance.judge_base(plan, instance.base_store(
                task, plan, patient=False))
            # Read once: validating must not take long.
            slots = drives.drives(task)
            insertion.foresee(task, drives.bootable(task, slots))
            boot_slot.foresee(task, slots, stays=stays)
            insertion.of_conductor(task, '')
        except (*instance.FAILURES, drives.MediaError) as exc:
            raise exception.InvalidParameterValue(str(exc)) from exc

    # Plans

    def _plan_agent(self, task: typing.Any, params: dict[str, str | None],
                    mode: str) -> boot_plan.BootPlan:
        node = task.node
        ca = None
        if CONF.agent.api_ca_file:
            try:
                with open(CONF.agent.api_ca_file, 'rb') as file:
                    ca = file.read()
            except OSError as exc:
                raise exception.InvalidParameterValue(
                    f'[agent]api_ca_file cannot be read: {exc}') from exc
        network_data = None
        if not (node.provision_state in (states.INSPECTING,
                                         states.INSPECTWAIT)
                and CONF.inspector.force_dhcp):
            network_data = task.driver.network.get_node_network_data(task)
        try:
            return boot_plan.for_agent(
                node, f'{mode}_iso', _agent_iso(node, mode) or '',
                image_utils.override_api_url(params),
                append_params=driver_utils.get_kernel_append_params(
                    node, default=CONF.redfish.kernel_append_params),
                network_data=network_data, ca=ca,
                firmware=firmware.of(node))
        except errors.PlanError as exc:
            raise exception.InvalidParameterValue(str(exc)) from exc

    # Instance

    def prepare_instance(self, task: typing.Any) -> None:
        """Prepare the boot of the instance.

        :raises: InstanceDeployFailure, InvalidParameterValue
        """
        node = task.node
        if instance.began_with_iso(node):
            if node.provision_state == states.ACTIVE:
                if not instance.is_over(node):
                    self._take_over(task)
                return
            if instance.ends_here(node):
                boot_medium.withdraw(task)
                end.close(node, disk_seen=end.set_disk(task))
                return
        if not instance.boots_iso(node):
            boot_medium.withdraw(task)
            super().prepare_instance(task)
            return
        instance.end_former(node)
        with instance.planned(
                task, CONF.redfish.kernel_append_params) as plan:
            boot_medium.withdraw(task)
            boot_medium.withdraw_stock(task)
            mode = instance.begin(node, plan)
            boot_mode_utils.sync_boot_mode(task)
            boot_mode_utils.configure_secure_boot_if_needed(task)
            with self._delivered(task, plan, media.Purpose.INSTANCE):
                self._set_boot_device(task, boot_devices.CDROM,
                                      persistent=instance.stays(node, mode))
                end.see_device(task, boot_devices.CDROM)
        LOG.info('Node %(node)s is set to boot %(iso)s with its own config',
                 {'node': node.uuid, 'iso': images.redacted(plan.href)})

    def _take_over(self, task: typing.Any) -> None:
        """Leave a running machine alone, as long as its medium is there."""
        try:
            media_delivery.prolong([task.node])
        except media_records.RecordsError as exc:
            LOG.warning('The boot medium of the active node %(node)s cannot '
                        'be prolonged: %(error)s',
                        {'node': task.node.uuid, 'error': exc})
        self.keep_medium(task)

    def keep_medium(self, task: typing.Any) -> None:
        """See that the machine has its medium; what fails is on record.

        :raises: NodeLocked
        """
        lost.keep(task, self._set_boot_device)

    def clean_up_instance(self, task: typing.Any) -> None:
        """Remove what was made for the boot of the instance.

        :raises: MediaError when the BMC keeps a medium; the published
            images are gone even so.
        """
        with instance.keeping_last_error(task.node):
            if not (instance.boots_iso(task.node)
                    or node_media.load(task.node)):
                instance.forget(task.node)
                super().clean_up_instance(task)
                return
            boot_medium.withdraw_stock(task)
            boot_medium.withdraw(task)
            instance.forget(task.node)
            boot_mode_utils.deconfigure_secure_boot_if_needed(task)

    # The end of a boot

    def has_boot(self, node: typing.Any) -> bool:
        """Tell whether a medium of the instance is on record."""
        return overdue.has_medium(node)

    def end_boot(self, task: typing.Any, cause: boot_state.Cause
                 ) -> boot_state.BootState:
        """End the boot of the instance, as far as it is time for.

        :raises: IronicException when the BMC does not do what is needed;
            it is tried again by a periodic task.
        """
        end.ask(task.node, cause)
        return end.go_on(task, boot_medium.withdraw,
                         at_once=cause is boot_state.Cause.EJECT)

    def restarts(self, task: typing.Any) -> None:
        """Take the medium of a boot that is over out of a machine.

        One that is not over gets its medium back, if it was lost. For the
        time between off and on.

        :raises: IronicException
        """
        # An agent's medium is no part of the boot of the instance.
        if not (instance.is_over(task.node)
                and overdue.has_medium(task.node)):
            self.keep_medium(task)
        else:
            end.ask(task.node, instance.cause(task.node))
            end.go_on(task, boot_medium.withdraw, at_once=True)

    @periodics.periodic(spacing=CONF.ext_boot.look_interval)
    def _end_boots(self, manager: typing.Any, context: typing.Any) -> None:
        """Let machines boot from their disks that are to do so."""
        for uuid, driver, _group, *fields in manager.iter_nodes(
                filters={'reserved': False,
                         'provision_state_in': (states.ACTIVE,)},
                fields=['boot_interface', 'driver_info', 'instance_info',
                        'driver_internal_info', 'power_state']):
            row = types.SimpleNamespace(
                uuid=uuid, driver=driver, boot_interface=fields[0],
                driver_info=fields[1], instance_info=fields[2],
                driver_internal_info=fields[3], power_state=fields[4])
            if overdue.is_due(row):
                queue.submit(row, overdue.look,
                             failed=overdue.has_failed(row))

    # Agent

    def prepare_ramdisk(self, task: typing.Any,
                        ramdisk_params: dict[str, str | None]) -> None:
        """Prepare the boot of the agent, with its config in the ISO.

        :raises: IronicException
        """
        node = task.node
        mode = deploy_utils.rescue_or_deploy_mode(node)
        if (not driver_utils.need_prepare_ramdisk(node)
                or not _agent_iso(node, mode)):
            super().prepare_ramdisk(task, ramdisk_params)
            return
        system = redfish_utils.get_system(node)
        self._validate_vendor(task, system.managers)
        if manager_utils.is_fast_track(task):
            if any(map(quirks.is_inserted, drives.discs(task))):
                LOG.debug('Fast track operation for node %s, not inserting '
                          'any medium', node.uuid)
                return
            LOG.warning('Fast track is possible for node %s, but no ISO is '
                        'inserted: going the normal way', node.uuid)
        # The token gets in with the kernel arguments, so it need not be
        # handed out over the network on first contact.
        manager_utils.add_secret_token(node, pregenerated=True)
        node.save()
        ramdisk_params['ipa-agent-token'] = \
            node.driver_internal_info['agent_secret_token']
        bootif = deploy_utils.get_single_nic_with_vif_port_id(task)
        if bootif is not None:
            ramdisk_params['BOOTIF'] = bootif
        if CONF.debug and 'ipa-debug' not in ramdisk_params:
            ramdisk_params['ipa-debug'] = '1'
        # Without it IPA ignores the files on the medium.
        ramdisk_params['boot_method'] = 'vmedia'
        plan = self._plan_agent(task, ramdisk_params, mode)
        manager_utils.node_power_action(task, states.POWER_OFF)
        boot_medium.withdraw(task)
        with self._delivered(task, plan, media.Purpose.AGENT):
            boot_mode_utils.sync_boot_mode(task)
            self._set_boot_device(task, boot_devices.CDROM)
        LOG.info('Node %(node)s is set to boot the agent from %(iso)s',
                 {'node': node.uuid, 'iso': images.redacted(plan.href)})

    def clean_up_ramdisk(self, task: typing.Any) -> None:
        """Remove what was made for the boot of the agent.

        :raises: MediaError when the BMC keeps a medium; the published
            images are gone even so.
        """
        mode = deploy_utils.rescue_or_deploy_mode(task.node)
        with instance.keeping_last_error(task.node):
            if manager_utils.is_fast_track(task) or not (
                    _agent_iso(task.node, mode)
                    or node_media.load(task.node)):
                super().clean_up_ramdisk(task)
                return
            # Ironic's own interface (35 to 39) takes the power from a rescue
            # whose agent has just done its work, too.
            if task.node.provision_state != states.RESCUING:
                manager_utils.node_power_action(task, states.POWER_OFF)
            boot_medium.withdraw(task)

    # Media

    @contextlib.contextmanager
    def _delivered(self, task: typing.Any, plan: boot_plan.BootPlan,
                   purpose: media.Purpose
                   ) -> collections.abc.Iterator[None]:
        """Put the planned medium into the machine; undo that on failure.

        :raises: InstanceDeployFailure
        """
        medium = media_delivery.announce(task, purpose)
        try:
            with instance.fetched(task, plan) as (customised, base):
                delivered = media_delivery.for_node(task).deliver(
                    medium, customised,
                    media_delivery.base_of(base, plan.href,
                                           plan.chosen_by_owner),
                    media_delivery.lifetime(purpose))
                drive = config_medium.needed(plan, base)
            boot_medium.insert(task, delivered)
            if drive:
                config_medium.bring(task, drive)
            yield
        except Exception as exc:
            self._withdraw_quietly(task)
            if isinstance(exc, (*instance.FAILURES,
                                drives.MediaError)):
                raise exception.InstanceDeployFailure(str(exc)) from exc
            raise

    def _withdraw_quietly(self, task: typing.Any) -> None:
        try:
            boot_medium.withdraw(task)
        except Exception as exc:
            LOG.warning('Undoing the failed boot of node %(node)s is left '
                        'to its clean-up: %(error)s',
                        {'node': task.node.uuid, 'error': exc})

    @periodics.periodic(spacing=_LOOK_AFTER)
    def _look_after_media(self, manager: typing.Any, context: typing.Any
                          ) -> None:
        """Let the media live on that this conductor's nodes have."""
        media_delivery.look_after(manager)

    @periodics.periodic(spacing=CONF.ext_data_image.reconcile_interval)
    def _keep_media(self, manager: typing.Any, context: typing.Any) -> None:
        """Have media put back that active machines have lost."""
        for uuid, driver, _group, *fields in manager.iter_nodes(
                filters={'reserved': False, 'maintenance': False,
                         'provision_state_in': (states.ACTIVE,)},
                fields=['boot_interface', 'driver_info', 'instance_info',
                        'driver_internal_info']):
            row = types.SimpleNamespace(
                uuid=uuid, driver=driver, boot_interface=fields[0],
                driver_info=fields[1], instance_info=fields[2],
                driver_internal_info=fields[3])
            if (interfaces.of(row, 'boot') == interfaces.REDFISH_ISO
                    and lost.is_due(row)):
                queue.submit(row, lost.look,
                             failed=bool(boot_record.load(row).errors))

    @periodics.periodic(spacing=CONF.ext_boot.leaving_interval)
    def _end_left_boots(self, manager: typing.Any, context: typing.Any
                        ) -> None:
        """End the boots of nodes that have another interface by now."""
        leaving.sweep(manager)
        left_files.sweep()

    # Vendors

    def _validate_vendor(self, task: typing.Any, managers: typing.Any
                         ) -> None:
        ironic_private.require_vendor(quirks.stock_boot(task), task,
                                      managers)

    def _get_acceptable_media_id(self, task: typing.Any,
                                 resource: typing.Any) -> str | None:
        return quirks.only_slot(task, resource)

    def _set_boot_device(self, task: typing.Any, device: str,
                         persistent: bool = False) -> None:
        ironic_private.set_boot_device(quirks.stock_boot(task), task, device,
                                       persistent)
        if device == boot_devices.CDROM:
            boot_slot.require(task, [
                medium for medium in node_media.load(task.node)
                if medium.purpose is not media.Purpose.CONFIG_DRIVE],
                stays=persistent)


def _agent_iso(node: typing.Any, mode: str = 'deploy') -> str | None:
    """Return the agent's ISO, None where stock Ironic is to boot it.

    That is with a kernel and a ramdisk, and when the operator wants the
    config on a removable device of its own.
    """
    info = node.driver_info
    if info.get('config_via_removable') or info.get('config_via_floppy'):
        return None
    iso: str | None = driver_utils.get_agent_iso(node, mode, 'redfish')
    return iso
