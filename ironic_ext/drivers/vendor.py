# SPDX-License-Identifier: Apache-2.0

"""Vendor passthru: what became of a node's boot media, and data images."""

import typing

from ironic.drivers import base
from ironic.drivers.modules.redfish import vendor as redfish_vendor

from ironic_ext.drivers.data_image import passthru as data_image_passthru
from ironic_ext.drivers.images import delivery as media_delivery


class RedfishExtVendorPassthru(data_image_passthru.DataImagePassthru,
                               redfish_vendor.RedfishVendorPassthru):
    """The stock methods, and those of this suite."""

    @base.passthru(['GET'], async_call=False, require_exclusive_lock=False,
                   description='Show the media that were made for the node: '
                               'how they are delivered, and how much of '
                               'them was read, when.')
    def boot_media(self, task: typing.Any, **kwargs: typing.Any
                   ) -> dict[str, list[dict[str, typing.Any]]]:
        """Return the node's media and what was read of them.

        :raises: IronicException when the database of media fails.
        """
        return {'media': media_delivery.describe(task)}
