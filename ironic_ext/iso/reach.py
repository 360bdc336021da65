# SPDX-License-Identifier: Apache-2.0

"""The devices that GRUB sees when it was started from an image.

From a CD it sees the whole image as one device, never the boot image that
El Torito names; from a disk also its partitions (tried with GRUB 2.06 and
OVMF: the device is found by equal start and length).
"""

import collections.abc

from ironic_ext.iso import image as images
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders.grub import image as grub_image


class Reach:
    """The devices and their file systems.

    :param esp: number of the ESP that it was started from, if any.
    :param boot_device: GRUB's name of the whole image; '' for a disk.
    :ivar boot_device: GRUB's name of what it was started from.
    :ivar devices: its name of a device -> ``iso``, ``esp``, ``memdisk``.
    :ivar order: devices as ``search`` asks them.
    """

    def __init__(self, image: images.IsoImage, tree: file_systems.TreeFiles,
                 medium: str, esp: int | None,
                 esp_files: file_systems.FatFiles | None,
                 embedded: grub_image.Embedded, boot_device: str) -> None:
        self._image = image
        self._esp = image.esps[esp] if esp is not None else None
        whole = boot_device or 'hd0'
        self.boot_device = whole
        self.devices = {whole: 'iso'}
        self._files: dict[str, file_systems.Files] = {'iso': tree}
        parts: list[str] = []
        if medium == 'disk':
            for part in image.tables.partitions:
                name = f'{whole},{"msdos" if part.table == "mbr" else "gpt"}'
                name += str(part.number)
                if self._esp is not None and part.start == self._esp.start:
                    self.devices[name] = 'esp'
                    self.boot_device = name
                elif part.start == 0 or any(
                        tree.shift * 2048 == part.start
                        for tree in image.trees):
                    self.devices[name] = 'iso'
                else:
                    continue
                parts.append(name)
        if esp_files is not None and 'esp' in self.devices.values():
            self._files['esp'] = esp_files
        if embedded.memdisk is not None:
            self.devices['memdisk'] = 'memdisk'
            self._files['memdisk'] = file_systems.MemoryFiles(
                embedded.memdisk)
        self.order: tuple[str, ...] = (
            whole, *reversed(parts), *(('memdisk',) if embedded.memdisk
                                       is not None else ()))

    def _on(self, device: str) -> file_systems.Files | None:
        return self._files.get(self.devices.get(device, ''))

    def read(self, device: str, path: str) -> bytes | None:
        """Return a small file's content."""
        files = self._on(device)
        found = files.read(path) if files else None
        return found[1] if found else None

    def kind(self, device: str, path: str) -> str | None:
        """Return ``file``, ``dir`` or None."""
        files = self._on(device)
        return files.kind(path) if files else None

    def names(self, device: str, path: str) -> collections.abc.Sequence[str]:
        """Return the names in a directory."""
        files = self._on(device)
        return files.names(path) if files else []

    def label(self, device: str) -> str | None:
        """Return a label: Joliet's only where there is no Rock Ridge."""
        if self.devices.get(device) != 'iso':
            return None
        main = self._image.main
        if main.kind == 'joliet':
            return main.descriptors[0].volume_id
        return self._image.volume_id

    def uuid(self, device: str) -> str | None:
        """Return a UUID: the modification date, or FAT's serial number."""
        where = self.devices.get(device)
        if where == 'iso':
            # ECMA-119 8.4.27; the creation date stands in for none.
            for at in (830, 813):
                digits = self._image.volumes.primary.data[at:at + 16].decode(
                    'latin-1')
                if digits.isdigit() and int(digits):
                    pairs = [digits[:4], *(digits[n:n + 2] for n
                                           in range(4, 16, 2))]
                    return '-'.join(pairs)
        elif where == 'esp' and self._esp is not None:
            volume = self._esp.volume
            raw = volume.read(67 if volume.bits == 32 else 39, 4)
            return f'{raw[3]:02X}{raw[2]:02X}-{raw[1]:02X}{raw[0]:02X}'
        return None
