# SPDX-License-Identifier: Apache-2.0

"""What a boot loader's configuration says, whatever its grammar."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class BootEntry:
    """One kernel that a configuration can start.

    ``kernel`` and ``initrds`` are paths as written (variables included),
    ``arguments`` the words of the command line.
    """

    title: str
    kernel: str
    arguments: tuple[str, ...] = ()
    initrds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class BootConfig:
    """The entries of one file, and the files it leads to, as written.

    :ivar handed_on: the arguments that entries of included files get when
        they have none of their own (ISOLINUX).
    """

    entries: tuple[BootEntry, ...] = ()
    includes: tuple[str, ...] = ()
    handed_on: str | None = None
