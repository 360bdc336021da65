# SPDX-License-Identifier: Apache-2.0

"""FAT on-disk structures: the parameter block and directory records.

Values in, values out; reference: Microsoft FAT specification, 2005, with
the choices of Linux and EDK2 where it is silent. No exFAT, no NTFS.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
import re
import struct
import typing

from ironic_ext.iso import errors

#: Literal bytes, or (offset, length) of the present volume, in bytes.
Piece = bytes | tuple[int, int]

SLOT = 32                   # bytes of a directory record
ATTR_VOLUME = 0x08
ATTR_DIRECTORY = 0x10
ATTR_ARCHIVE = 0x20
ATTR_LONG_NAME = 0x0f
DELETED = 0xe5

_RECORD = struct.Struct('<11sBBBHHHHHHHI')
# 1980-01-01, the first day of FAT: the same input gives the same bytes.
_EPOCH = 0x21
_LONG_CHARS = ((1, 11), (14, 26), (28, 32))
_ILLEGAL = re.compile(r'[\x00-\x1f"*/:<>?\\|\x7f]')
_SHORT = r"[A-Z0-9!#$%&'()@^_`{}~-]"
_SHORT_NAME = re.compile(r'(%s{1,8})(?:\.(%s{1,3}))?' % (_SHORT, _SHORT))
_NOT_SHORT = re.compile(r"[^A-Z0-9!#$%&'()@^_`{}~-]")


class Geometry(typing.NamedTuple):
    """What the parameter block says; in bytes unless noted."""

    bits: int               # of a table entry: 12, 16 or 32
    sector: int
    cluster: int
    reserved: int
    fats: int               # number of tables
    active_fat: int         # the table to read
    fat: int
    root_entries: int       # 0 on FAT32
    root_cluster: int       # 0 on FAT12 and FAT16
    total: int
    clusters: int           # their number; the first one is 2
    info: int               # offset of FSInfo, or 0
    backup: int             # offset of the spare boot sector, or 0

    @property
    def root(self) -> int:
        """Offset of the fixed root directory."""
        return self.reserved + self.fats * self.fat

    @property
    def data(self) -> int:
        """Offset of cluster 2."""
        return self.root + _round_up(self.root_entries * SLOT, self.sector)

    @property
    def end_mark(self) -> int:
        """Table values from this one on end a chain."""
        return (1 << min(self.bits, 28)) - 8

    def offset(self, cluster: int) -> int:
        """Byte offset of a cluster."""
        return self.data + (cluster - 2) * self.cluster


class FatEntry(typing.NamedTuple):
    """A file or directory.

    ``size`` in bytes; ``cluster`` is the first one (0: none, or the root);
    ``slot`` the volume's byte offset of the short directory record.
    """

    name: str
    path: str
    is_dir: bool
    size: int
    cluster: int
    slot: int
    short_name: bytes


def parse_geometry(boot: bytes) -> Geometry:
    """Read the first 512 bytes of a volume.

    :raises CorruptImageError: when they are not a FAT boot sector.
    """
    (sector, per_cluster, reserved, fats, root_entries, total16, media,
     fat16) = struct.unpack_from('<HBHBHHBH', boot, 11)
    total32, fat32, flags = struct.unpack_from('<IIH', boot, 32)
    root_cluster, info, backup = struct.unpack_from('<IHH', boot, 44)
    total = (total16 or total32) * sector
    fat = (fat16 or fat32) * sector
    is_32 = not fat16
    if sector not in (512, 1024, 2048, 4096) \
            or per_cluster & per_cluster - 1 or not per_cluster \
            or not reserved or not fats or not fat \
            or media != 0xf0 and media < 0xf8 \
            or is_32 and root_entries or not is_32 and not root_entries:
        raise errors.CorruptImageError(
            'the volume is not FAT: its boot sector has no valid parameter '
            'block')
    active = flags & 15 if is_32 and flags & 0x80 else 0
    geo = Geometry(
        32, sector, per_cluster * sector, reserved * sector, fats,
        active if active < fats else 0, fat, root_entries,
        root_cluster if is_32 else 0, total, 0,
        info * sector if is_32 and 0 < info < reserved else 0,
        backup * sector if is_32 and 0 < backup < reserved else 0)
    count = (total - geo.data) // geo.cluster
    if count < 1:
        raise errors.CorruptImageError(
            'the FAT volume has no room for data: %d sectors'
            % (total // sector))
    # The number of clusters decides between FAT12 and FAT16; FAT32 shows
    # in the empty 16-bit table size, as small volumes are formatted so too.
    bits = 32 if is_32 else 12 if count < 4085 else 16
    limit = {12: 4084, 16: 65524, 32: 0x0ffffff5}[bits]
    if count > limit:
        raise errors.CorruptImageError(
            'the FAT%d volume has %d clusters, more than its table can '
            'address' % (bits, count))
    return geo._replace(
        bits=bits, clusters=max(0, min(count, fat * 8 // bits - 2)))


def resized_boot_sector(boot: bytes, geo: Geometry) -> bytes:
    """Return a boot sector with the total and table size of ``geo``."""
    new = bytearray(boot)
    total = geo.total // geo.sector
    small = bool(struct.unpack_from('<H', boot, 19)[0]) and total < 0x10000
    struct.pack_into('<H', new, 19, total if small else 0)
    struct.pack_into('<I', new, 32, 0 if small else total)
    fat = geo.fat // geo.sector
    if geo.bits == 32:
        struct.pack_into('<I', new, 36, fat)
    else:
        struct.pack_into('<H', new, 22, fat)
    return bytes(new)


def entries(slots: Iterable[tuple[int, bytes]], path: str,
            bits: int) -> Iterator[FatEntry]:
    """Decode the records of the directory ``path``, given with offsets."""
    parts: list[bytes] = []
    expected, checksum = -1, 0
    for offset, record in slots:
        attributes = record[11]
        if record[0] != DELETED and attributes & 0x3f == ATTR_LONG_NAME:
            if record[0] & 0x40:
                parts, checksum = [], record[13]
                expected = record[0] & 0x1f
            if record[0] & 0x1f == expected > 0 and record[13] == checksum:
                parts.insert(0, b''.join(record[a:b] for a, b in _LONG_CHARS))
                expected -= 1
            else:
                expected = -1
            continue
        short = record[:11]
        if record[0] != DELETED and not attributes & ATTR_VOLUME \
                and record[0] != 0x2e:
            name = ''
            if expected == 0 and checksum == short_checksum(short):
                name = b''.join(parts).decode('utf-16-le', 'replace')
                name = name.split('\0', 1)[0]
            if not name or '/' in name or name in ('.', '..'):
                name = _short_text(short, record[12])
            low, = struct.unpack_from('<H', record, 26)
            high, = struct.unpack_from('<H', record, 20)
            yield FatEntry(
                name, path.rstrip('/') + '/' + name,
                bool(attributes & ATTR_DIRECTORY),
                struct.unpack_from('<I', record, 28)[0],
                low | (high << 16 if bits == 32 else 0), offset, short)
        expected = -1


def by_name(items: Iterable[FatEntry]) -> dict[str, FatEntry]:
    """Return entries by their long and short names, in upper case.

    Of several with one name the first is the one.
    """
    found: dict[str, FatEntry] = {}
    for entry in items:
        found.setdefault(entry.name.upper(), entry)
        found.setdefault(_short_text(entry.short_name, 0), entry)
    return found


def check_name(name: str, path: str) -> None:
    """Refuse what cannot be a name on FAT.

    :raises InjectionError: naming the path.
    """
    reason = ''
    if name in ('.', '..'):
        reason = 'has a component %s' % name
    elif _ILLEGAL.search(name):
        reason = 'has a character that FAT does not allow'
    elif name.endswith(('.', ' ')) or name.startswith(' '):
        reason = 'has a name that starts or ends with a blank or a dot'
    else:
        try:
            if len(name.encode('utf-16-le')) > 2 * 255:
                reason = 'has a name of more than 255 characters'
        except UnicodeEncodeError:
            reason = 'is not valid Unicode'
    if reason:
        raise errors.InjectionError('the path %r %s; rename the file'
                                    % (path, reason))


def records(name: str, taken: Collection[bytes], attributes: int,
            cluster: int, size: int) -> list[bytes]:
    """Return the records of a new entry: long name parts, then the short.

    :param taken: the short names of the directory.
    """
    match = _SHORT_NAME.fullmatch(name)
    if match:
        short = _pad(match.group(1), match.group(2) or '')
        if short not in taken:
            return [short_record(short, attributes, cluster, size)]
    short = _alias(name, taken)
    raw = name.encode('utf-16-le')
    if len(raw) % 26:
        raw += b'\0\0'
        raw += b'\xff' * (-len(raw) % 26)
    count = len(raw) // 26
    checksum = short_checksum(short)
    result = []
    for number in range(count, 0, -1):
        chars = raw[(number - 1) * 26:number * 26]
        result.append(bytes((number | (0x40 if number == count else 0),))
                      + chars[:10] + bytes((ATTR_LONG_NAME, 0, checksum))
                      + chars[10:22] + b'\0\0' + chars[22:])
    return result + [short_record(short, attributes, cluster, size)]


def short_record(short: bytes, attributes: int, cluster: int,
                 size: int) -> bytes:
    """Return one record; its dates are the first day of FAT."""
    return _RECORD.pack(short, attributes, 0, 0, 0, _EPOCH, _EPOCH,
                        cluster >> 16, 0, _EPOCH, cluster & 0xffff, size)


def short_checksum(short: bytes) -> int:
    """The checksum that ties long name parts to their short name."""
    value = 0
    for byte in short:
        value = ((value & 1) << 7) + (value >> 1) + byte & 0xff
    return value


def _alias(name: str, taken: Collection[bytes]) -> bytes:
    base, _dot, extension = name.upper().lstrip('.').rpartition('.')
    if not base:
        base, extension = extension, ''
    base, extension = (_NOT_SHORT.sub('_', re.sub('[ .]', '', part))
                       for part in (base, extension))
    for number in range(1, 1000000):
        tail = '~%d' % number
        short = _pad(base[:8 - len(tail)] + tail, extension[:3])
        if short not in taken:
            return short
    raise errors.InjectionError(
        'the FAT directory has no short name left for %r' % name)


def _pad(base: str, extension: str) -> bytes:
    return (base.ljust(8) + extension.ljust(3)).encode('ascii')


def _short_text(short: bytes, flags: int) -> str:
    if short[0] == 0x05:
        short = b'\xe5' + short[1:]
    text = short.decode('ascii' if short.isascii() else 'cp437')
    base, extension = text[:8].rstrip(' '), text[8:].rstrip(' ')
    # Windows NT's way to spare a long name: flags for lower case.
    base = base.lower() if flags & 0x08 else base
    extension = extension.lower() if flags & 0x10 else extension
    name = base + '.' + extension if extension else base
    return name.replace('/', '_') or '_'


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
