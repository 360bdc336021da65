# SPDX-License-Identifier: Apache-2.0

"""What GRUB reaches by device and path."""

import collections.abc
import typing


class Disks(typing.Protocol):
    """What GRUB reaches by device and path."""

    @property
    def order(self) -> tuple[str, ...]:
        """Devices, in the order in which ``search`` asks them."""

    def read(self, device: str, path: str) -> bytes | None:
        """Return a small file's content."""

    def kind(self, device: str, path: str) -> str | None:
        """Return ``file``, ``dir`` or None."""

    def names(self, device: str, path: str
              ) -> collections.abc.Sequence[str]:
        """Return the names in a directory."""

    def label(self, device: str) -> str | None:
        """Return a file system's label."""

    def uuid(self, device: str) -> str | None:
        """Return a file system's UUID as GRUB spells it."""
