# SPDX-License-Identifier: Apache-2.0

"""Where a GRUB image goes: built-in configuration, prefix, menu.

The order is that of grub-core/kern/main.c and normal/main.c of GNU GRUB
2.06; Fedora's looks into its own directory before the prefix.
"""

import collections
import collections.abc
import posixpath

from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders.grub import disks as grub_disks
from ironic_ext.iso.loaders.grub import image
from ironic_ext.iso.loaders.grub import run

_MAX_STARTS = 1024
#: File systems of which configurations can be changed.
_CHANGEABLE = ('iso', 'esp')


def follow(disks: grub_disks.Disks, embedded: image.Embedded,
           boot_device: str, directory: str, cpu: str, platform: str,
           devices: collections.abc.Mapping[str, str]) -> boot_entry.Walk:
    """Return where GRUB goes.

    :param boot_device: what it calls the device it was started from.
    :param directory: of its image there, absolute.
    :param devices: what it calls a device -> ``iso``, ``esp``, ...
    """
    prefix = _prefix(embedded, boot_device, directory)
    root = prefix[1:].partition(')')[0]
    shell = run.Run(disks, {
        'prefix': prefix, 'root': root, 'grub_cpu': cpu,
        'grub_platform': platform,
        'cmdpath': f'({boot_device}){directory}'})
    looked = []
    if embedded.config:
        shell.start(embedded.config, boot_entry.Place('memdisk', '(built '
                                                      'in)'))
    if not shell.menu.entries and not shell.starts_kernel:
        for path in dict.fromkeys((
                shell.env.get('prefix', prefix) + '/grub.cfg',
                f'({boot_device}){directory}/grub.cfg')):
            looked.append(path)
            place = shell.place(path)
            if place and disks.kind(place.device, place.path) == 'file':
                shell.file(place)
                break
    ended = list(shell.ended)
    menu = shell.finish()
    _name(menu, '')
    starts: list[boot_entry.Start] = []
    places = _Places(devices)
    _collect(menu, starts, places)
    unattended, seconds = _unattended(menu, places)
    lost = ''
    if not starts:
        lost = ('GRUB finds no menu' + (
            f' ({", ".join(looked)})' if looked and not shell.configs
            else '') + ' and shows its prompt')
    configs = dict.fromkeys(places[place] for place in shell.configs)
    return boot_entry.Walk(
        tuple(configs), tuple(starts[:_MAX_STARTS]), unattended, seconds,
        tuple(shell.notes), lost, bool(lost) and not shell.notes,
        frozenset(shell.carriers), next((
            place for place in (places[where] for where in reversed(ended))
            if place.device in _CHANGEABLE), None))


def _prefix(embedded: image.Embedded, boot_device: str,
            directory: str) -> str:
    """Return the prefix with its device, as set_prefix() makes it."""
    prefix = embedded.prefix or ''
    if prefix.startswith(('(,', '()')):
        # The drive it was started from, or a partition of that.
        part, _, path = prefix[1:].partition(')')
        return f'({boot_device.partition(",")[0]}{part}){path}'
    if prefix.startswith('('):
        return prefix
    if prefix:
        return f'({boot_device}){prefix}'
    if posixpath.basename(directory) in ('x86_64-efi', 'i386-efi',
                                         'arm64-efi'):
        directory = posixpath.dirname(directory)
    return f'({boot_device}){directory}'


class _Places(dict[boot_entry.Place, boot_entry.Place]):
    """Files by GRUB's names of their devices -> by ours.

    :ivar devices: what it calls a device -> ``iso``, ``esp``, ...
    """

    def __init__(self, devices: collections.abc.Mapping[str, str]) -> None:
        super().__init__()
        self.devices = devices

    def __missing__(self, place: boot_entry.Place) -> boot_entry.Place:
        found = self[place] = boot_entry.Place(
            self.devices.get(place.device, place.device), place.path)
        return found


def _name(menu: run.Menu, above: str) -> None:
    """Say how ``default`` names each entry: by id, title, or number."""
    names = collections.Counter(
        name for item in menu.entries
        for name in {item.ident, item.title})
    for number, item in enumerate(menu.entries):
        name = next((name for name in (item.ident, item.title) if (
            name and names[name] == 1 and not name[0].isdigit()
            and '>' not in name and "'" not in name)), str(number))
        item.choice = above + name
        if item.menu is not None and item.submenu:
            _name(item.menu, item.choice + '>')


def _start(start: boot_entry.Start, item: run.Item,
           places: _Places) -> boot_entry.Start:
    kind = start.kind
    if kind == 'chain' and (start.kernel is None or start.kernel.device
                            not in places.devices):
        kind = 'local'
    return boot_entry.Start(
        start.title, kind, places[start.config],
        places[start.kernel] if start.kernel else None,
        start.arguments, tuple([places[place] for place in start.initrds]),
        start.ident, item.choice)


def _collect(menu: run.Menu, into: list[boot_entry.Start],
             places: _Places) -> None:
    for item in menu.entries:
        into += [_start(start, item, places) for start in item.started]
        if item.menu is not None:
            _collect(item.menu, into, places)


def _unattended(menu: run.Menu, places: _Places
                ) -> tuple[boot_entry.Start | None, float | None]:
    """Return what starts by itself, and after how many seconds."""
    seconds: float | None = menu.timeout
    while menu.default is not None and menu.default < len(menu.entries):
        item = menu.entries[menu.default]
        if item.menu is None:
            start = item.started[0] if item.started else None
            return (_start(start, item, places) if start
                    else None), seconds
        menu = item.menu
        if not item.submenu:
            # "configfile" out of an entry: that menu has its own time.
            seconds = (None if seconds is None or menu.timeout is None
                       else seconds + menu.timeout)
    return None, None
