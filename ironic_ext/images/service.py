# SPDX-License-Identifier: Apache-2.0

"""The contract of an image service: what the store asks of a URL scheme.

Ironic's own contract (validate_href, show, download) is kept on top of it.
Conditional requests and validators are those of RFC 9110.
"""

import abc
import collections.abc
import dataclasses
import datetime
import typing

from ironic_ext.images import checksum as checksums

#: Version of the interface that services of other packages are written for.
#: It grows when one of before would not do any more.
INTERFACE = 1

Buffer = bytes | bytearray | memoryview
#: First byte, and the byte after the last.
ByteRange = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class ImageVersion:
    """What a source says of the image that it has at this moment.

    :param size: bytes, None when the source does not say.
    :param etag: entity tag as sent (RFC 9110, section 8.8.3), or ''.
    :param last_modified: the header as sent, or ''.
    :param updated_at: the same as naive UTC, as Ironic's caches want it.
    :param checksum: what the source itself promises (Glance does), or None.
    :param ranges: whether parts of the image can be asked for.
    :param no_cache: the source asks not to store the image.
    :param properties: of the image in Glance: kernel_id, ramdisk_id, ...
    """

    size: int | None = None
    etag: str = ''
    last_modified: str = ''
    updated_at: datetime.datetime | None = None
    checksum: checksums.Checksum | None = None
    ranges: bool = False
    no_cache: bool = False
    properties: collections.abc.Mapping[str, typing.Any] = (
        dataclasses.field(default_factory=dict))

    @property
    def strong_etag(self) -> str | None:
        """The entity tag if it stands for every byte, else None."""
        if self.etag and not self.etag.startswith('W/'):
            return self.etag
        return None

    def resumes(self, other: 'ImageVersion') -> bool:
        """Tell whether parts of both are parts of one and the same image."""
        if self.size != other.size or self.size is None:
            return False
        if self.checksum is not None or other.checksum is not None:
            return self.checksum == other.checksum
        return (self.strong_etag is not None
                and self.strong_etag == other.strong_etag)


class Target(typing.Protocol):
    """Where a download goes.

    A service calls ``begin`` when it knows what the source has, then
    ``write`` for every byte of what is missing, in any order and from any
    thread. It calls ``begin`` again when the image changed under way.
    Both raise ImageError (too large, disk full), which ends the download.
    """

    def begin(self, version: ImageVersion
              ) -> collections.abc.Sequence[ByteRange]:
        """Take the size; return the ranges that are missing, in order.

        When the size is unknown the one range is ``(offset, -1)``: all from
        there. Bytes of a version that this one does not resume are dropped.
        """

    def write(self, offset: int, data: Buffer) -> None:
        """Take the bytes at ``offset``; the buffer may be reused after."""


class ImageService(abc.ABC):
    """Access to the images of one URL scheme.

    Everything raises ImageError or one of its subclasses, in one sentence
    that names the image by ``href.redacted``.
    """

    #: The version of this interface that the service was written for.
    interface: typing.ClassVar[int] = INTERFACE

    @abc.abstractmethod
    def stat(self, href: str) -> ImageVersion:
        """Ask what the source has; the image may be read when it returns."""

    @abc.abstractmethod
    def fetch(self, href: str, target: Target,
              known: ImageVersion | None = None) -> ImageVersion | None:
        """Download what ``target`` misses; retries and resumes by itself.

        :param known: the version that the caller has in full.
        :returns: the version that was downloaded; None when the source
            still has ``known`` (nothing was written then).
        """

    @abc.abstractmethod
    def read_range(self, href: str, offset: int, length: int,
                   version: ImageVersion | None = None) -> bytes:
        """Read a part; fewer bytes are returned at the end of the image.

        :param version: what the part must belong to.
        :raises: ImageChangedError when the source has another version.
        """
