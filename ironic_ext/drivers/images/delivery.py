# SPDX-License-Identifier: Apache-2.0

"""How images reach a node's BMC, as ironic.conf and the node say.

The part of media.delivery that knows Ironic: options, driver_info, states.
"""

import collections.abc
import contextlib
import datetime
import hashlib
import os
import threading
import time
import types
import typing
import urllib.parse

from ironic.common import exception
from ironic.conf import CONF
from oslo_log import log

from ironic_ext.drivers.records import data_image as data_image_record
from ironic_ext.drivers.records import media as node_media
from ironic_ext.drivers.walls import owners
from ironic_ext import images
from ironic_ext.images import configured
from ironic_ext.media import delivery
from ironic_ext.media import housekeeping
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import reads as media_reads
from ironic_ext.media import records

LOG = log.getLogger(__name__)

#: Seconds that an agent's medium outlives Ironic's patience with the agent.
_MARGIN = 3600
_TIMEOUTS = ('clean_callback_timeout', 'deploy_callback_timeout',
             'inspect_wait_timeout', 'rescue_callback_timeout',
             'service_callback_timeout')

_LOCK = threading.Lock()
_RECORDS: dict[tuple[int, str], records.MediaRecords] = {}


def known() -> records.MediaRecords:
    """Return the records of streams, opened once in each process.

    :raises: RecordsError
    """
    key = os.getpid(), CONF.ext_media.connection
    with _LOCK:
        if key not in _RECORDS:
            _RECORDS[key] = records.MediaRecords(CONF.ext_media.connection)
        return _RECORDS[key]


def for_node(task: typing.Any) -> delivery.Deliveries:
    """Return what delivers the images of a task's node."""
    return delivery.Deliveries(
        task.node.uuid, task.node.name or task.node.uuid,
        delivery.Settings(
            kind=CONF.ext_media.delivery,
            server_url=_server_url(task.node),
            health_url=(CONF.ext_media.health_url
                        or CONF.ext_media.server_url),
            http_url=_http_url(task.node),
            max_url_length=CONF.ext_media.max_url_length,
            networks=tuple(CONF.ext_media.allowed_networks),
            verify=configured.verify_from(CONF), fence=owners.fence()),
        files(), known, _store)


def require(task: typing.Any) -> None:
    """Make sure that the node's images can be delivered.

    :raises: InvalidParameterValue
    """
    info = task.node.driver_info
    protocol = info.get('vmedia_transport_protocol') or 'HTTP'
    if str(protocol).upper() not in ('HTTP', 'HTTPS'):
        raise exception.InvalidParameterValue(
            'driver_info/vmedia_transport_protocol: images are served over '
            f'HTTP or HTTPS only, not {protocol}')
    try:
        for_node(task).require()
    except delivery.DeliveryError as exc:
        raise exception.InvalidParameterValue(str(exc)) from exc


def announce(task: typing.Any, purpose: media.Purpose) -> media.Medium:
    """Name an image of the node that is about to be made.

    It is on record before there is anything to forget.

    :raises: InvalidParameterValue
    """
    require(task)
    medium = for_node(task).new(purpose)
    node_media.save(task.node, medium)
    return medium


def base_of(image: images.BaseImage, href: str, chosen_by_owner: bool
            ) -> media.Origin:
    """Return what a media server has to know of a base.

    :param href: that the image was asked for by.
    :param chosen_by_owner: whether the node names it.
    """
    version = image.version
    return media.Origin(
        image.digest, image.size, image.href,
        href=href if images.redacted(href) == href else None,
        etag=(version.strong_etag or '') if version else '',
        fenced=chosen_by_owner and not owners.is_standalone())


def withdraw(task: typing.Any,
             going: collections.abc.Iterable[media.Medium]) -> None:
    """Make images unreadable, each of them if at all possible.

    :raises: DeliveryError, OSError: the first failure.
    """
    deliveries = for_node(task)
    failures = []
    for medium in going:
        try:
            deliveries.withdraw(medium)
        except (delivery.DeliveryError, OSError) as exc:
            failures.append(exc)
    if failures:
        raise failures[0]


def lifetime(purpose: media.Purpose) -> float:
    """Return for how many seconds a stream for that purpose is good.

    An agent reads its medium when it starts. An instance may be started
    again at any time: :func:`prolong` is called while it has the medium.
    """
    if purpose is not media.Purpose.AGENT:
        return float(CONF.ext_media.token_lifetime)
    timeouts = [getattr(CONF.conductor, name, 0) for name in _TIMEOUTS]
    # 0 stands for no end.
    if not all(timeouts):
        return float(CONF.ext_media.token_lifetime)
    return float(max(timeouts) + _MARGIN)


def prolong(nodes: collections.abc.Iterable[typing.Any]) -> None:
    """Let the streams of nodes live on, but those of agents.

    :param nodes: with driver_internal_info.
    :raises: RecordsError
    """
    ids = [medium.id for node in nodes for medium in _media(node)
           if medium.kind is media.Kind.STREAM
           and medium.purpose is not media.Purpose.AGENT]
    if ids:
        known().extend(ids, time.time() + lifetime(media.Purpose.INSTANCE))


def look_after(manager: typing.Any) -> None:
    """Do what a conductor does for its nodes' streams now and then.

    What fails is logged, and done the next time.
    """
    if CONF.ext_media.delivery == media.Kind.FILE or not (
            CONF.ext_media.server_url
            or CONF.ext_media.delivery == media.Kind.STREAM):
        return
    try:
        prolong(types.SimpleNamespace(
            driver_internal_info=internal_info or {})
            for _uuid, _driver, _group, internal_info
            in manager.iter_nodes(fields=['driver_internal_info']))
        housekeeping.release_bases(_store(), known())
    except (images.ImageError, records.RecordsError) as exc:
        LOG.warning('The media of this conductor\'s nodes cannot be '
                    'prolonged, trying again later: %s', exc)


def describe(task: typing.Any) -> list[dict[str, typing.Any]]:
    """Return what an operator may know of a node's media.

    URLs come without what makes them unguessable. Files have no reads: the
    web server's log has them.

    :raises: IronicException when the database fails.
    """
    found = _media(task.node)
    seen: dict[str, tuple[media.Stream, media_reads.Reads]] = {}
    try:
        if any(medium.kind is media.Kind.STREAM for medium in found):
            seen = {stream.id: (stream, reads) for stream, reads
                    in known().of_node(task.node.uuid)}
    except records.RecordsError as exc:
        raise exception.IronicException(str(exc)) from exc
    now = time.time()
    return [_described(task, medium, seen.get(medium.id), now)
            for medium in found]


def _described(task: typing.Any, medium: media.Medium,
               seen: tuple[media.Stream, media_reads.Reads] | None,
               now: float) -> dict[str, typing.Any]:
    shown: dict[str, typing.Any] = {
        'id': medium.id, 'purpose': medium.purpose.value,
        'delivery': medium.kind.value, 'slot': medium.slot,
        'image': None, 'url': None, 'size': None, 'created_at': None,
        'expires_at': None, 'read': None}
    if seen is not None:
        stream, reads = seen
        server = (_server_url(task.node) or '').rstrip('/')
        shown.update(
            image=stream.base.image, size=stream.size,
            url=f'{server}/***/{stream.name}',
            created_at=_time(stream.created_at),
            expires_at=_time(stream.expires_at),
            read={'bytes': reads.distinct,
                  'percent': round(100 * reads.distinct
                                   / max(stream.size, 1), 1),
                  'sent': reads.sent, 'requests': reads.requests,
                  'rate': round(reads.rate(now)),
                  'first_at': _time(reads.first_at),
                  'last_at': _time(reads.last_at),
                  'seconds_ago': None if reads.last_at is None
                  else round(max(now - reads.last_at, 0), 1),
                  'client': reads.client or None})
    elif medium.kind is media.Kind.FILE:
        name = files().find(medium.id)
        # It may be withdrawn at this moment.
        with contextlib.suppress(FileNotFoundError):
            if name is not None:
                server = (_http_url(task.node) or '').rstrip('/')
                shown.update(
                    size=os.path.getsize(files().path(name)),
                    url=f'{server}/{CONF.ext_boot.publish_subdir}/'
                        f'{medium.id}-***.iso')
    return shown


def _media(node: typing.Any) -> tuple[media.Medium, ...]:
    return node_media.load(node) + data_image_record.media(node)


def _server_url(node: typing.Any) -> str | None:
    url: str | None = (node.driver_info.get('external_media_url')
                       or CONF.ext_media.server_url)
    return url


def _http_url(node: typing.Any) -> str | None:
    url: str | None = (node.driver_info.get('external_http_url')
                       or CONF.deploy.external_http_url
                       or CONF.deploy.http_url)
    return url


def files() -> publish.MediaStore:
    """Return where this host publishes files."""
    return publish.MediaStore(CONF.deploy.http_root,
                              CONF.ext_boot.publish_subdir,
                              int(CONF.ext_boot.file_permission, 8),
                              CONF.ext_media.publish_group, _site())


def _site() -> str:
    """Return what tells this Ironic from others: its database."""
    url = urllib.parse.urlsplit(CONF.database.connection or '')
    address = (url.netloc.rpartition('@')[2], url.path)
    return hashlib.sha256(repr(address).encode()).hexdigest()[:16]


def _store() -> images.ImageStore:
    # To hold and to release, which takes no credentials.
    return configured.store_from(CONF, configured.settings_from(CONF))


def _time(stamp: float | None) -> str | None:
    if stamp is None:
        return None
    return datetime.datetime.fromtimestamp(
        stamp, datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
