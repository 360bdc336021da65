# SPDX-License-Identifier: Apache-2.0

"""EFI executables: machine, sections, whether they are signed.

Microsoft, "PE Format". Nothing is loaded or verified.
"""

import collections.abc
import struct
import typing

#: Reads (offset, length) of a file; less at its end.
Read = collections.abc.Callable[[int, int], bytes]

MACHINES = {0x8664: 'x64', 0x14c: 'ia32', 0xaa64: 'aa64', 0x1c2: 'arm',
            0x5064: 'riscv64', 0x6264: 'loongarch64'}
_MAX_SECTIONS = 96
_HEADER = 4096
#: Bytes of the headers before the table of sections, and more.
_FIXED = 256
#: Where the headers may begin at the latest: before them is a program of DOS.
_FARTHEST = 1 << 20


class Executable(typing.NamedTuple):
    """What the headers say.

    :ivar machine: as in the names of default loaders: ``x64``...
    :ivar sections: name -> (offset, bytes) in the file.
    """

    machine: str
    sections: dict[str, tuple[int, int]]
    signed: bool

    @property
    def wide(self) -> bool:
        """Whether its words have 64 bits."""
        return self.machine not in ('ia32', 'arm')


def parse(read: Read) -> Executable | None:
    """Return what a file's headers say; None if it is no executable."""
    head = read(0, _HEADER)
    if len(head) < 64 or head[:2] != b'MZ':
        return None
    start = int.from_bytes(head[60:64], 'little')
    if start >= _FARTHEST:
        return None
    if start + _FIXED > _HEADER:
        head = head[:start].ljust(start, b'\0') + read(start, _HEADER)
    if head[start:start + 4] != b'PE\0\0' or len(head) < start + 24:
        return None
    machine, count = struct.unpack_from('<HH', head, start + 4)
    optional = int.from_bytes(head[start + 20:start + 22], 'little')
    table = start + 24 + optional
    if count > _MAX_SECTIONS:
        return None
    if table + 40 * count > len(head):
        head = head + read(len(head), table + 40 * count - len(head))
    sections: dict[str, tuple[int, int]] = {}
    for at in range(table, table + 40 * count, 40):
        if at + 40 > len(head):
            break
        name, virtual, _, raw, offset = struct.unpack_from(
            '<8sIIII', head, at)
        size = min(virtual, raw) if virtual else raw
        sections.setdefault(name.rstrip(b'\0').decode('latin-1'),
                            (offset, size))
    wide = head[start + 24:start + 26] == b'\x0b\x02'
    security = start + 24 + (112 if wide else 96) + 4 * 8
    signed = (security + 8 <= table
              and any(head[security + 4:security + 8]))
    return Executable(MACHINES.get(machine, hex(machine)), sections, signed)
