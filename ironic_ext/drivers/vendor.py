# SPDX-License-Identifier: Apache-2.0

"""Vendor passthru: what became of a node's boot media, and data images."""

import typing

from ironic.common import exception
from ironic.drivers import base
from ironic.drivers.modules.redfish import vendor as redfish_vendor

from ironic_ext.drivers.bmc import ejection
from ironic_ext.drivers.boot import end
from ironic_ext.drivers.boot import next_reset
from ironic_ext.drivers.data_image import passthru as data_image_passthru
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.records import media as node_media
from ironic_ext.node import boot_state


class RedfishExtVendorPassthru(data_image_passthru.DataImagePassthru,
                               redfish_vendor.RedfishVendorPassthru):
    """The stock methods, and those of this suite."""

    @base.passthru(['GET', 'DELETE'], async_call=False,
                   require_exclusive_lock=False,
                   description='The media that were made for the node: GET '
                               'shows how they are delivered, and how much '
                               'of them was read, when. DELETE ends the '
                               'boot from its ISO: the disk becomes the '
                               'boot device, the medium is ejected.')
    def boot_media(self, task: typing.Any, http_method: str = 'GET',
                   **kwargs: typing.Any) -> dict[str, typing.Any]:
        """Show the node's media and what was read of them, or end its boot.

        :raises: InvalidParameterValue when there is no boot to end,
            IronicException when the database of media fails, or the BMC
            does not do what is needed.
        """
        if http_method == 'GET':
            return {'media': media_delivery.describe(task)}
        # Before the lock: a BMC that does not answer takes its time.
        dead = ejection.why_out_of_reach(task, [
            medium for medium in node_media.load(task.node) if medium.slot])
        task.upgrade_lock(purpose='ending the boot from an ISO')
        boot, node = task.driver.boot, task.node
        if not (hasattr(boot, 'end_boot') and boot.has_boot(node)):
            raise exception.InvalidParameterValue(
                f'node {node.uuid} boots from no ISO of its instance')
        if dead is not None:
            # On record, it is done when the BMC answers.
            end.ask(node, boot_state.Cause.EJECT)
            raise dead
        state = boot.end_boot(task, boot_state.Cause.EJECT)
        return {'boot_device': 'disk' if state.disk_seen else None,
                'ejected': bool(state.ended_at)}

    @base.passthru(['GET'], async_call=False, require_exclusive_lock=False,
                   description='What the node boots at its next reset, from '
                               'records and from what its BMC shows now.')
    def next_boot(self, task: typing.Any, **kwargs: typing.Any
                  ) -> dict[str, typing.Any]:
        """Show what the node boots next, and why."""
        return next_reset.describe(task)
