# SPDX-License-Identifier: Apache-2.0

"""The files of a memdisk: a tar archive or a FAT volume within GRUB.

grub-mkstandalone makes POSIX ustar archives, Debian FAT volumes; others
(squashfs) are not read.
"""

import collections.abc

from ironic_ext.iso import errors
from ironic_ext.iso.fat import volume as fat
from ironic_ext.iso.loaders import pe

_MAX_MEMBERS = 4096
#: Bytes of configurations that are kept of one memdisk.
_MAX_BYTES = 1 << 20
_CONFIGS = ('.cfg', '.conf', 'grubenv')


def files(read: pe.Read, size: int
          ) -> collections.abc.Mapping[str, bytes] | None:
    """Return path -> content; None when the format is not known.

    Only configurations have content, for nothing else is asked of it.
    """
    found = _tar(read, size)
    if found:
        return found
    try:
        return _fat(read, size)
    except errors.IsoError:
        return None


def _tar(read: pe.Read, size: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    position = total = 0
    while position + 512 <= size and len(found) < _MAX_MEMBERS:
        header = read(position, 512)
        digits = header[124:136].strip(b'\0 ')
        if header[257:262] != b'ustar' or digits.strip(b'01234567'):
            break
        name = header[:100].split(b'\0', 1)[0]
        above = header[345:500].split(b'\0', 1)[0]
        path = '/' + (above + b'/' + name if above else name).decode(
            'utf-8', 'surrogateescape').strip('/')
        length = int(digits or b'0', 8)
        if header[156:157] in (b'0', b'\0'):
            data = b''
            if path.endswith(_CONFIGS) and total + length <= _MAX_BYTES:
                data = read(position + 512, min(length, size))
                total += length
            found.setdefault(path, data)
        position += 512 + -(-length // 512) * 512
    return found


def _fat(read: pe.Read, size: int) -> dict[str, bytes]:
    volume = fat.FatVolume(read, size)
    found: dict[str, bytes] = {}
    total = 0
    for entry in volume.walk():
        if entry.is_dir or len(found) >= _MAX_MEMBERS:
            continue
        data = b''
        if (entry.path.lower().endswith(_CONFIGS)
                and total + entry.size <= _MAX_BYTES):
            data = volume.read_file(entry.path)
            total += entry.size
        found[entry.path] = data
    return found
