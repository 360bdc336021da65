# SPDX-License-Identifier: Apache-2.0

"""Vendor passthru ``data_image``: the data image as a resource of a node."""

import typing

from ironic.common import exception
from ironic.drivers import base

from ironic_ext.drivers.data_image import reconciler
from ironic_ext.drivers.data_image import requests
from ironic_ext.drivers.data_image import steps

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
        if not isinstance(task.driver.management, steps.DataImageSteps):
            raise exception.InvalidParameterValue(
                'data images need the management interface redfish-ext: '
                f'node {task.node.uuid} has '
                f'{task.node.management_interface}')
        http_method = info.pop('http_method', 'GET')
        if http_method != 'GET':
            task.upgrade_lock(purpose='changing the data image')
            requests.require_state(task.node)
        if http_method in ('POST', 'PUT'):
            requests.validate(task, info)

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
            return requests.show(task.node)
        if http_method == 'DELETE':
            resource = requests.detach(task)
        else:
            resource = requests.attach(task, data)
        reconciler.submit(task.node)
        return resource
