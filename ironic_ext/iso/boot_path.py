# SPDX-License-Identifier: Apache-2.0

"""The ways in which a machine boots an image, from firmware to kernel.

One path for each firmware and medium (CD or disk): boot image, loader,
the configurations that this loader reads in its own order, what its menu
offers and what starts by itself. What cannot be followed is said. Sources:
El Torito 1.0, UEFI 2.10 sections 3.5 and 13.3, and those that each
loader's module names.
"""

import collections.abc
import dataclasses
import posixpath
import typing

from ironic_ext.iso import el_torito
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import argument_areas
from ironic_ext.iso.loaders import binary
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import foreign
from ironic_ext.iso.loaders.grub import image as grub_image
from ironic_ext.iso.loaders import pe
from ironic_ext.iso import reach

#: Names of firmware that means() knows.
FIRMWARES = ('bios', 'uefi', *(f'uefi-{name}' for name
                               in pe.MACHINES.values()),
             'ieee1275', 's390x', 'all')
Place = boot_entry.Place
Start = boot_entry.Start

_SECTOR = 2048
#: Default loaders on removable media (UEFI 2.10, section 3.5.1.1).
_DEFAULTS = {'BOOTX64.EFI': 'x64', 'BOOTIA32.EFI': 'ia32',
             'BOOTAA64.EFI': 'aa64', 'BOOTARM.EFI': 'arm',
             'BOOTRISCV64.EFI': 'riscv64'}
_GRUB_CPU = {'x64': 'x86_64', 'ia32': 'i386', 'aa64': 'arm64',
             'arm': 'arm', 'riscv64': 'riscv64'}
_BIOS_BYTES = 4 << 20
#: What a menu does that starts nothing by itself.
WAITS = 'waits for a key'
#: What it means that something else than a kernel starts.
_WHAT = {'local': ' (boots the disk)', 'exit': ' (leaves the loader)',
         'nothing': ' (starts nothing)', 'chain': ' (another loader)',
         'missing': ' (its kernel is missing)',
         'elsewhere': ' (a kernel on another device)'}
#: Text in a master boot record that loads something.
_BOOT_SECTORS = (b'isolinux.bin missing', b'GRUB ')


def means(wanted: str, firmware: str, medium: str) -> bool:
    """Tell whether a name means the boot path of a firmware and a medium.

    :param wanted: ``bios``, ``uefi``, ``uefi-x64`` or ``all``; followed by
        ``from cd`` or ``from disk`` for one medium.
    """
    name, _, of_medium = wanted.partition(' from ')
    return of_medium in ('', medium) and (
        name in ('all', firmware) or firmware.startswith(name + '-'))


def is_name(wanted: str) -> bool:
    """Tell whether a name can mean a boot path of any image."""
    name, separator, medium = wanted.partition(' from ')
    return name in FIRMWARES and (
        not separator or medium in ('cd', 'disk'))


class BootPath(typing.NamedTuple):
    """One way in which the image boots.

    :ivar firmware: ``bios``, or ``uefi-`` and the machine (``uefi-x64``);
        ``ieee1275`` (Open Firmware), ``s390x``.
    :ivar medium: ``cd`` or ``disk``.
    :ivar loader: its name, ``unknown`` if it has none that is known.
    :ivar chain: where it was found, and what runs before it.
    :ivar walk: where the loader goes.
    :ivar esp: number of the ESP among the image's, None for a BIOS.
    :ivar signed: whether the EFI executable carries a signature.
    """

    firmware: str
    medium: str
    loader: str
    chain: tuple[str, ...]
    walk: boot_entry.Walk
    esp: int | None = None
    signed: bool | None = None

    @property
    def name(self) -> str:
        """As people call it: ``uefi-x64 from cd``."""
        return f'{self.firmware} from {self.medium}'

    def asked_for(self, wanted: str) -> bool:
        """Whether a name means it; see means()."""
        return means(wanted, self.firmware, self.medium)

    @property
    def kernels(self) -> tuple[Start, ...]:
        """What it starts that has a kernel command line."""
        return tuple([start for start in self.walk.starts
                      if start.kind in ('linux', 'uki')])

    @property
    def dead(self) -> bool:
        """Whether it is known to start nothing."""
        return self.walk.dead

    @property
    def unattended(self) -> str:
        """What happens when nobody touches the machine, as a sentence."""
        walk = self.walk
        if walk.lost:
            return f'nothing: {walk.lost}' if walk.dead else 'not known'
        start = walk.unattended
        if start is None:
            return WAITS
        title = start.title or start.ident or 'the only entry'
        if walk.seconds is None:
            return f'{WAITS}; the default is "{title}"'
        after = (f'after {walk.seconds:g} s' if walk.seconds else 'at once')
        what = _WHAT.get(start.kind, '')
        return f'"{title}" {after}{what}'


@dataclasses.dataclass(frozen=True)
class Changes:
    """What stands for the image's content: planned, not there yet.

    :ivar files: path in the image's tree -> content.
    :ivar esp_files: number of an ESP -> path -> content.
    :ivar parts: path in the image's tree, offset -> what lies there in it.
    """

    files: file_systems.Replaced = dataclasses.field(default_factory=dict)
    esp_files: collections.abc.Mapping[
        int, collections.abc.Mapping[str, bytes]] = dataclasses.field(
            default_factory=dict)
    parts: argument_areas.Parts = dataclasses.field(default_factory=dict)


_UNCHANGED = Changes()
# A base is customised for many nodes; what was read of it stays true.
_known: dict[object, tuple[BootPath, ...]] = {}
_MAX_KNOWN = 16


def boot_paths(image: images.IsoImage, changes: Changes = _UNCHANGED,
               wanted: collections.abc.Collection[str] = ('all',)
               ) -> tuple[BootPath, ...]:
    """Return the ways in which an image boots.

    :param wanted: those that one of these names means; see means().
    :raises: CorruptImageError
    """
    key = _key(image) if changes is _UNCHANGED else None
    found = _known.get(key) if key is not None else None
    if found is None:
        tree = file_systems.TreeFiles(image, changes.files)
        ways = _Ways(image, tree, changes,
                     () if key or 'all' in wanted else wanted)
        found = tuple(_checked(path, image, tree, changes) for path in (
            *_bios_paths(ways), *_uefi_paths(ways), *_other_paths(ways)))
        if key is not None:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[key] = found
    if 'all' in wanted:
        return found
    return tuple(path for path in found
                 if any(path.asked_for(name) for name in wanted))


class _Ways(typing.NamedTuple):
    """What is looked into, and for which ways; without any, for all."""

    image: images.IsoImage
    tree: file_systems.TreeFiles
    changes: Changes
    wanted: collections.abc.Collection[str]

    def counts(self, firmware: str, medium: str) -> bool:
        return not self.wanted or any(
            means(name, firmware, medium) for name in self.wanted)


def _checked(path: BootPath, image: images.IsoImage,
             tree: file_systems.TreeFiles, changes: Changes) -> BootPath:
    """Look whether the kernels that a menu names are there."""
    places: dict[str, file_systems.Files] = {'iso': tree}
    if path.esp is not None:
        places['esp'] = file_systems.FatFiles(
            image.esps[path.esp].volume, changes.esp_files.get(path.esp, {}))
    kinds: dict[Place, str] = {}

    def kind_of(place: Place) -> str:
        found = kinds.get(place)
        if found is None:
            files = places.get(place.device)
            found = kinds[place] = (
                'elsewhere' if files is None else 'linux'
                if files.kind(place.path) == 'file' else 'missing')
        return found

    def judged(start: Start) -> Start:
        kernel = start.kernel
        if (start.kind != 'linux' or kernel is None
                or kernel.device == 'memdisk'):
            return start
        there = tuple([place for place in start.initrds
                       if kind_of(place) != 'missing'])
        if there != start.initrds:
            start = start._replace(initrds=there)
        kind = kind_of(kernel)
        return start if kind == 'linux' else start._replace(kind=kind)
    walk = path.walk
    starts = tuple(map(judged, walk.starts))
    unattended = judged(walk.unattended) if walk.unattended else None
    if all(kind == 'linux' for kind in kinds.values()):
        return path
    kernels = {start.kernel for start in walk.starts}
    walk = walk._replace(
        starts=starts, unattended=unattended, notes=walk.notes + tuple(
            f'the image has no {place}, which its menu names as an initrd'
            for place, kind in kinds.items()
            if kind == 'missing' and place not in kernels))
    if starts and all(start.kind == 'missing' for start in starts):
        lacking = sorted({str(start.kernel) for start in starts})
        walk = walk._replace(
            dead=True, lost=f'the image has no {", ".join(lacking)}')
    return path._replace(walk=walk)


def _bios_paths(ways: _Ways) -> list[BootPath]:
    image, tree = ways.image, ways.tree
    entry = next((one for one in image.boot_entries
                  if one.platform == 'bios' and one.bootable), None)
    if entry is None or not any(ways.counts('bios', medium)
                                for medium in ('cd', 'disk')):
        return []
    loader = bios_loader(image, entry)
    if loader.name == 'unknown' and _s390x(ways, entry) is not None:
        return []
    found: list[BootPath] = []
    for medium in ('cd', 'disk'):
        if not ways.counts('bios', medium) or (
                medium == 'disk' and not _boots_as_disk(image)):
            continue
        where = (f'El Torito, sector {entry.sector}' if medium == 'cd'
                 else 'master boot record')
        found.append(BootPath(
            'bios', medium, loader.name, (where,),
            # ISOLINUX reads the same tree from either.
            found[0].walk if found and loader.name == 'ISOLINUX'
            else _bios_walk(image, tree, loader, medium)))
    return found


def _other_paths(ways: _Ways) -> list[BootPath]:
    """Return those of machines with another firmware, none of them known."""
    found = []
    if ways.counts('ieee1275', 'cd'):
        started = foreign.open_firmware(ways.tree)
        if started is not None:
            found.append(BootPath('ieee1275', 'cd', started[0],
                                  ('/ppc/bootinfo.txt',), started[1]))
    entry = next((one for one in ways.image.boot_entries
                  if one.platform == 'bios' and one.bootable), None)
    if entry is not None and ways.counts('s390x', 'cd') and bios_loader(
            ways.image, entry).name == 'unknown':
        walk = _s390x(ways, entry)
        if walk is not None:
            # The catalog has no platform of its own for it.
            found.append(BootPath('s390x', 'cd', 'none', (
                f'El Torito, sector {entry.sector}',), walk))
    return found


def _s390x(ways: _Ways, entry: el_torito.BootEntry
           ) -> boot_entry.Walk | None:
    return foreign.s390x(ways.tree, argument_areas.at(
        ways.image, entry.sector * _SECTOR, ways.changes.parts))


def bios_loader(image: images.IsoImage, entry: el_torito.BootEntry
                ) -> binary.Binary:
    """Return what an El Torito boot image is.

    :raises: CorruptImageError
    """
    start = entry.sector * _SECTOR
    size = max(0, min(_BIOS_BYTES, image.size - start))

    def read(offset: int, length: int) -> bytes:
        return image.source.read(start + offset, max(0, min(
            length, size - offset)), 'a boot image')
    return binary.of_bios(file_systems.Content('', size, read),
                          _key(image, start))


def _key(image: images.IsoImage, *place: object) -> object:
    identity = image.source.identity
    return None if identity is None else (*identity, *place)


def _boots_as_disk(image: images.IsoImage) -> bool:
    mbr = image.source.read(0, 512, 'the master boot record')
    # What isohybrid and GRUB install; other code is not followed.
    return mbr[510:] == b'\x55\xaa' and any(
        mark in mbr for mark in _BOOT_SECTORS)


def _bios_walk(image: images.IsoImage, tree: file_systems.TreeFiles,
               loader: binary.Binary, medium: str) -> boot_entry.Walk:
    if loader.name == 'ISOLINUX':
        from ironic_ext.iso.loaders import isolinux_menu
        return isolinux_menu.follow(tree)
    if loader.name != 'GRUB':
        return boot_entry.Walk(lost=f'the boot loader is {loader.name}, '
                                    f'which is not followed')
    if loader.embedded is None:
        return boot_entry.Walk(lost='what is built into GRUB\'s image for '
                                    'a BIOS cannot be read')
    disks = reach.Reach(image, tree, medium, None, None, loader.embedded,
                        'hd96' if medium == 'cd' else 'hd0')
    return _grub(disks, loader.embedded, '', 'i386', 'pc')


def _grub(disks: reach.Reach, embedded: grub_image.Embedded,
          directory: str, cpu: str, platform: str) -> boot_entry.Walk:
    from ironic_ext.iso.loaders.grub import follow as grub
    return grub.follow(disks, embedded, disks.boot_device, directory, cpu,
                       platform, disks.devices)


def _uefi_paths(ways: _Ways) -> list[BootPath]:
    image, tree, changes = ways.image, ways.tree, ways.changes
    torito = {entry.sector * _SECTOR for entry in image.boot_entries
              if entry.platform == 'uefi'}
    parts = {part.start for part in image.tables.partitions if part.esp}
    found: dict[tuple[str, str], BootPath] = {}
    for number, esp in enumerate(image.esps):
        files = file_systems.FatFiles(
            esp.volume, changes.esp_files.get(number, {}))
        for name in files.names('/EFI/BOOT'):
            machine = _DEFAULTS.get(name.upper())
            if machine is None:
                continue
            for medium, places in (('cd', torito), ('disk', parts)):
                if (esp.start in places and (machine, medium) not in found
                        and ways.counts(f'uefi-{machine}', medium)):
                    found[machine, medium] = _uefi_path(
                        image, tree, files, number, name, machine, medium)
    return list(found.values())


def _uefi_path(image: images.IsoImage, tree: file_systems.TreeFiles,
               files: file_systems.FatFiles, number: int, name: str,
               machine: str, medium: str) -> BootPath:
    path = f'/EFI/BOOT/{name}'
    chain = [f'{path} in the ESP']
    loader = efi_loader(image, files, number, path)
    if loader.name == 'shim':
        chain.append('shim')
        path = f'/EFI/BOOT/grub{machine}.efi'
        if files.kind(f'/EFI/BOOT/fb{machine}.efi') == 'file':
            return BootPath(
                f'uefi-{machine}', medium, 'shim', tuple(chain),
                boot_entry.Walk(lost='shim starts its fallback program, '
                                     'which is not followed'),
                number, loader.signed)
        if files.kind(path) != 'file':
            return BootPath(
                f'uefi-{machine}', medium, 'shim', tuple(chain),
                boot_entry.Walk(lost=f'shim finds no {path} in the ESP',
                                dead=True), number, loader.signed)
        loader = efi_loader(image, files, number, path)
        chain.append(f'{path} in the ESP')
    if loader.name == 'unknown':
        from ironic_ext.iso.loaders import mboot
        walk = mboot.follow(tree, mboot.UEFI_CONFIG)
        if walk is not None and tree.kind(f'/EFI/BOOT/{name}') == 'file':
            return BootPath(
                f'uefi-{machine}', medium, 'mboot',
                (*chain, f'/EFI/BOOT/{name}'), walk, number, loader.signed)
    return BootPath(f'uefi-{machine}', medium, loader.name, tuple(chain),
                    _uefi_walk(image, tree, files, number, path, machine,
                               medium, loader),
                    number, loader.signed)


def efi_loader(image: images.IsoImage, files: file_systems.FatFiles,
               number: int, path: str) -> binary.Binary:
    """Return what an EFI executable in an ESP is.

    :param number: of the ESP among the image's.
    """
    try:
        key = None if any(path.casefold() == new.casefold()
                          for new in files.replaced) else _key(
            image, image.esps[number].start, path)
        return binary.of_efi(files, path, key)
    except errors.CorruptImageError:
        return binary.Binary('unreadable')


def _uefi_walk(image: images.IsoImage, tree: file_systems.TreeFiles,
               files: file_systems.FatFiles, number: int, path: str,
               machine: str, medium: str, loader: binary.Binary
               ) -> boot_entry.Walk:
    if loader.name in ('systemd-boot', 'unified kernel'):
        from ironic_ext.iso.loaders import systemd_menu
    if loader.name == 'systemd-boot':
        return systemd_menu.follow(files, machine)
    if loader.name == 'unified kernel':
        start = systemd_menu.unified(files, path)
        if start is not None:
            return boot_entry.Walk((), (start,), start, 0.0)
    if loader.name != 'GRUB':
        return boot_entry.Walk(lost=f'the boot loader is {loader.name}, '
                                    f'which is not followed')
    if loader.embedded is None:
        return boot_entry.Walk(lost='what is built into GRUB\'s image '
                                    'cannot be read')
    disks = reach.Reach(image, tree, medium, number, files,
                        loader.embedded, 'cd0' if medium == 'cd' else '')
    return _grub(disks, loader.embedded, posixpath.dirname(path),
                 _GRUB_CPU[machine], 'efi')
