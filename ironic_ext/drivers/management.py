# SPDX-License-Identifier: Apache-2.0

"""Management interfaces ``redfish-ext``: the stock ones plus data images."""

import types
import typing

from ironic.common import boot_devices
from ironic.common import exception
from ironic.conductor import periodics
from ironic.conf import CONF
from ironic.drivers.modules.drac import management as drac_management
from ironic.drivers.modules.redfish import management as redfish_management
from oslo_log import log

from ironic_ext import conf
from ironic_ext.drivers.bmc import queue
from ironic_ext.drivers.bmc import vmedia_api as virtual_media
from ironic_ext.drivers.data_image import ends as data_image_ends
from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import requests as data_image_requests
from ironic_ext.drivers.data_image import steps as data_image_steps
from ironic_ext.drivers.data_image import worker as data_images
from ironic_ext.drivers.records import boot as boot_record
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import interfaces
from ironic_ext.node import boot_state

LOG = log.getLogger(__name__)

conf.register_opts(CONF)


class DataImages(data_image_steps.DataImageSteps):
    """What a Redfish management interface has more than the stock one."""

    #: The names of this interface, as nodes have it.
    _names: tuple[str, ...] = ()

    @periodics.periodic(spacing=CONF.ext_data_image.reconcile_interval)
    def _reconcile_data_images(self, manager: typing.Any,
                               context: typing.Any) -> None:
        """Have the due nodes of this conductor looked after.

        No task is made for them here: that alone would take longer than
        the period where there are many.
        """
        for uuid, driver, _group, *fields in manager.iter_nodes(
                filters={'reserved': False},
                fields=['management_interface', 'driver_info',
                        'driver_internal_info', 'instance_info']):
            interface, driver_info, internal_info, instance_info = fields
            node = types.SimpleNamespace(
                uuid=uuid, driver=driver, management_interface=interface,
                driver_info=driver_info or {},
                driver_internal_info=internal_info or {},
                instance_info=instance_info)
            if (interfaces.of(node, 'management') in self._names
                    and data_image_record.is_due(node)):
                reconciler.submit(
                    node, failed=data_image_record.has_failed(node))
            elif (data_image_record.KEY in node.driver_internal_info
                  and not data_image_ends.is_looked_after(node)
                  and queue.retries().is_due(uuid,
                                             data_image_ends.end_left)):
                queue.submit(node, data_image_ends.end_left, failed=True)

    def restore_boot_device(self, task: typing.Any, system: typing.Any
                            ) -> None:
        """Also put in what waits for the machine to be started.

        The power interface calls this between off and on; the boot order
        is not touched, but where a boot is over: its medium goes now.
        """
        restarts = getattr(task.driver.boot, 'restarts', None)
        if restarts is not None:
            try:
                restarts(task)
            except exception.IronicException as exc:
                LOG.warning('The medium of a boot that is over stays in node '
                            '%(node)s, trying again later: %(error)s',
                            {'node': task.node.uuid, 'error': exc})
        super().restore_boot_device(task, system)  # type: ignore[misc]
        try:
            data_images.run(task, restarting=True)
        except Exception as exc:
            # A machine that does not start would be worse.
            LOG.warning('The data image of node %(node)s was not looked '
                        'after at its start: %(error)s',
                        {'node': task.node.uuid, 'error': exc})

    def attach_virtual_media(self, task: typing.Any, device_type: str,
                             image_url: str) -> None:
        """Insert an image once, as POST /v1/nodes/{id}/vmedia does.

        :raises: MediaError
        """
        virtual_media.attach(task, device_type, image_url)

    def detach_virtual_media(self, task: typing.Any,
                             device_types: list[str] | None = None) -> None:
        """Eject what attach_virtual_media() inserted.

        If that is nothing, end the data image; if there is none either,
        end a boot that is for once. A live system keeps its medium.

        :param device_types: by default all.
        :raises: MediaError
        """
        if virtual_media.detach(task, device_types):
            return
        if device_types and boot_devices.CDROM not in device_types:
            return
        if data_image_record.load(task.node) is not None:
            data_image_requests.detach(task)
            reconciler.submit(task.node)
        elif (boot_record.load(task.node).mode == boot_state.ONCE
              and hasattr(task.driver.boot, 'end_boot')
              # What an agent boots is none of the instance's.
              and task.driver.boot.has_boot(task.node)):
            task.driver.boot.end_boot(task, boot_state.Cause.EJECT)

    def get_virtual_media(self, task: typing.Any
                          ) -> list[dict[str, typing.Any]]:
        """Return what the BMC shows of its virtual drives.

        :raises: MediaError
        """
        return virtual_media.show(task)


class RedfishExtManagement(DataImages,
                           redfish_management.RedfishManagement):
    """Ironic's "redfish", with data images."""

    _names = ('redfish-ext',)


class DracRedfishExtManagement(DataImages,
                               drac_management.DracRedfishManagement):
    """Ironic's "idrac-redfish", with data images."""

    _names = ('idrac-redfish-ext',)
