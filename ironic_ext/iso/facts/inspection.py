# SPDX-License-Identifier: Apache-2.0

"""What an image boots and what can be injected into it.

For people and programs that have to choose or explain: every value is read
from the image, nothing is guessed from its name.
"""

import dataclasses
import typing

from ironic_ext.iso import arrival
from ironic_ext.iso import boot_path
from ironic_ext.iso import el_torito
from ironic_ext.iso.facts import system as systems
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import argument_areas
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso import media_check
from ironic_ext.iso import partitions


@dataclasses.dataclass(frozen=True)
class Loader:
    """A boot loader of an inspected image.

    :ivar firmware: ``bios`` or ``uefi``.
    :ivar name: as its image says, or ``unknown``.
    :ivar path: where it was found.
    """

    firmware: str
    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class Config:
    """A boot loader's configuration of an inspected image.

    :ivar where: ``iso`` or ``esp``.
    :ivar kind: ``grub``, ``isolinux``, ``systemd-boot`` or ``mboot``.
    """

    path: str
    where: str
    kind: str
    entries: tuple[boot_entry.BootEntry, ...]


@dataclasses.dataclass(frozen=True)
class Tree:
    """A directory tree of an inspected image.

    :ivar sectors: its volume's size in 2048-byte sectors.
    :ivar shift: first sector of the partition it is relative to.
    """

    kind: str
    volume_id: str
    sectors: int
    shift: int


@dataclasses.dataclass(frozen=True)
class Esp:
    """An EFI system partition: start, size and free room in bytes."""

    start: int
    size: int
    free: int
    fat: int


@dataclasses.dataclass(frozen=True)
class Path:
    """One way in which a machine boots the image.

    :ivar firmware: ``bios`` or ``uefi-x64`` and so on.
    :ivar medium: ``cd`` or ``disk``.
    :ivar loader: its name.
    :ivar chain: where it was found, and what runs before it.
    :ivar configs: the files that it reads, in order.
    :ivar unattended: what happens when nobody touches the machine.
    :ivar seconds: after which that happens, None when it waits for ever.
    :ivar default: the title of what starts by itself.
    :ivar entries: what could be made the default, by title or label.
    :ivar signed: whether the first EFI executable carries a signature.
    :ivar no_arguments: why kernel arguments cannot be injected, or ''.
    :ivar no_initrd_files: why files cannot be added to its initrds, or ''.
    :ivar notes: what could not be followed.
    """

    firmware: str
    medium: str
    loader: str
    chain: tuple[str, ...]
    configs: tuple[str, ...]
    unattended: str
    seconds: float | None
    default: str | None
    signed: bool | None
    no_arguments: str
    no_initrd_files: str
    notes: tuple[str, ...]
    entries: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Inspection:
    """Everything that is known of an image.

    :ivar system: whose ISO it is, '' if that cannot be told.
    :ivar boot_paths: what happens by firmware and medium.
    :ivar can: what can be injected: ``kernel_arguments``, ``files``,
        ``initrd_files``.
    :ivar cannot: what cannot be injected -> why.
    :ivar notes: sentences that a user should know.
    """

    path: str
    size: int
    volume_id: str
    system: str
    publisher_id: str
    application_id: str
    udf: bool
    media_check: str | None
    trees: tuple[Tree, ...]
    partitions: tuple[partitions.Partition, ...]
    boot_images: tuple[el_torito.BootEntry, ...]
    esps: tuple[Esp, ...]
    loaders: tuple[Loader, ...]
    boot_paths: tuple[Path, ...]
    configs: tuple[Config, ...]
    can: tuple[str, ...]
    cannot: dict[str, str]
    notes: tuple[str, ...]

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernels that configurations name, each once."""
        return tuple(dict.fromkeys(
            entry.kernel for config in self.configs
            for entry in config.entries))

    def as_dict(self) -> dict[str, typing.Any]:
        """Return the values as JSON has them."""
        facts = dataclasses.asdict(self)
        facts['kernels'] = self.kernels
        return facts


def inspect(image: images.IsoImage) -> Inspection:
    """Inspect an open image.

    :raises: CorruptImageError
    """
    image.require_whole()
    files = discovery.tree_configs(image)
    configs = [_config(config, 'iso') for config in files]
    for number in range(len(image.esps)):
        inside = discovery.esp_configs(image, number)
        configs += [_config(config, 'esp') for config in inside]
        files += inside
    primary = image.volumes.primary
    check = media_check.read(primary.data)
    paths = boot_path.boot_paths(image)
    cannot = _cannot(image, files, paths)
    notes = []
    if check is not None:
        notes.append(
            f'the image carries a checksum of itself ({check.kind}); it '
            f'does not hold after an injection unless it is implanted anew')
    if image.has_hfs:
        notes.append(
            'an HFS+ file system names the same files, and shows them '
            'without an injection: Apple\'s firmware reads it, the boot '
            'paths above do not')
    if argument_areas.reserved(image):
        notes.append(
            'the image reserves areas for kernel arguments (CoreOS); '
            'arguments go there')
    return Inspection(
        path=image.path, size=image.size, volume_id=image.volume_id,
        system=systems.of(image).name, publisher_id=primary.publisher_id,
        application_id=primary.application_id, udf=image.volumes.udf,
        media_check=check.kind if check else None,
        trees=tuple(Tree(
            tree.kind, tree.descriptors[0].volume_id,
            tree.descriptors[0].sectors, tree.shift)
            for tree in image.trees),
        partitions=image.tables.partitions,
        boot_images=image.boot_entries,
        esps=tuple(Esp(esp.start, esp.size, esp.volume.free_bytes,
                       esp.volume.bits) for esp in image.esps),
        loaders=tuple(_loaders(image)),
        boot_paths=tuple(map(_path, paths)), configs=tuple(configs),
        can=tuple(kind for kind in ('kernel_arguments', 'files',
                                    'initrd_files') if kind not in cannot),
        cannot=cannot, notes=tuple(notes))


def _config(config: discovery.ConfigFile, where: str) -> Config:
    return Config(config.path, where, config.kind, config.entries)


def _path(path: boot_path.BootPath) -> Path:
    start = path.walk.unattended
    return Path(
        path.firmware, path.medium, path.loader, path.chain,
        tuple(map(str, path.walk.configs)), path.unattended,
        None if path.dead else path.walk.seconds,
        start.title or start.ident if start else None, path.signed,
        arrival.why_no_arguments(path), arrival.why_no_initrd_files(path),
        path.walk.notes, tuple(dict.fromkeys(
            start.name for start in path.walk.starts
            if start.choice and start.name)))


def _cannot(image: images.IsoImage,
            configs: list[discovery.ConfigFile],
            paths: tuple[boot_path.BootPath, ...]) -> dict[str, str]:
    if image.volumes.udf:
        why = ('a UDF file system names the same files and would still '
               'show the old ones')
        return dict.fromkeys(('kernel_arguments', 'files', 'initrd_files'),
                             why)
    cannot: dict[str, str] = {}
    live = [path for path in paths if not path.dead]
    if not any(config.entries for config in configs) and not any(
            not arrival.why_no_arguments(path) for path in live):
        cannot['kernel_arguments'] = (
            'no boot configuration with a Linux kernel was found (GRUB, '
            'ISOLINUX or systemd-boot)')
    else:
        _tell(cannot, 'kernel_arguments', {
            path.name: arrival.why_no_arguments(path)
            for path in live or paths})
    if not live and not discovery.initrds_of(
            image, configs):
        cannot['initrd_files'] = (
            'no boot configuration names an initrd in the image\'s own '
            'file system')
    else:
        _tell(cannot, 'initrd_files', {
            path.name: arrival.why_no_initrd_files(path)
            for path in live or paths})
    if not paths:
        for kind in ('kernel_arguments', 'initrd_files'):
            cannot.setdefault(kind, 'the image boots by nothing')
    return cannot


def _tell(cannot: dict[str, str], kind: str, whys: dict[str, str]) -> None:
    """Add what does not go by every path; paths of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, why in whys.items():
        if why:
            by_reason.setdefault(why, []).append(name)
    if by_reason:
        cannot[kind] = '; '.join(
            f'{", ".join(names)}: {why}' for why, names
            in by_reason.items())


def _loaders(image: images.IsoImage) -> list[Loader]:
    """Return every loader that firmware could be told to start."""
    found = []
    for entry in image.boot_entries:
        if entry.platform == 'bios':
            found.append(Loader('bios', boot_path.bios_loader(
                image, entry).name, f'El Torito, sector {entry.sector}'))
    for number, esp in enumerate(image.esps):
        files = file_systems.FatFiles(esp.volume)
        for name in files.names('/EFI/BOOT'):
            path = f'/EFI/BOOT/{name}'
            if (name.casefold().endswith('.efi')
                    and files.kind(path) == 'file'):
                found.append(Loader('uefi', boot_path.efi_loader(
                    image, files, number, path).name, path))
    return found
