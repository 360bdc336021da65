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

"""Management interfaces ``redfish-ext``: the stock ones plus data images."""

import typing

from ironic.conductor import periodics
from ironic.conf import CONF
from ironic.drivers.modules.drac import management as drac_management
from ironic.drivers.modules.redfish import management as redfish_management
from oslo_log import log

from ironic_ext import conf
from ironic_ext.drivers import data_image_record
from ironic_ext.drivers import data_image_steps
from ironic_ext.drivers import data_images
from ironic_ext.drivers import reconciler
from ironic_ext.drivers import redfish_media
from ironic_ext.drivers import virtual_media

LOG = log.getLogger(__name__)

conf.register_opts(CONF)
redfish_media.hide_urls_in_logs()


class DataImages(data_image_steps.DataImageSteps):
    """What a Redfish management interface has more than the stock one."""

    @periodics.node_periodic(
        purpose='looking after data images',
        spacing=CONF.ext_data_image.reconcile_interval,
        filters={'reserved': False},
        predicate_extra_fields=['driver_internal_info'],
        predicate=data_image_record.is_due)
    def _reconcile_data_images(self, task: typing.Any, manager: typing.Any,
                               context: typing.Any) -> None:
        record = data_image_record.load(task.node)
        if record is not None:
            reconciler.submit(task.node, failed=record.status.errors > 0)

    def restore_boot_device(self, task: typing.Any, system: typing.Any
                            ) -> None:
        """Also put in what waits for the machine to be started.

        The power interface calls this between off and on; the boot order
        is not touched.
        """
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
        """Eject what attach_virtual_media() inserted, and nothing else.

        :param device_types: by default all.
        :raises: MediaError
        """
        virtual_media.detach(task, device_types)

    def get_virtual_media(self, task: typing.Any
                          ) -> list[dict[str, typing.Any]]:
        """Return what the BMC shows of its virtual drives.

        :raises: MediaError
        """
        return virtual_media.show(task)


class RedfishExtManagement(DataImages,
                           redfish_management.RedfishManagement):
    """For Redfish machines."""


class DracRedfishExtManagement(DataImages,
                               drac_management.DracRedfishManagement):
    """For Dell machines."""
