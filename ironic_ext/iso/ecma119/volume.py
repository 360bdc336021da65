# SPDX-License-Identifier: Apache-2.0

"""Volume descriptors: where an image's directory trees begin.

ECMA-119 section 8, the Joliet escape sequences (Joliet Specification,
"SVD Identification"), the El Torito boot record (section 2.0) and the
recognition of a UDF bridge (ECMA-167 2/8.3). Volume partition descriptors
are passed over.
"""

import functools
import struct
import typing

from ironic_ext.iso import errors
from ironic_ext.iso import source as base_source

SECTOR = base_source.SECTOR
#: First sector of the volume descriptor set (ECMA-119 section 8.1.1).
FIRST = 16
#: Byte offset in an image, and content, of the standard identifier
#: (ECMA-119 section 8.1.2) of its first descriptor.
MAGIC = (FIRST * SECTOR + 1, b'CD001')
_MAX_DESCRIPTORS = 64
_JOLIET_ESCAPES = (b'%/@', b'%/C', b'%/E')
_UDF_SEQUENCE = (b'BEA01', b'BOOT2', b'CDW02', b'TEA01')


class Descriptor(typing.NamedTuple):
    """A primary, supplementary (Joliet) or enhanced volume descriptor.

    :ivar kind: ``primary``, ``joliet`` or ``enhanced``.
    :ivar sector: absolute sector of the descriptor in the image.
    :ivar shift: sectors to add to an address in this tree to get an
        absolute one; not 0 in the second tree of an image made with a
        partition offset.
    :ivar data: its 2048 bytes.
    """

    kind: str
    sector: int
    shift: int
    data: bytes

    @property
    def volume_id(self) -> str:
        """The volume identifier, without its padding."""
        raw = self.data[40:72]
        if self.kind == 'joliet':
            return raw.decode('utf-16-be', 'replace').rstrip(' \0')
        return raw.decode('utf-8', 'replace').rstrip(' \0')

    @property
    def publisher_id(self) -> str:
        """The publisher identifier, without its padding."""
        return self.data[318:446].decode('utf-8', 'replace').rstrip(' \0')

    @property
    def application_id(self) -> str:
        """The application identifier, without its padding."""
        return self.data[574:702].decode('utf-8', 'replace').rstrip(' \0')

    @property
    def sectors(self) -> int:
        """The volume space size in sectors."""
        return int.from_bytes(self.data[80:84], 'little')

    @property
    def root(self) -> tuple[int, int]:
        """Address (sectors, in this tree) and bytes of the root."""
        return (int.from_bytes(self.data[158:162], 'little'),
                int.from_bytes(self.data[166:170], 'little'))

    @property
    def path_table_bytes(self) -> int:
        """Bytes in each path table."""
        return int.from_bytes(self.data[132:136], 'little')

    @property
    def path_tables(self) -> tuple[int, int, int, int]:
        """Addresses of the L, optional L, M and optional M path tables."""
        return (*struct.unpack_from('<II', self.data, 140),
                *struct.unpack_from('>II', self.data, 148))


class DescriptorSet(typing.NamedTuple):
    """What one sequence of descriptors says.

    :ivar descriptors: the primary one comes first.
    :ivar boot_catalog: absolute sector of the El Torito boot catalog.
    :ivar udf: whether a UDF file system names the same files.
    """

    descriptors: tuple[Descriptor, ...]
    boot_catalog: int | None
    udf: bool

    @property
    def primary(self) -> Descriptor:
        """The primary volume descriptor."""
        return self.descriptors[0]

    @property
    def label(self) -> str:
        """What udev calls the file system (util-linux 2.38, iso9660.c).

        Joliet's identifier, which has room for 16 characters; what the
        primary one has more, where that begins alike but for case and for
        characters that it cannot have.
        """
        first = self.primary.volume_id
        joliet = next((one.volume_id for one in self.descriptors
                       if one.kind == 'joliet'), None)
        if joliet is None:
            return first
        same = len(joliet) == 16 and len(first) > 16 and all(
            mine in ('_', its) for mine, its
            in zip(first.upper(), joliet.upper()))
        return joliet + first[16:] if same else joliet


def read(source: base_source.Source, shift: int = 0) -> DescriptorSet:
    """Read the descriptor set that begins 16 sectors after ``shift``.

    :raises: NotAnIsoError when there is no primary descriptor,
        CorruptImageError when the set never ends.
    """
    descriptors: list[Descriptor] = []
    catalog = None
    udf = terminated = False
    for number in range(_MAX_DESCRIPTORS):
        sector = shift + FIRST + number
        if (sector + 1) * SECTOR > source.size:
            break
        data = source.read(sector * SECTOR, SECTOR, 'a volume descriptor')
        identifier = data[1:6]
        if identifier in (b'NSR02', b'NSR03'):
            udf = True
        elif identifier in _UDF_SEQUENCE:
            pass
        elif identifier != MAGIC[1] or terminated:
            break
        elif data[0] == 255:
            # Descriptors of a UDF bridge follow the terminator.
            terminated = True
        elif data[0] == 0 and data[7:30] == b'EL TORITO SPECIFICATION':
            catalog = shift + int.from_bytes(data[71:75], 'little')
        elif data[0] == 1 and not descriptors:
            descriptors.append(Descriptor('primary', sector, shift, data))
        elif data[0] == 2 and data[88:91] in _JOLIET_ESCAPES:
            descriptors.append(Descriptor('joliet', sector, shift, data))
        elif data[0] == 2 and data[6] == 2:
            descriptors.append(Descriptor('enhanced', sector, shift, data))
    else:
        raise errors.CorruptImageError(
            f'{source.path}: more than {_MAX_DESCRIPTORS} volume '
            f'descriptors without an end')
    if not descriptors or descriptors[0].kind != 'primary':
        if udf:
            raise errors.NotAnIsoError(
                f'{source.path} has only a UDF file system: ISO 9660 is '
                f'needed to read and change it')
        raise errors.NotAnIsoError(
            f'{source.path} is not an ISO 9660 image: no primary volume '
            f'descriptor at byte {(shift + FIRST) * SECTOR}')
    if descriptors[0].data[128:130] != b'\0\x08':
        raise errors.NotAnIsoError(
            f'{source.path} has logical blocks of '
            f'{int.from_bytes(descriptors[0].data[128:130], "little")} '
            f'bytes; only 2048 are supported')
    return DescriptorSet(tuple(descriptors), catalog, udf)


# A plan has few numbers, and each in several places.
@functools.lru_cache(maxsize=256)
def both32(value: int) -> bytes:
    """Return a 32-bit number in both byte orders (ECMA-119 7.3.3)."""
    raw = value.to_bytes(4, 'little')
    return raw + raw[::-1]
