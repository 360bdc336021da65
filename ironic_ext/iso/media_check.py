# SPDX-License-Identifier: Apache-2.0

"""Checksums that an image carries of itself: isomd5sum, tagmedia, md5sum.txt.

The first two live in the application use field of the primary volume
descriptor (ECMA-119 8.4.32) and cover the whole image. Checking an image
is left to the tools that do it.
"""

from collections.abc import Mapping
import hashlib
import re
import typing

from ironic_ext.iso import errors
from ironic_ext import stored

#: Byte offset of the field in the descriptor, and its length (as in
#: isomd5sum's libimplantisomd5.h).
FIELD_OFFSET = 883
FIELD_SIZE = 512

ISOMD5SUM = 'isomd5sum'
TAGMEDIA = 'tagmedia'

_SECTOR = 2048
_HEAD_SECTORS = 17          # system area and primary volume descriptor
_FRAGMENT_SUMS = 60         # characters: libcheckisomd5 demands all of them
_ISOMD5SUM_START = b'ISO MD5SUM = '
_TAG = re.compile(r'([A-Za-z0-9_-]+)=([^;]*)')
_DIGEST = re.compile(r'(md5|sha(1|224|256|384|512))sum')
_SUM_LINE = re.compile(rb'[0-9a-fA-F]{32}(?= [ *])')


class MediaCheck(typing.NamedTuple):
    """What the descriptor says; ``kind`` is ISOMD5SUM or TAGMEDIA.

    ``fields`` maps the names to their text, as written.
    """

    kind: str
    fields: Mapping[str, str]


def read(pvd: bytes) -> MediaCheck | None:
    """Read a primary volume descriptor (2048 bytes)."""
    field = pvd[FIELD_OFFSET:FIELD_OFFSET + FIELD_SIZE]
    text = field.split(b'\0', 1)[0].decode('latin-1').strip()
    if field.startswith(_ISOMD5SUM_START):
        pairs = (part.split('=', 1) for part in text.split(';')
                 if '=' in part)
        return MediaCheck(ISOMD5SUM, {name.strip(): value.strip()
                                      for name, value in pairs})
    # tagmedia separates by semicolons, older versions by line feeds.
    tags = {match.group(1): match.group(2).strip() for match in map(
        _TAG.fullmatch, re.split('[;\n]', text)) if match}
    if any(_DIGEST.fullmatch(name) for name in tags):
        return MediaCheck(TAGMEDIA, tags)
    return None


def reimplanted(head: bytes, volume_sectors: int) -> bytes:
    """Return an isomd5sum field that holds for a changed image.

    It covers the first 17 sectors only, so it costs the same for any size
    and proves next to nothing: for who asks for it.

    :param head: sectors 0 to 16 of the changed image, 34816 bytes.
    :param volume_sectors: sectors of the volume, as that descriptor says.
    :returns: the 512 bytes of the field.
    :raises InjectionError: when the image has no isomd5sum checksum.
    """
    size = _HEAD_SECTORS * _SECTOR
    start = size - _SECTOR + FIELD_OFFSET
    if len(head) != size:
        raise ValueError('head has %d bytes, not %d' % (len(head), size))
    present = read(head[-_SECTOR:])
    if present is None or present.kind != ISOMD5SUM:
        raise errors.InjectionError(
            'a media check can be reimplanted for isomd5sum only, and the '
            'image has %s; use media_check "drop" or "keep"' % (
                present.kind if present else 'none'))
    digest = hashlib.md5(
        head[:start] + b' ' * FIELD_SIZE + head[start + FIELD_SIZE:],
        usedforsecurity=False).hexdigest()
    status = present.fields.get('RHLISOSTATUS', '0')
    text = (
        'ISO MD5SUM = %s;SKIPSECTORS = %d;RHLISOSTATUS=%s;FRAGMENT SUMS = %s;'
        'FRAGMENT COUNT = 0;THIS IS NOT THE SAME AS RUNNING MD5SUM ON THIS '
        'ISO!!' % (digest, volume_sectors - _HEAD_SECTORS,
                   '1' if status == '1' else '0', '0' * _FRAGMENT_SUMS))
    return text.encode('ascii').ljust(FIELD_SIZE)


def edit_md5sum_txt(data: bytes,
                    changed: Mapping[str, stored.Content | None]) -> bytes:
    """Update the lines of changed files in a list that md5sum wrote.

    :param changed: path in the image -> new content, or None to drop the
        line; other lines stay as they are.
    """
    sums = {_name(path.encode('utf-8', 'surrogateescape')): content
            for path, content in changed.items()}
    out: list[bytes] = []
    for line in data.splitlines(keepends=True):
        match = _SUM_LINE.match(line)
        name = _name(line[34:].rstrip(b'\r\n')) if match else b''
        if match and name in sums:
            content = sums[name]
            if content is None:
                continue
            digest = hashlib.md5(usedforsecurity=False)
            for piece in stored.pieces(content):
                digest.update(piece)
            line = digest.hexdigest().encode('ascii') + line[32:]
        out.append(line)
    return b''.join(out)


def _name(path: bytes) -> bytes:
    """Strip the ways to say that a path starts at the root."""
    return re.sub(rb'\A(\.?/)+', b'', path)
