# SPDX-License-Identifier: Apache-2.0

"""What the importer of ISOs is given: images that are fetched, ISOs' facts."""

import contextlib
import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Inspected:
    """What an ISO turned out to be.

    :ivar boot_loaders: such as ``bios: ISOLINUX``.
    :ivar boot_paths: a sentence for each way in which a machine boots it.
    :ivar system: whose ISO it is, '' if that cannot be told.
    """

    volume_id: str
    boot_loaders: tuple[str, ...]
    boot_paths: tuple[str, ...] = ()
    system: str = ''


class Fetched(typing.Protocol):
    """An image of the image store, as long as it is leased."""

    @property
    def path(self) -> str:
        """Where it can be read."""

    @property
    def href(self) -> str:
        """Where it came from, as it may be shown."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    @property
    def digest(self) -> str:
        """Digest of the content, as ``sha256:<hex>``."""


class Progress(typing.Protocol):
    """How far a download is."""

    @property
    def received(self) -> int:
        """Bytes that are here."""

    @property
    def size(self) -> int | None:
        """Bytes in all, None when the source does not say."""


class ImageStore(typing.Protocol):
    """What is needed of the image store."""

    def lease(self, href: str, checksum: str | None = None,
              observer: typing.Any = None
              ) -> contextlib.AbstractContextManager[Fetched]:
        """Fetch an image and keep it for the context."""

    def hold(self, digest: str, owner: str) -> None:
        """Keep an image for an owner."""

    def release(self, digest: str, owner: str) -> None:
        """Let go of it."""

    def holds(self, prefix: str = '') -> list[tuple[str, str]]:
        """List (digest, owner) of what is held in the store."""
