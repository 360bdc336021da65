# SPDX-License-Identifier: Apache-2.0

"""What the media server asks of its surroundings: tokens, bases, reports.

The server knows neither SQL nor the image store: whoever starts it passes
in one object per protocol. All their methods may block and are called from
worker threads, several at a time, unless they say otherwise.
"""

import collections.abc
import dataclasses
import typing

from ironic_ext.media import medium
from ironic_ext.media.stream.http import body


class StreamError(body.SourceError):
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

    def find(self, token: str) -> medium.Stream | None:
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


class Base(body.Source, typing.Protocol):
    """An open base image, shared by all streams of a worker.

    It has its descriptor, leased, until :meth:`close`. What it raises is
    BaseMissingError or BaseChangedError; its check costs one ``fstat`` at
    most, see :class:`.base.FileBase`.
    """

    def close(self) -> None:
        """End the lease."""


class Bases(typing.Protocol):
    """Who has the base images."""

    def open(self, stream: medium.Stream) -> Base:
        """Open the base of a stream, from the store or from its source.

        Called once per digest of a base in each worker, and again when the
        base was not read for a while or :meth:`Base.check` failed.

        :raises: BaseMissingError, BaseChangedError
        """
