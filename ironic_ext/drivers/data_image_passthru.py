# SPDX-License-Identifier: Apache-2.0

"""Vendor passthru ``data_image``: the data image as a resource of a node."""

import typing

from ironic.common import exception
from ironic.drivers import base

from ironic_ext.drivers import data_image_requests
from ironic_ext.drivers import management
from ironic_ext.drivers import reconciler


_METHOD = 'data_image'


class DataImagePassthru:
    """What a vendor interface with data images has."""

    def validate(self, task: typing.Any, method: str | None = None,
                 **info: typing.Any) -> None:
        """Refuse what cannot work; what changes something gets the lock.

        :raises: InvalidParameterValue, InvalidState, NodeLocked
        """
        if method != _METHOD:
            super().validate(task, method, **info)  # type: ignore[misc]
            return
        if not isinstance(task.driver.management, management.DataImages):
            raise exception.InvalidParameterValue(
                'data images need the management interface redfish-ext: '
                f'node {task.node.uuid} has '
                f'{task.node.management_interface}')
        http_method = info.pop('http_method', 'GET')
        if http_method != 'GET':
            task.upgrade_lock(purpose='changing the data image')
            data_image_requests.require_state(task.node)
        if http_method in ('POST', 'PUT'):
            data_image_requests.validate(task, info)

    @base.passthru(
        ['GET', 'POST', 'PUT', 'DELETE'], method=_METHOD, async_call=False,
        require_exclusive_lock=False,
        description='The data image of the node: GET shows it, PUT (or '
                    'POST) attaches one, DELETE detaches it.')
    def data_image(self, task: typing.Any, http_method: str,
                   **data: typing.Any) -> dict[str, typing.Any]:
        """Show or change what data image the node is to have.

        A change is on record when this returns; what becomes of it is in
        the status.

        :param data: the fields of a data image.
        """
        if http_method == 'GET':
            return data_image_requests.show(task.node)
        if http_method == 'DELETE':
            resource = data_image_requests.detach(task)
        else:
            resource = data_image_requests.attach(task, data)
        reconciler.submit(task.node)
        return resource
