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

"""What a data image is made of, and where its BMC gets it from."""

import collections.abc
import contextlib
import dataclasses
import hashlib
import io
import typing
import uuid

from ironic.conf import CONF

from ironic_ext.data_image import content
from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as specs
from ironic_ext.drivers import base_images
from ironic_ext.drivers import data_image_record
from ironic_ext.drivers import media_delivery
from ironic_ext.drivers import redfish_media
from ironic_ext.drivers import redfish_slots
from ironic_ext import images
from ironic_ext.images import configured
from ironic_ext.images import service as services
from ironic_ext.images import settings
from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.media import delivery

#: The kind of a medium that the BMC gets from its own URL.
BMC = 'bmc'
# ECMA-119 section 8.1.2: identifier of the descriptor in sector 16.
_MAGIC = (32769, b'CD001')


class NotAnIsoError(images.ImageError):
    """The image is something else."""


@dataclasses.dataclass(frozen=True)
class Content:
    """A data image in the conductor's hands, as media.delivery takes it.

    :param require_unchanged: raises ImageChangedError when what was read
        of it is not one version.
    """

    image: iso.SegmentMap
    base: delivery.Base
    require_unchanged: collections.abc.Callable[[], None]


@contextlib.contextmanager
def fetched(task: typing.Any, spec: specs.DataImageSpec
            ) -> collections.abc.Iterator[Content]:
    """Fetch or build the image of a spec.

    :raises: ImageError, IsoError, OSError
    """
    with _leased(task, spec) as base:
        with open(base.path, 'rb') as file:
            file.seek(_MAGIC[0])
            if file.read(len(_MAGIC[1])) != _MAGIC[1]:
                raise NotAnIsoError(
                    f'{base.href} is not an ISO 9660 image')
        whole = iso.SegmentMap(base.path,
                               [segments.BaseRange(0, base.size)])
        yield Content(whole, delivery.Base(
            base.digest, base.size, spec.title,
            href=None if _is_private(spec) else spec.url,
            etag=base.version.strong_etag or '' if base.version else ''),
            base.require_unchanged)


def _leased(task: typing.Any, spec: specs.DataImageSpec
            ) -> contextlib.AbstractContextManager[images.BaseImage]:
    if spec.url is None:
        return _built(task, spec)
    # What the node's user says of image servers is not for this URL.
    store = base_images.store(task, _access(spec), user_access=False)
    return store.lease(spec.url, spec.checksum)


def _is_private(spec: specs.DataImageSpec) -> bool:
    return bool(spec.url is None or spec.password or spec.ca
                or spec.insecure or '?' in spec.url)


def _access(spec: specs.DataImageSpec) -> settings.Access | None:
    if not (spec.username or spec.insecure or spec.ca):
        return None
    return settings.Access(
        username=spec.username, password=spec.password, ca=spec.ca,
        verify=not spec.insecure and configured.verify_from(CONF))


def _built(task: typing.Any, spec: specs.DataImageSpec
           ) -> contextlib.AbstractContextManager[images.BaseImage]:
    output = io.BytesIO()
    content.build(spec.files, spec.label or specs.DEFAULT_LABEL, output)
    data = output.getvalue()
    digest = f'sha256:{hashlib.sha256(data).hexdigest()}'
    service = _Built(data)
    store = base_images.store(task, service_for=lambda href: service)
    return store.lease(f'data-image:{digest}', digest)


class _Built(services.ImageService):
    """What was built is fetched like everything else, from memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stat(self, href: str) -> services.ImageVersion:
        return services.ImageVersion(size=len(self._data))

    def fetch(self, href: str, target: services.Target,
              known: services.ImageVersion | None = None
              ) -> services.ImageVersion:
        version = self.stat(href)
        for start, end in target.begin(version):
            target.write(start, self._data[start:end])
        return version

    def read_range(self, href: str, offset: int, length: int,
                   version: services.ImageVersion | None = None) -> bytes:
        return self._data[offset:offset + length]


def source(task: typing.Any, record: records.Record,
           fetch: collections.abc.Callable[
               [], contextlib.AbstractContextManager[Content]]
           ) -> tuple[records.Record, redfish_media.Source]:
    """Make the image of a record readable for the BMC.

    The record on the node names the medium before there is one.

    :param fetch: called if the image is not delivered yet.
    :returns: the record with the medium, and where the BMC gets it.
    :raises: ImageError, IsoError, OSError, DeliveryError
    """
    spec = record.spec
    assert spec is not None
    if spec.delivery is specs.Delivery.BMC:
        return _direct(task, record, spec)
    deliveries = media_delivery.for_node(task)
    lifetime = media_delivery.lifetime(data_image_record.PURPOSE)
    medium = record.medium
    if medium is not None:
        delivered = deliveries.find(medium.id, medium.kind, lifetime)
        if delivered is not None:
            return _kept(task, record, dataclasses.replace(
                medium, mark=delivered.mark), delivered.url)
        # Made by another conductor, or lost.
        deliveries.withdraw(medium.id, medium.kind)
    with fetch() as found:
        new = deliveries.new(task.node.uuid,
                             task.node.name or task.node.uuid,
                             data_image_record.PURPOSE)
        medium = records.Medium(
            new.id, new.kind, record.generation, image=spec.title,
            mark=new.id if new.kind == delivery.FILE else '',
            digest=found.base.digest, size=found.base.size)
        record = dataclasses.replace(record, medium=medium)
        data_image_record.save(task.node, record)
        try:
            delivered = deliveries.deliver(new, found.image, found.base,
                                           lifetime)
            found.require_unchanged()
        except Exception:
            deliveries.withdraw(new.id, new.kind)
            data_image_record.save(task.node, dataclasses.replace(
                record, medium=None))
            raise
    return _kept(task, record, dataclasses.replace(
        medium, mark=delivered.mark), delivered.url)


def _direct(task: typing.Any, record: records.Record,
            spec: specs.DataImageSpec
            ) -> tuple[records.Record, redfish_media.Source]:
    assert spec.url is not None
    medium = record.medium or records.Medium(
        uuid.uuid4().hex, BMC, record.generation, image=spec.title,
        mark=redfish_slots.url_mark(spec.url))
    return _kept(task, record, medium, spec.url, username=spec.username,
                 password=spec.password, ca=spec.ca,
                 verify=not spec.insecure)


def _kept(task: typing.Any, record: records.Record, medium: records.Medium,
          url: str, **options: typing.Any
          ) -> tuple[records.Record, redfish_media.Source]:
    if medium != record.medium:
        record = dataclasses.replace(record, medium=medium)
        data_image_record.save(task.node, record)
    return record, redfish_media.Source(url, **options)


def withdraw(task: typing.Any, medium: records.Medium) -> None:
    """Make the image of a medium unreadable.

    :raises: DeliveryError, OSError
    """
    if medium.kind != BMC:
        media_delivery.for_node(task).withdraw(medium.id, medium.kind)
