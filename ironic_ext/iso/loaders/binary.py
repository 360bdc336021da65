# SPDX-License-Identifier: Apache-2.0

"""Which loader a boot image is, told by its content, and what it contains."""

import collections
import threading
import typing

from ironic_ext.iso import errors
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders.grub import image as grub_image
from ironic_ext.iso.loaders import pe

#: Bytes of a boot image in which its maker's name is looked for.
_SIGNATURE_BYTES = 16 << 20
_CHUNK = 1 << 20
_SIGNATURES = (
    # These name other loaders, which they start.
    (b'r\0E\0F\0I\0n\0d\0', 'rEFInd'), (b'Limine', 'Limine'),
    (b'ISOLINUX ', 'ISOLINUX'),
    (b'#### LoaderInfo: systemd-boot', 'systemd-boot'),
    (b'UEFI SHIM', 'shim'), (b'iPXE', 'iPXE'),
    (b'Memtest86+', 'Memtest86+'), (b'GRUB', 'GRUB'),
    (b'SYSLINUX', 'SYSLINUX'),
    # GRUB's El Torito image is compressed but for cdboot.img's messages.
    (b'cdrom read fails', 'GRUB'))
_GENERATIONS = {b'shim': 'shim', b'ipxe': 'iPXE'}
_MAX_KEPT = 64


class Binary(typing.NamedTuple):
    """What a boot image says of itself.

    :ivar name: of its maker, or ``unknown``.
    :ivar machine: of an EFI executable: ``x64``, ...
    :ivar signed: whether it carries a signature, None for no executable.
    :ivar embedded: what is built into GRUB, None if that is not found.
    """

    name: str
    machine: str = ''
    signed: bool | None = None
    embedded: grub_image.Embedded | None = None


def of_bios(content: file_systems.Content, key: object) -> Binary:
    """Return what an El Torito boot image is.

    :param key: tells the image and its place from others; None for one
        that may change unnoticed.
    """
    return _kept(key, lambda: _of_bios(content))


def of_efi(files: file_systems.Files, path: str, key: object) -> Binary:
    """Return what an EFI executable is; see :func:`of_bios`."""
    # To find a file's clusters alone costs more than all the rest.
    return _kept(key, lambda: _of_efi(files.content(path)))


# The base stays as it is while it is customised for many nodes, and such
# images have megabytes.
_known: 'collections.OrderedDict[object, Binary]' = collections.OrderedDict()
_lock = threading.Lock()


def _kept(key: object, make: 'collections.abc.Callable[[], Binary]'
          ) -> Binary:
    with _lock:
        found = _known.get(key) if key is not None else None
    if found is None:
        found = make()
        if key is not None:
            with _lock:
                _known[key] = found
                while len(_known) > _MAX_KEPT:
                    _known.popitem(last=False)
    return found


def _of_bios(content: file_systems.Content) -> Binary:
    name = _name(content, 128 * 1024)
    embedded = None
    if name == 'GRUB':
        embedded = grub_image.of_bios(content.read, content.size)
    return Binary(name, embedded=embedded)


def _of_efi(content: file_systems.Content | None) -> Binary:
    executable = pe.parse(content.read) if content else None
    if content is None or executable is None:
        return Binary('unknown')
    if '.linux' in executable.sections:
        return Binary('unified kernel', executable.machine,
                      executable.signed)
    embedded = None
    if 'mods' in executable.sections:
        try:
            embedded = grub_image.of_efi(content.read, executable)
        except errors.IsoError:
            pass
    return Binary('GRUB' if 'mods' in executable.sections
                  else _generation(content, executable)
                  or _name(content, _SIGNATURE_BYTES),
                  executable.machine, executable.signed, embedded)


def _generation(content: file_systems.Content, executable: pe.Executable
                ) -> str:
    """Return a maker by the section in which shim wants one named.

    Its second line is the program's own (shim, SBAT.md); the others are of
    who built it.
    """
    offset, size = executable.sections.get('.sbat', (0, 0))
    lines = content.read(offset, min(size, 512)).split(b'\n')
    return _GENERATIONS.get(lines[1].partition(b',')[0], '') if len(
        lines) > 1 else ''


def _name(content: file_systems.Content, limit: int) -> str:
    """Look for a maker's name; the first of the list that is there."""
    found: set[str] = set()
    tail = b''
    for offset in range(0, min(content.size, limit), _CHUNK):
        data = tail + content.read(
            offset, min(_CHUNK, limit - offset, content.size - offset))
        found.update(name for mark, name in _SIGNATURES if mark in data)
        tail = data[-64:]
    return next((name for _, name in _SIGNATURES if name in found),
                'unknown')
