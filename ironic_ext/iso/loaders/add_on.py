# SPDX-License-Identifier: Apache-2.0

"""Add-ons: what systemd's stub reads beside a unified kernel image.

An add-on is an EFI executable of which nothing is run: its sections are
taken behind those of the image. Sources: UAPI.5, Unified Kernel Image;
systemd 257, src/boot/stub.c; Microsoft, "PE Format".
"""

import struct
import typing

from ironic_ext.iso.loaders import boot_entry
from ironic_ext.iso.loaders import files as file_systems
from ironic_ext.iso.loaders import pe

#: The versions of systemd whose stubs take arguments and initrds so; that
#: for initrds is the one that was tried.
ARGUMENTS, INITRDS = 254, 257
#: Ours comes last: the stub reads them by name.
NAME = 'zz-ironic-ext.addon.efi'
_SUFFIX = '.addon.efi'
_SHARED = '/loader/addons'
_MAX_FILES = 64
_MAX_LINE = 16384
# What a program does that is started and leaves at once.
_CODE = {'x64': bytes.fromhex('31c0c3'),
         'aa64': bytes.fromhex('000080d2c0035fd6'),
         'riscv64': bytes.fromhex('01458280')}
_MACHINES = {name: number for number, name in pe.MACHINES.items()}
_FILE_ALIGNMENT, _PAGE = 512, 4096
_TEXT, _DATA = 0x60000020, 0x40000040
_EFI_APPLICATION = 10


class AddOn(typing.NamedTuple):
    """One that an image has.

    :ivar sections: name -> (offset, bytes) in the file.
    """

    content: file_systems.Content
    sections: dict[str, tuple[int, int]]

    @property
    def line(self) -> str:
        """The kernel arguments in it."""
        offset, size = self.sections.get('.cmdline', (0, 0))
        return self.content.read(offset, min(size, _MAX_LINE)).decode(
            'utf-8', 'surrogateescape').strip('\0\n ')

    @property
    def initrd(self) -> bytes:
        """The archive in it."""
        return self.content.read(*self.sections.get('.initrd', (0, 0)))


def directory(path: str) -> str:
    """Return where the stub of an image looks for its own add-ons."""
    return f'{path}.extra.d'


def beside(files: file_systems.Files, path: str, machine: str
           ) -> list[AddOn]:
    """Return the add-ons of an image, in the order in which they count.

    :param path: of the image.
    """
    found = []
    for folder in (_SHARED, directory(path)):
        for name in sorted(files.names(folder))[:_MAX_FILES]:
            if name.lower().endswith(_SUFFIX):
                one = at(files, f'{folder}/{name}', machine)
                if one is not None:
                    found.append(one)
    return found


def at(files: file_systems.Files, path: str, machine: str) -> AddOn | None:
    """Return the add-on at a path, None if there is none for a machine."""
    content = files.content(path)
    executable = pe.parse(content.read) if content else None
    if (content is None or executable is None
            or executable.machine != machine):
        return None
    return AddOn(content, executable.sections)


def why_none(start: boot_entry.Start, version: int) -> str:
    """Return why no add-on is put beside an image, '' if one is.

    :param version: of systemd, which the stub has to have.
    """
    if not start.stub:
        return ', of whose stub nothing is known'
    if int(start.stub.partition('.')[0]) < version:
        return (f', whose stub (systemd {start.stub}) reads nothing from '
                f'beside it: that takes systemd {version}')
    if start.machine not in _CODE:
        return f', and for machines such as {start.machine} no add-on is made'
    if start.signed:
        return (', which is signed: with Secure Boot its stub takes signed '
                'add-ons alone; sign one, and add it with --esp-file')
    return ''


def make(machine: str, line: str, initrd: bytes) -> bytes:
    """Return an add-on.

    :param line: kernel arguments, '' for none.
    :param initrd: a cpio archive, b'' for none.
    """
    sections = [(b'.text', _CODE[machine], _TEXT)]
    if line:
        sections.append((b'.cmdline', line.encode(
            'utf-8', 'surrogateescape'), _DATA))
    if initrd:
        sections.append((b'.initrd', initrd, _DATA))
    headers = _aligned(64 + 24 + 240 + 40 * len(sections), _FILE_ALIGNMENT)
    table, body = [], []
    offset, address = headers, _PAGE
    for name, data, flags in sections:
        size = _aligned(len(data), _FILE_ALIGNMENT)
        table.append(struct.pack('<8sIIIIIIHHI', name, len(data), address,
                                 size, offset, 0, 0, 0, 0, flags))
        body.append(data.ljust(size, b'\0'))
        offset += size
        address += _aligned(len(data), _PAGE)
    # Executable, for large addresses; it may be loaded at any place.
    coff = struct.pack('<4sHHIIIHH', b'PE\0\0', _MACHINES[machine],
                       len(sections), 0, 0, 0, 240, 0x22)
    # PE32+: no DLLs, no stacks, 16 empty directories.
    optional = struct.pack(
        '<HBBIIIIIQIIHHHHHHIIIIHHQQQQII', 0x20b, 0, 0, _FILE_ALIGNMENT,
        offset - headers - _FILE_ALIGNMENT, 0, _PAGE, _PAGE, 0, _PAGE,
        _FILE_ALIGNMENT, 0, 0, 0, 0, 0, 0, 0, address, headers, 0,
        _EFI_APPLICATION, 0x100, 0, 0, 0, 0, 0, 16) + bytes(16 * 8)
    dos = b'MZ'.ljust(60, b'\0') + struct.pack('<I', 64)
    return b''.join([(dos + coff + optional + b''.join(table)).ljust(
        headers, b'\0'), *body])


def _aligned(size: int, unit: int) -> int:
    return -(-size // unit) * unit
