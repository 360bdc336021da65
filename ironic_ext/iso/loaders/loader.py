# SPDX-License-Identifier: Apache-2.0

"""What every boot loader's grammar can do, as the rest sees it.

One class a loader implements this: ISOLINUX, GRUB, and the Boot Loader
Specification's entries that systemd-boot reads.
"""

from collections.abc import Sequence
import typing

from ironic_ext.iso.loaders import boot_entry


class Place(typing.NamedTuple):
    """Where a loader's configurations usually lie.

    :ivar directory: absolute path; ``/*`` at its end stands for every
        directory there.
    :ivar names: of files, in lower case.
    :ivar suffix: of files that count as well, in lower case.
    """

    directory: str
    names: tuple[str, ...] = ()
    suffix: str | None = None

    def has(self, name: str) -> bool:
        """Whether a name in lower case is one of this place."""
        return name in self.names or (
            self.suffix is not None and name.endswith(self.suffix))


class Loader(typing.Protocol):
    """A boot loader's grammar; stateless.

    :ivar name: ``grub``, ``isolinux``, ``systemd-boot`` or ``mboot``.
    """

    def __hash__(self) -> int:
        """Loaders are keys of caches."""

    @property
    def name(self) -> str:
        """What it is called in reports."""

    @property
    def places(self) -> tuple[Place, ...]:
        """The well-known places, in no order of precedence."""

    def parse(self, data: bytes, inherited: str | None = None
              ) -> boot_entry.BootConfig:
        """Return what a configuration boots; never fails.

        :param inherited: the arguments that the including file gives to
            entries without arguments of their own.
        """

    def edit(self, data: bytes, append: Sequence[str],
             delete: Sequence[str], inherits: bool = False,
             carriers: frozenset[str] = frozenset()) -> bytes:
        """Return a configuration with other kernel arguments.

        :param carriers: variables that hold kernel arguments; words are
            removed where they are set.
        :param inherits: whether ``parse`` was given ``inherited``.
        :raises: KernelArgumentError when they cannot be written so.
        """

    def unattended(self, data: bytes, choice: str, seconds: int) -> bytes:
        """Return a menu's configuration in which an entry starts by itself.

        :param choice: see boot_entry.Start; '' for the menu's own default.
        :param seconds: after how long, at least 1.
        :raises: KernelArgumentError when that cannot be written so.
        """

    def resolve(self, path: str, home: str, directory: str) -> str | None:
        """Return the absolute path that a configuration means by one.

        :param path: as written.
        :param home: the directory that the loader began in.
        :param directory: the configuration's own.
        :returns: a path that may hold ``..``, or None when it cannot be
            told.
        """
