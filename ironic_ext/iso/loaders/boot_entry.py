# SPDX-License-Identifier: Apache-2.0

"""What a boot loader's configuration says, whatever its grammar."""

import dataclasses
import typing


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


class BootConfig(typing.NamedTuple):
    """The entries of one file, and the files it leads to, as written.

    :ivar handed_on: the arguments that entries of included files get when
        they have none of their own (ISOLINUX).
    """

    entries: tuple[BootEntry, ...] = ()
    includes: tuple[str, ...] = ()
    handed_on: str | None = None


class Place(typing.NamedTuple):
    """A file as a boot loader names it.

    :ivar device: the file system: ``iso``, ``esp`` or ``memdisk``; inside
        GRUB its name of the device (``cd0``).
    :ivar path: absolute.
    """

    device: str
    path: str

    def __str__(self) -> str:
        """The path, and where unless in the image's own tree."""
        return (self.path if self.device == 'iso'
                else f'{self.path} in the {self.device.upper()}'
                if self.device == 'esp' else f'({self.device}){self.path}')


class Start(typing.NamedTuple):
    """What one entry of a menu starts.

    :ivar kind: ``linux``, ``uki`` (a unified kernel image), ``chain``
        (another loader), ``local`` (the machine's disk), ``exit``,
        ``missing`` (a kernel that is not there), ``elsewhere`` (one of
        another device) or ``nothing``.
    :ivar config: the file that holds the command line.
    :ivar ident: what names the entry in a default: a label, an id.
    :ivar choice: how the menu is told to start it, '' if it cannot be.
    :ivar stub: the version of systemd of which a unified kernel image has
        its stub, '' where that is not known.
    :ivar machine: for which it is: ``x64``, ...
    :ivar signed: whether it carries a signature.
    """

    title: str
    kind: str
    config: Place
    kernel: Place | None = None
    arguments: tuple[str, ...] = ()
    initrds: tuple[Place, ...] = ()
    ident: str = ''
    choice: str = ''
    stub: str = ''
    machine: str = ''
    signed: bool = False

    @property
    def name(self) -> str:
        """As people call it: its title, or what names it."""
        return self.title or self.ident


class Walk(typing.NamedTuple):
    """Where a loader goes, once it runs.

    :ivar configs: the files that it reads, in order.
    :ivar starts: what its menu offers, submenus included.
    :ivar unattended: what starts by itself, None when nothing does.
    :ivar seconds: after how long; None waits for a key.
    :ivar notes: sentences: what depends on the machine, or is not read.
    :ivar lost: why it cannot be followed, or '' if it can.
    :ivar dead: whether it is known to start nothing.
    :ivar carriers: variables of GRUB that hold kernel arguments.
    :ivar menu: the file at whose end default and time-out can be set, None
        if there is none.
    """

    configs: tuple[Place, ...] = ()
    starts: tuple[Start, ...] = ()
    unattended: Start | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    lost: str = ''
    dead: bool = False
    carriers: frozenset[str] = frozenset()
    menu: Place | None = None
