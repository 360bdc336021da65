# SPDX-License-Identifier: Apache-2.0

"""Deploy, clean and service steps that attach and detach a data image."""

import typing

from ironic.conductor import task_manager
from ironic.drivers import base

from ironic_ext.drivers.data_image import requests
from ironic_ext.drivers.data_image import secrets
from ironic_ext.drivers.data_image import worker

_ARGSINFO = {
    'url': {'description': 'URL of the ISO; either this or "files".'},
    'files': {'description': 'Files to make an ISO of: path -> text, or '
                             '{"content": ..., "encoding": "base64"}.'},
    'label': {'description': 'Volume id of an ISO of files, such as cidata '
                             'or config-2.'},
    'username': {'description': 'User for the URL, with "password".'},
    'password': {'description': 'Password for the URL.'},
    'insecure': {'description': 'Do not verify the certificate of the '
                                'server.'},
    'ca': {'description': 'Certificates to verify the server by, PEM.'},
    'checksum': {'description': 'Checksum of the ISO, sha256:<hex> or '
                                'sha512:<hex>, or the URL of a checksum '
                                'file.'},
    'device': {'description': 'What the machine sees: "cdrom" or "usb".'},
    'apply': {'description': '"immediate" (default) or "on_reboot".'},
    'delivery': {'description': 'Who fetches the ISO: "conductor" (default) '
                                'or "bmc".'},
}


class DataImageSteps:
    """Steps of a management interface; out of band, none by default."""

    @base.deploy_step(priority=0, argsinfo=_ARGSINFO)
    @base.clean_step(priority=0, argsinfo=_ARGSINFO, requires_ramdisk=False)
    @base.service_step(priority=0, argsinfo=_ARGSINFO,
                       requires_ramdisk=False)
    @task_manager.require_exclusive_lock
    def attach_data_image(self, task: typing.Any, **spec: typing.Any
                          ) -> None:
        """Attach a data image, and see that it is attached.

        :param spec: fields of the data image.
        :raises: IronicException
        """
        secrets.forget_step(task.node)
        worker.apply(task, requests.validate(task, spec))

    @base.deploy_step(priority=0)
    @base.clean_step(priority=0, requires_ramdisk=False)
    @base.service_step(priority=0, requires_ramdisk=False)
    @task_manager.require_exclusive_lock
    def detach_data_image(self, task: typing.Any) -> None:
        """Detach the data image, if there is one.

        :raises: IronicException
        """
        worker.apply(task, None)
