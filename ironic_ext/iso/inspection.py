# SPDX-License-Identifier: Apache-2.0

"""What an image boots and what can be injected into it.

For people and programs that have to choose or explain: every value is read
from the image, nothing is guessed from its name.
"""

import dataclasses
import typing

from ironic_ext.iso import el_torito
from ironic_ext.iso import errors
from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import coreos
from ironic_ext.iso.loaders import discovery
from ironic_ext.iso import media_check
from ironic_ext.iso import partitions

#: Bytes of a boot image in which its maker's name is looked for.
_SIGNATURE_BYTES = 8 << 20
_SIGNATURES = (
    (b'ISOLINUX ', 'ISOLINUX'), (b'#### LoaderInfo: systemd-boot',
                                 'systemd-boot'),
    (b'UEFI SHIM', 'shim'), (b'iPXE', 'iPXE'), (b'Memtest86+', 'Memtest86+'),
    (b'GRUB', 'GRUB'), (b'SYSLINUX', 'SYSLINUX'),
    # GRUB's El Torito image is compressed but for cdboot.img's messages.
    (b'cdrom read fails', 'GRUB'))


@dataclasses.dataclass(frozen=True)
class Loader:
    """A boot loader.

    :ivar firmware: ``bios`` or ``uefi``.
    :ivar name: as its image says, or ``unknown``.
    :ivar path: where it was found.
    """

    firmware: str
    name: str
    path: str


@dataclasses.dataclass(frozen=True)
class Config:
    """A boot configuration.

    :ivar where: ``iso`` or ``esp``.
    :ivar kind: ``grub``, ``isolinux`` or ``systemd-boot``.
    """

    path: str
    where: str
    kind: str
    entries: tuple[boot_entry.BootEntry, ...]


@dataclasses.dataclass(frozen=True)
class Tree:
    """A directory tree.

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
class Inspection:
    """Everything that is known of an image.

    :ivar can: what can be injected: ``kernel_arguments``, ``files``,
        ``initrd_files``.
    :ivar cannot: what cannot be injected -> why.
    :ivar notes: sentences that a user should know.
    """

    path: str
    size: int
    volume_id: str
    publisher_id: str
    application_id: str
    udf: bool
    media_check: str | None
    trees: tuple[Tree, ...]
    partitions: tuple[partitions.Partition, ...]
    boot_images: tuple[el_torito.BootEntry, ...]
    esps: tuple[Esp, ...]
    loaders: tuple[Loader, ...]
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
    configs = [_config(config, 'iso')
               for config in discovery.tree_configs(image)]
    for esp in image.esps:
        configs += [_config(config, 'esp')
                    for config in discovery.esp_configs(esp)]
    primary = image.volumes.primary
    check = media_check.read(primary.data)
    cannot = _cannot(image, configs)
    notes = []
    if check is not None:
        notes.append(
            f'the image carries a checksum of itself ({check.kind}); it '
            f'does not hold after an injection unless it is implanted anew')
    if image.main.find(coreos.DESCRIPTION) is not None:
        notes.append(
            'the image reserves areas for kernel arguments (CoreOS); '
            'arguments go there')
    return Inspection(
        path=image.path, size=image.size, volume_id=image.volume_id,
        publisher_id=primary.publisher_id,
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
        loaders=tuple(_loaders(image)), configs=tuple(configs),
        can=tuple(kind for kind in ('kernel_arguments', 'files',
                                    'initrd_files') if kind not in cannot),
        cannot=cannot, notes=tuple(notes))


def _config(config: discovery.ConfigFile, where: str) -> Config:
    return Config(config.path, where, config.kind, config.entries)


def _cannot(image: images.IsoImage, configs: list[Config]
            ) -> dict[str, str]:
    if image.volumes.udf:
        why = ('a UDF file system names the same files and would still '
               'show the old ones')
        return dict.fromkeys(('kernel_arguments', 'files', 'initrd_files'),
                             why)
    cannot = {}
    if not any(config.entries for config in configs):
        cannot['kernel_arguments'] = (
            'no boot configuration with a Linux kernel was found (GRUB, '
            'ISOLINUX or systemd-boot)')
    if not discovery.initrds(image):
        cannot['initrd_files'] = (
            'no boot configuration names an initrd in the image\'s own '
            'file system')
    return cannot


def _loaders(image: images.IsoImage) -> list[Loader]:
    found = []
    for entry in image.boot_entries:
        if entry.platform == 'bios':
            start = entry.sector * 2048
            length = min(128 * 1024, image.size - start)
            found.append(Loader(
                'bios', _name(image.source.read(
                    start, max(length, 0), 'a boot image')),
                f'El Torito, sector {entry.sector}'))
    for esp in image.esps:
        directory = esp.volume.lookup('/EFI/BOOT')
        if directory is None or not directory.is_dir:
            continue
        for child in esp.volume.listdir('/EFI/BOOT'):
            if (not child.is_dir
                    and child.name.casefold().endswith('.efi')
                    and child.size <= _SIGNATURE_BYTES):
                try:
                    name = _name(esp.volume.read_file(child.path))
                except errors.CorruptImageError:
                    name = 'unreadable'
                found.append(Loader('uefi', name, child.path))
    return found


def _name(data: bytes) -> str:
    for signature, name in _SIGNATURES:
        if signature in data:
            return name
    return 'unknown'
