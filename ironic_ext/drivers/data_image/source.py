# SPDX-License-Identifier: Apache-2.0

"""What a data image is made of, and where its BMC gets it from."""

import collections.abc
import contextlib
import dataclasses
import hashlib
import io
import typing
import uuid

from ironic.conf import CONF
from oslo_log import log

from ironic_ext.data_image import content
from ironic_ext.data_image import record as records
from ironic_ext.data_image import spec as specs
from ironic_ext.drivers.bmc import insertion
from ironic_ext.drivers.bmc import slots as redfish_slots
from ironic_ext.drivers.images import bases as base_images
from ironic_ext.drivers.images import delivery as media_delivery
from ironic_ext.drivers.images import whole
from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.walls import owners
from ironic_ext import images
from ironic_ext.images import configured
from ironic_ext.images import settings
from ironic_ext import iso
from ironic_ext.iso import segments
from ironic_ext.media import delivery
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records as media_records
from ironic_ext import walls

LOG = log.getLogger(__name__)

# Seconds for a web server to say whether it has a file.
_PATIENCE = 5


class NotAnIsoError(images.ImageError):
    """The image is something else."""


@dataclasses.dataclass(frozen=True)
class Content:
    """A data image in the conductor's hands, as media.delivery takes it.

    :param digest: ``sha256:<hex>`` of all its bytes.
    :param require_unchanged: raises ImageChangedError when what was read
        of it is not one version.
    """

    image: iso.SegmentMap
    base: media.Origin
    digest: str
    require_unchanged: collections.abc.Callable[[], None]


@contextlib.contextmanager
def fetched(task: typing.Any, spec: specs.DataImageSpec
            ) -> collections.abc.Iterator[Content]:
    """Fetch or build the image of a spec.

    :raises: ImageError, IsoError, OSError
    """
    if spec.url is None:
        with _built(spec) as found:
            yield found
        return
    # What the node's user says of image servers is not for this URL.
    store = base_images.store(task, _access(spec), user_access=False)
    with store.lease(spec.url, spec.checksum) as base:
        with open(base.path, 'rb') as file:
            file.seek(iso.MAGIC[0])
            if file.read(len(iso.MAGIC[1])) != iso.MAGIC[1]:
                raise NotAnIsoError(
                    f'{base.href} is not an ISO 9660 image')
        with iso.SegmentMap(base.path,
                            [segments.BaseRange(0, base.size)]) as found:
            yield Content(found, media.Origin(
                base.digest, base.size, spec.title,
                href=None if _is_private(spec) else spec.url,
                etag=(base.version.strong_etag or '' if base.version
                      else ''), fenced=not owners.is_standalone()),
                base.digest, base.require_unchanged)


@contextlib.contextmanager
def _built(spec: specs.DataImageSpec
           ) -> collections.abc.Iterator[Content]:
    """Build an ISO, all of it literals: any replica can serve it."""
    output = io.BytesIO()
    content.build(spec.files, spec.label or specs.DEFAULT_LABEL, output)
    data = output.getvalue()
    with whole.literal(data, spec.title) as (made, origin):
        yield Content(made, origin,
                      f'sha256:{hashlib.sha256(data).hexdigest()}',
                      lambda: None)


def _is_private(spec: specs.DataImageSpec) -> bool:
    return bool(spec.password or spec.ca or spec.insecure
                or '?' in (spec.url or ''))


def _access(spec: specs.DataImageSpec) -> settings.Access | None:
    if not (spec.username or spec.insecure or spec.ca):
        return None
    return settings.Access(
        username=spec.username, password=spec.password, ca=spec.ca,
        verify=not spec.insecure and configured.verify_from(CONF))


def source(task: typing.Any, record: records.Record,
           fetch: collections.abc.Callable[
               [], contextlib.AbstractContextManager[Content]]
           ) -> tuple[records.Record, insertion.Source]:
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
    lifetime = media_delivery.lifetime(media.Purpose.DATA)
    medium = record.medium
    if medium is not None:
        delivered = deliveries.find(medium, lifetime)
        if delivered is not None:
            return (_kept(task, record, delivered.medium),
                    _delivered(task, deliveries, delivered))
        # Made by another conductor, or lost.
        deliveries.withdraw(medium)
    with fetch() as found:
        medium = dataclasses.replace(
            deliveries.new(media.Purpose.DATA), image=spec.title,
            digest=found.digest, size=found.image.size)
        record = _kept(task, dataclasses.replace(
            record, made_for=record.generation), medium)
        try:
            delivered = deliveries.deliver(medium, found.image, found.base,
                                           lifetime)
            found.require_unchanged()
        except Exception:
            deliveries.withdraw(medium)
            _kept(task, record, None)
            raise
    return (_kept(task, record, delivered.medium),
            _delivered(task, deliveries, delivered))


def _delivered(task: typing.Any, deliveries: delivery.Deliveries,
               delivered: delivery.Delivered) -> insertion.Source:
    return insertion.of_conductor(
        task, delivered.url,
        lambda: deliveries.removable_url(delivered))


def _direct(task: typing.Any, record: records.Record,
            spec: specs.DataImageSpec
            ) -> tuple[records.Record, insertion.Source]:
    assert spec.url is not None
    if record.medium is None:
        record = _kept(
            task, dataclasses.replace(record, made_for=record.generation),
            media.Medium(uuid.uuid4().hex, media.Purpose.DATA,
                         media.Kind.BMC, image=spec.title,
                         mark=redfish_slots.url_mark(spec.url)))
    return record, insertion.Source(
        spec.url, username=spec.username, password=spec.password,
        ca=spec.ca, verify=not spec.insecure)


def _kept(task: typing.Any, record: records.Record,
          medium: media.Medium | None) -> records.Record:
    if medium != record.medium:
        record = dataclasses.replace(record, medium=medium)
        data_image_record.save(task.node, record)
    return record


def is_readable(medium: media.Medium, url: str) -> bool:
    """Tell whether what the BMC shows can still be read.

    :param url: that the BMC shows for the medium; whatever cannot be told
        counts as readable.
    """
    if medium.kind is media.Kind.BMC:
        return True
    if medium.kind is media.Kind.STREAM:
        try:
            # One that expired is prolonged now and then, see images.delivery.
            return medium.id in media_delivery.known().kept([medium.id])
        except media_records.RecordsError as exc:
            LOG.warning('It cannot be told whether data images can be read: '
                        '%s', exc)
            return True
    files = publish.MediaStore(CONF.deploy.http_root,
                               CONF.ext_boot.publish_subdir)
    if files.find(medium.id) is not None:
        return True
    # Another conductor may have published it, and be alive. Nothing but
    # the URL of a published image is asked for: the BMC may lie.
    if not redfish_slots.is_published(url, medium.id):
        return True
    # It may name any host, too.
    ours = CONF.deploy.external_http_url or CONF.deploy.http_url or ''
    fence = (None if ours and url.startswith(f'{ours.rstrip("/")}/')
             else owners.fence())
    try:
        return walls.status('HEAD', url, fence, timeout=_PATIENCE,
                            verify=configured.verify_from(CONF)) == 200
    except (walls.Refused, OSError):
        return False


def withdraw(task: typing.Any, medium: media.Medium) -> None:
    """Make the image of a medium unreadable.

    :raises: DeliveryError, OSError
    """
    media_delivery.for_node(task).withdraw(medium)
