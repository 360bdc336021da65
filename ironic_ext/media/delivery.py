# SPDX-License-Identifier: Apache-2.0

"""How a customised image reaches its machine: as a stream or as a file.

One way in for everything that makes an image for a machine. ``stream``
keeps an overlay, which ironic-media-server serves from the base; ``file``
writes the image below the root of a web server; ``auto`` streams where a
media server answers.
"""

import collections.abc
import contextlib
import dataclasses
import logging
import threading
import time
import typing
import uuid

from ironic_ext.images import errors
from ironic_ext.media import medium as media
from ironic_ext.media import publish
from ironic_ext.media import records
from ironic_ext.media import tokens
from ironic_ext import walls

LOG = logging.getLogger(__name__)

#: As a stream where a media server answers, else as a file.
AUTO = 'auto'

#: What a drive has while the machine boots from another one.
_BESIDE = frozenset((media.Purpose.DATA, media.Purpose.CONFIG_DRIVE))

#: Seconds that an answer of the media server is believed.
_HEALTH_LIFE = 30.0
_HEALTH_TIMEOUT = 5.0


class Overlay(typing.Protocol):
    """The part of iso's overlay that is needed."""

    @property
    def file_size(self) -> int:
        """Bytes of an overlay file."""

    def pieces(self) -> collections.abc.Iterator[bytes]:
        """Yield the content of an overlay file."""


class Image(publish.Image, typing.Protocol):
    """What is delivered: the part of iso.SegmentMap that is needed."""

    size: int

    @property
    def segments(self) -> tuple[typing.Any, ...]:
        """Ranges of the base, literals and zeros."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the base's identity and every segment."""

    @property
    def literal_bytes(self) -> int:
        """Bytes that this image has and its base has not."""

    @property
    def overlay(self) -> Overlay:
        """The image without its base."""


class Holds(typing.Protocol):
    """The part of images.ImageStore that keeps a base while it is needed."""

    def hold(self, digest: str, owner: str) -> None:
        """Keep an image until it is released."""

    def release_all(self, owner: str) -> None:
        """Let go of what an owner holds, if anything."""


@dataclasses.dataclass(frozen=True)
class Delivered:
    """A medium that can be read now.

    :param url: whoever has it can read the image.
    """

    medium: media.Medium
    url: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a site has decided.

    :param kind: ``file``, ``stream`` or AUTO.
    :param server_url: of the media server as the machine's BMC reaches it.
    :param health_url: of the media server as this process reaches it; None
        where the operator has named none, and the node its own.
    :param http_url: of the web server, as the BMC reaches it.
    :param max_url_length: see tokens.url().
    :param networks: of the clients that may read streams; all if empty.
    :param verify: whether, or by which CA, certificates are verified.
    :param fence: around what nodes name.
    """

    kind: str = AUTO
    server_url: str | None = None
    health_url: str | None = None
    http_url: str | None = None
    max_url_length: int = 0
    networks: tuple[str, ...] = ()
    verify: bool | str = True
    fence: walls.Fence | None = None


class DeliveryError(Exception):
    """An image cannot be delivered or withdrawn; one sentence."""


class Deliveries:
    """Delivers the images of one node.

    :param node: UUID.
    :param name: of the node, or its UUID: for the URL.
    :param settings: of the site, and of that node.
    :param files: where files are published.
    :param known: opens the records of streams; called when needed.
    :param holds: the image store, likewise.
    """

    def __init__(self, node: str, name: str, settings: Settings,
                 files: publish.MediaStore,
                 known: collections.abc.Callable[[], records.MediaRecords],
                 holds: collections.abc.Callable[[], Holds]) -> None:
        self._node = node
        self._name = name
        self._settings = settings
        self._files = files
        self._known = known
        self._holds = holds

    def require(self) -> None:
        """Make sure that there is a server to read images from.

        :raises: DeliveryError
        """
        settings = self._settings
        if settings.kind != media.Kind.FILE and settings.server_url:
            return
        if settings.kind == media.Kind.STREAM:
            raise DeliveryError(
                'there is no media server to boot the image from: set '
                '[ext_media]server_url or driver_info/external_media_url')
        if not settings.http_url:
            raise DeliveryError(
                'there is no web server to boot the image from: set '
                '[deploy]http_url or driver_info/external_http_url')

    def new(self, purpose: media.Purpose) -> media.Medium:
        """Name an image, and decide how it will be delivered.

        :raises: DeliveryError
        """
        self.require()
        medium_id, kind = uuid.uuid4().hex, self._kind()
        return media.Medium(medium_id, purpose, kind,
                            mark=medium_id if kind is media.Kind.FILE else '')

    def _kind(self) -> media.Kind:
        settings = self._settings
        if settings.kind != AUTO:
            return media.Kind(settings.kind)
        if not settings.server_url:
            return media.Kind.FILE
        url, fence = (settings.health_url, None) if settings.health_url else (
            settings.server_url, settings.fence)
        if not settings.http_url or _HEALTH.answers(url, settings.verify,
                                                    fence):
            return media.Kind.STREAM
        LOG.warning('The media server at %s does not answer: publishing a '
                    'file instead of a stream', url)
        return media.Kind.FILE

    def deliver(self, medium: media.Medium, image: Image,
                base: media.Origin, lifetime: float | None = None
                ) -> Delivered:
        """Make an image readable.

        On failure nothing is left, but what :meth:`withdraw` removes.

        :param base: leased from the image store meanwhile.
        :param lifetime: seconds until a stream expires, None for never.
        :raises: DeliveryError, ImageError, OSError, and what
            ``image.write`` raises
        """
        if medium.kind is media.Kind.FILE:
            name = publish.MediaName.new(medium.id)
            self._files.publish(image, name, self._node)
            return self._file(medium, name)
        plain = _is_base(image, base)
        overlay = None if plain else image.overlay
        now = time.time()
        stream = media.Stream(
            medium, node=self._node, name=self._file_name(medium),
            size=image.size, digest=base.digest if plain else image.digest,
            base=base, created_at=now,
            overlay_size=overlay.file_size if overlay else 0,
            networks=self._settings.networks,
            expires_at=None if lifetime is None else now + lifetime)
        with _as_delivery_error():
            token = self._known().create(
                stream, overlay.pieces() if overlay else None)
        if base.size:
            # Not before: a hold without a record is swept away. Until now
            # the caller's lease keeps the base.
            self._holds().hold(base.digest, owner(medium.id))
        return self._stream(medium, stream, token)

    def _file_name(self, medium: media.Medium) -> str:
        name = self._name
        if medium.purpose in _BESIDE:
            # sushy-tools (2.2) keeps what is in a machine's drives in files
            # of the last parts of URLs: of two that are called alike the
            # second one would be in both drives.
            name = f'{name}-{medium.id[:8]}'
        return tokens.file_name(name)

    def find(self, medium: media.Medium, lifetime: float | None = None
             ) -> Delivered | None:
        """Return an image that was delivered before, readable once more.

        A stream gets a new URL, since nobody knows the old one.

        :returns: None when it is gone, or not on this host.
        :raises: DeliveryError
        """
        if medium.kind is media.Kind.FILE:
            name = self._files.find(medium.id)
            return self._file(medium, name) if name else None
        if not self._settings.server_url:
            return None
        with _as_delivery_error():
            known = self._known()
            stream = known.get(medium.id)
            token = known.reissue(
                medium.id,
                None if lifetime is None else time.time() + lifetime)
        return (self._stream(medium, stream, token) if stream and token
                else None)

    def removable_url(self, delivered: Delivered) -> str:
        """Return a URL of an image that ends in ``.img``.

        :raises: DeliveryError
        """
        medium = delivered.medium
        if medium.kind is media.Kind.FILE:
            name = self._files.find(medium.id)
            if name is None:
                raise DeliveryError(
                    f'the file of medium {medium.id} is gone')
            try:
                self._files.name_removable(name)
            except OSError as exc:
                raise DeliveryError(
                    'a removable disk needs a name that ends in ".img", and '
                    f'medium {medium.id} cannot have one more: {exc}'
                ) from exc
        return tokens.removable(delivered.url)

    def withdraw(self, medium: media.Medium) -> None:
        """Make an image unreadable, at once and everywhere.

        A file that another host has published goes with the next look of
        that host at what it has.

        :raises: DeliveryError, OSError
        """
        if medium.kind is media.Kind.BMC:
            return
        if medium.kind is media.Kind.FILE:
            self._files.unpublish(medium.id)
            return
        with _as_delivery_error():
            self._known().revoke(medium.id)
        try:
            self._holds().release_all(owner(medium.id))
        except errors.ImageError as exc:
            # It is withdrawn all the same; the next sweep releases it.
            LOG.warning('The base of medium %(id)s is not released yet: '
                        '%(error)s', {'id': medium.id, 'error': exc})

    def _file(self, medium: media.Medium, name: publish.MediaName
              ) -> Delivered:
        return Delivered(
            dataclasses.replace(medium, mark=name.id),
            self._files.url(name, self._settings.http_url or ''))

    def _stream(self, medium: media.Medium, stream: media.Stream,
                token: str) -> Delivered:
        return Delivered(
            dataclasses.replace(medium, mark=tokens.digest(token)),
            tokens.url(self._settings.server_url or '', token, stream.name,
                       self._settings.max_url_length))


def owner(medium_id: str) -> str:
    """Return who holds the base of a medium in the image store."""
    return f'media:{medium_id}'


def _is_base(image: Image, base: media.Origin) -> bool:
    return (not image.literal_bytes and image.size == base.size
            and len(image.segments) == 1
            and getattr(image.segments[0], 'offset', None) == 0)


class _Health:
    """Asks media servers whether they answer, and remembers it shortly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, bool]] = {}

    def answers(self, server_url: str, verify: bool | str,
                fence: walls.Fence | None) -> bool:
        now = time.monotonic()
        with self._lock:
            seen = self._seen.get(server_url)
        if seen is not None and now - seen[0] < _HEALTH_LIFE:
            return seen[1]
        try:
            healthy = 200 == walls.status(
                'GET', f'{server_url.rstrip("/")}/healthz', fence,
                timeout=_HEALTH_TIMEOUT, verify=verify)
        except (walls.Refused, OSError) as exc:
            LOG.debug('The media server at %s: %s', server_url, exc)
            healthy = False
        with self._lock:
            self._seen[server_url] = now, healthy
        return healthy


_HEALTH = _Health()


@contextlib.contextmanager
def _as_delivery_error() -> collections.abc.Iterator[None]:
    try:
        yield
    except records.RecordsError as exc:
        raise DeliveryError(str(exc)) from exc
