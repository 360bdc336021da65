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

"""Images in Glance, through Ironic's own image service and credentials."""

import collections.abc
import contextlib
import typing

from ironic.common import exception
from ironic.common import image_service

from ironic_ext.images import errors
from ironic_ext.images import services


class GlanceService(services.ImageService):
    """Images named ``glance://<uuid>`` or by a bare UUID.

    :param context: the request context of the conductor's task.
    """

    def __init__(self, context: typing.Any) -> None:
        self._context = context

    def _show(self, href: str) -> tuple[typing.Any, dict[str, typing.Any]]:
        try:
            service = image_service.get_image_service(
                href, context=self._context)
            return service, service.show(href)
        except exception.ImageRefValidationFailed as exc:
            raise errors.HrefError(
                f'"{href[:200]}" is no image reference: use http://, '
                'https://, file:// or the UUID of an image in '
                'Glance') from exc
        except exception.IronicException as exc:
            raise errors.ImageError(
                f'Glance does not give image {href}: {exc}') from exc

    @contextlib.contextmanager
    def open(self, href: str, validators: services.Validators
             ) -> collections.abc.Iterator[services.Download | None]:
        service, image = self._show(href)
        # Glance never changes the content of an image: its checksum names it.
        kept = {key: str(image[key])
                for key in ('id', 'checksum', 'size') if image.get(key)}
        if 'checksum' in kept and kept == dict(validators):
            yield None
            return

        def copy_to(sink: services.Sink) -> None:
            try:
                service.download(href, sink)
            except exception.IronicException as exc:
                raise errors.ImageError(
                    f'cannot download image {href} from Glance: '
                    f'{exc}') from exc

        yield services.Download(image.get('size'), kept, copy_to)

    def peek(self, href: str, length: int) -> bytes | None:
        self._show(href)
        return None
