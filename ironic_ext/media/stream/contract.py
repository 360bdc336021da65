# SPDX-License-Identifier: Apache-2.0

"""What the media server asks of its surroundings: tokens, bases, reports.

The server knows neither SQL nor the image store: whoever starts it passes
in one object per protocol. All their methods may block and are called from
worker threads, several at a time, unless they say otherwise.
"""

import collections.abc
import dataclasses
import hashlib
import typing


class StreamError(Exception):
    """A medium cannot be served; the message is one sentence."""


class ExpiredError(StreamError):
    """The token was good once; its time is over."""


class RevokedError(StreamError):
    """The token was withdrawn, as clean-up does."""


class UnavailableError(StreamError):
    """Who knows the media does not answer now: try again later."""


class BaseMissingError(StreamError):
    """There is no way to the base image at the moment."""


class BaseChangedError(StreamError):
    """The base is not the image any more that the medium was made from."""


@dataclasses.dataclass(frozen=True, slots=True)
class Medium:
    """One image that a token opens.

    :ivar id: not secret: it is in logs and metrics.
    :ivar node: the UUID of the node that it is for.
    :ivar name: the last part of its URL, such as ``node-1.iso``.
    :ivar digest: ``sha256:<hex>``: of the overlay (``SegmentMap.digest``),
        or of the bytes of a plain stored image.
    :ivar size: bytes of the image as it is served.
    :ivar last_modified: seconds since the epoch, whole: the same in all
        replicas and at all times.
    :ivar base_digest: the image store's digest of the base.
    :ivar base_size: bytes of the base.
    :ivar overlay_path: a file of ``SegmentMap.save``; None for a plain
        stored image, which is the base itself.
    :ivar expires_at: seconds since the epoch, or None. Streams that run
        then are ended.
    :ivar networks: who may read it, ``192.0.2.0/24`` or ``2001:db8::/64``;
        everybody when empty.
    """

    id: str
    node: str
    name: str
    digest: str
    size: int
    last_modified: int
    base_digest: str
    base_size: int
    overlay_path: str | None = None
    expires_at: float | None = None
    networks: tuple[str, ...] = ()

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110, section 8.8.3), quoted.

        An overlay's digest knows its base by size and descriptors alone,
        so the base's own digest goes in as well.
        """
        both = f'{self.base_digest} {self.digest}'.encode()
        return f'"{hashlib.sha256(both).hexdigest()[:32]}"'


@dataclasses.dataclass(frozen=True, slots=True)
class ReadReport:
    """What one reader got of a medium since the last report of it.

    :ivar first_at: seconds since the epoch when a first byte was sent.
    :ivar last_at: the same of the last one.
    :ivar sent: bytes of the image that were sent, repeated ones included.
    :ivar ranges: which bytes: (first, one past the last), sorted, neither
        touching nor overlapping. Small gaps are closed when there are very
        many.
    :ivar requests: answered requests that carried bytes.
    :ivar client: the address that read it.
    :ivar node: the UUID of the node, for logs.
    :ivar size: bytes of the image, for logs.
    """

    medium_id: str
    first_at: float
    last_at: float
    sent: int
    ranges: tuple[tuple[int, int], ...]
    requests: int
    client: str
    node: str = ''
    size: int = 0


class Media(typing.Protocol):
    """Who knows the media, and what tokens open them."""

    def find(self, token: str) -> Medium | None:
        """Return what a token opens, None when nobody knows the token.

        The overlay is at hand as a local file when this returns.

        :param token: has the form of one, and nothing else is known of it.
        :raises: ExpiredError, RevokedError, UnavailableError
        """

    def still_valid(self, medium_ids: collections.abc.Collection[str]
                    ) -> collections.abc.Set[str]:
        """Return those of the media that may still be served.

        Called twice a second in each worker, with all the media that were
        read lately: what is revoked ends everywhere within a second.

        :raises: UnavailableError
        """

    def record_reads(self, reports: collections.abc.Sequence[ReadReport]
                     ) -> None:
        """Keep reports; called about once a second while there are any.

        :raises: UnavailableError: they are merged into the next ones.
        """


class Base(typing.Protocol):
    """An open base image, shared by all streams of a worker."""

    @property
    def fd(self) -> int | None:
        """The descriptor of a regular file, leased until :meth:`close`.

        None while the image is elsewhere: then :meth:`read` is used. It
        may become a number later on, and stays one from then on. Called
        from the event loop for each piece: it must not block.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, from wherever they are.

        Blocks. Streams call it while there is no descriptor.

        :raises: BaseMissingError, BaseChangedError
        """

    def check(self) -> None:
        """Make sure that the file is still the image that was opened.

        Called from the event loop before each piece is sent, so it costs
        one ``fstat`` at most; see :class:`.base.FileBase`.

        :raises: BaseChangedError
        """

    def close(self) -> None:
        """End the lease."""


class Bases(typing.Protocol):
    """Who has the base images."""

    def open(self, medium: Medium) -> Base:
        """Open the base of a medium, from the store or from its source.

        Called once per ``base_digest`` in each worker, and again when the
        base was not read for a while or :meth:`Base.check` failed.

        :raises: BaseMissingError, BaseChangedError
        """
