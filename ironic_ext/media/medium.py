# SPDX-License-Identifier: Apache-2.0

"""One image made for one node: what it is for, what it is, where it is.

Conductors keep a :class:`Medium` on its node. One that the media server
serves is a :class:`Stream` in the database.
"""

import dataclasses
import enum
import hashlib
import typing


class Purpose(enum.StrEnum):
    """What a machine has a medium for."""

    INSTANCE = 'instance'
    AGENT = 'agent'
    SANBOOT = 'sanboot'
    DATA = 'data'
    VIRTUAL_MEDIA = 'virtual media'
    #: Beside the one that it boots from.
    CONFIG_DRIVE = 'config drive'
    #: What another release has it for.
    OTHER = 'other'

    @classmethod
    def _missing_(cls, value: object) -> 'Purpose':
        return cls.OTHER


class Kind(enum.StrEnum):
    """Who serves a medium."""

    #: Ironic's own web server.
    FILE = 'file'
    #: The media server.
    STREAM = 'stream'
    #: Nobody of ours: the BMC was told another server's URL.
    BMC = 'bmc'


@dataclasses.dataclass(frozen=True)
class Medium:
    """One image made for one node; named before anything of it exists.

    :param id: 32 hexadecimal digits, not secret.
    :param mark: what its URL is recognised by: the id in that of a file,
        the digest of the token in that of a stream; '' as long as there is
        none. Not secret.
    :param slot: path of the virtual media resource that it was put into,
        None as long as that has not succeeded.
    :param device: what that slot is to the machine.
    :param image: what it was made of, as it may be shown.
    :param digest: ``sha256:<hex>`` of its bytes, '' when it is unknown.
    :param size: bytes, None when that is unknown.
    """

    id: str
    purpose: Purpose
    kind: Kind
    mark: str = ''
    slot: str | None = None
    device: str | None = None
    image: str = ''
    digest: str = ''
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class Origin:
    """The base image that a medium was made from.

    A medium that is all its own has one of no bytes.

    :param digest: ``sha256:<hex>`` of all its bytes.
    :param size: bytes.
    :param image: its href as it may be shown.
    :param href: where another host can get it; None if that has
        credentials in it.
    :param etag: strong entity tag there, or ''.
    :param fenced: whether somebody else than the operator chose the href:
        another host gets it within the fence around owners' URLs.
    """

    digest: str
    size: int
    image: str = ''
    href: str | None = None
    etag: str = ''
    fenced: bool = False


class Source(typing.NamedTuple):
    """Where a base can be had; see Origin."""

    href: str
    etag: str
    fenced: bool = False


@dataclasses.dataclass(frozen=True)
class Stream:
    """A medium as the media server serves it; times since the epoch.

    :param node: UUID of the node that it is for.
    :param name: the last part of its URL, such as ``node-1.iso``.
    :param size: bytes of the image as it is served.
    :param digest: ``sha256:<hex>``: of the overlay
        (``SegmentMap.digest``), or of the base where there is none.
    :param created_at: seconds.
    :param overlay_size: bytes of the overlay file, 0 where the image is
        its base.
    :param networks: who may read it, ``192.0.2.0/24`` or
        ``2001:db8::/64``; everybody when empty.
    :param expires_at: seconds, None for never. Responses that run then are
        ended.
    :param revoked_at: seconds, None as long as it may be read.
    :param overlay_path: the overlay as a file of this host; None where
        there is none, or where it was not asked for.
    """

    medium: Medium
    node: str
    name: str
    size: int
    digest: str
    base: Origin
    created_at: float
    overlay_size: int = 0
    networks: tuple[str, ...] = ()
    expires_at: float | None = None
    revoked_at: float | None = None
    overlay_path: str | None = None

    @property
    def id(self) -> str:
        """The medium's; not secret: it is in logs and metrics."""
        return self.medium.id

    @property
    def last_modified(self) -> int:
        """Whole seconds: the same in all replicas and at all times."""
        return int(self.created_at)

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110, section 8.8.3), quoted.

        An overlay's digest knows its base by size and descriptors alone,
        so the base's own digest goes in as well.
        """
        both = f'{self.base.digest} {self.digest}'.encode()
        return f'"{hashlib.sha256(both).hexdigest()[:32]}"'

    def expired(self, now: float) -> bool:
        """Tell whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now
