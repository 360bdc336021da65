# SPDX-License-Identifier: Apache-2.0

"""Config drives as files: what ``instance_info/configdrive`` holds, unpacked.

Read are gzipped base64 of an ISO 9660 or vfat image, a URL of either, and
the JSON form; the layout is the one of OpenStack (nova's "Config drive").
Building an image of the files is left out: they go into another image.
"""

import base64
import binascii
import collections.abc
import json
import logging
import typing
import zlib

from ironic_ext import iso
from ironic_ext.iso.fat import volume as fat
from ironic_ext.iso import source as iso_source
from ironic_ext.node import boot_files
from ironic_ext.node import errors
from ironic_ext import stored

LOG = logging.getLogger(__name__)

#: Directories of a config drive that mean something to its readers.
TOP_LEVEL = ('openstack', 'ec2')
#: Versions that openstacksdk writes, too.
_VERSIONS = ('2012-08-10', 'latest')
_JSON_KEYS = ('meta_data', 'network_data', 'user_data', 'vendor_data')
_GZIP_MAGIC = b'\x1f\x8b'
_FAT_MAGIC = (510, b'\x55\xaa')
# Bytes that are unpacked at once: what follows a member is copied.
_PIECE = 64 << 10
_UNPACKED = 1 << 20
# One, as a rule; tools that compress in parallel write one for 64 KiB.
_MAX_MEMBERS = 4096
# A config drive is a handful of small files.
_MAX_FILES = 1000
_MAX_DEPTH = 16


def files(configdrive: object, *, node_uuid: str, node_name: str | None,
          shelf: boot_files.Shelf, limit: int) -> dict[str, stored.Content]:
    """Return the files of a config drive: absolute path -> content.

    :param configdrive: the value in ``instance_info``; nothing gives {}.
    :param node_uuid: default of ``uuid`` in the JSON form's meta data.
    :param node_name: default of ``name`` there.
    :param shelf: downloads a URL, and keeps what is unpacked.
    :param limit: bytes of the unpacked image, and of all files.
    :raises: PlanError
    """
    if not configdrive:
        return {}
    if isinstance(configdrive, collections.abc.Mapping):
        found: dict[str, stored.Content] = dict(
            from_json(configdrive, node_uuid, node_name))
    elif isinstance(configdrive, str):
        if '://' in configdrive[:16]:
            # Base64 makes four bytes of three; compression only shrinks.
            data = _unwrapped(shelf.read(configdrive, limit // 3 * 4 + 4096),
                              limit, shelf)
        else:
            data = _gunzipped(shelf.keep(_from_base64(configdrive.encode())),
                              limit, shelf)
        found = from_image(data, shelf)
    else:
        raise _refused('is neither text nor a JSON object')
    total = sum(map(len, found.values()))
    if total > limit:
        raise _refused(f'holds {total} bytes, more than the limit of {limit}')
    return found


def from_json(configdrive: collections.abc.Mapping[str, typing.Any],
              node_uuid: str, node_name: str | None) -> dict[str, bytes]:
    """Build the files of the JSON form, as openstacksdk does.

    :raises: PlanError
    """
    for key in configdrive:
        if key not in _JSON_KEYS:
            raise _refused(f'has the unknown key "{key}": it takes '
                           f'{", ".join(_JSON_KEYS)}')
    for key in ('meta_data', 'network_data', 'vendor_data'):
        value = configdrive.get(key)
        if value is not None and not isinstance(
                value, collections.abc.Mapping):
            raise _refused(f'has a {key} that is not a JSON object')
    meta_data = {'uuid': node_uuid}
    if node_name:
        meta_data['name'] = node_name
    meta_data.update(configdrive.get('meta_data') or {})
    content = {'meta_data.json': json.dumps(meta_data).encode()}
    if network_data := configdrive.get('network_data'):
        content['network_data.json'] = json.dumps(network_data).encode()
    if vendor_data := configdrive.get('vendor_data'):
        content['vendor_data2.json'] = json.dumps(vendor_data).encode()
    user_data = configdrive.get('user_data')
    if isinstance(user_data, (dict, list)):
        content['user_data'] = json.dumps(user_data).encode()
    elif isinstance(user_data, str) and user_data:
        try:
            content['user_data'] = user_data.encode()
        except UnicodeEncodeError as exc:
            raise _refused('has a user_data that is not valid Unicode '
                           'text') from exc
    elif user_data:
        raise _refused('has a user_data that is neither text nor JSON')
    return {f'/openstack/{version}/{name}': data
            for version in _VERSIONS for name, data in content.items()}


def from_image(data: stored.Content, shelf: boot_files.Shelf
               ) -> dict[str, stored.Content]:
    """Read the files out of an ISO 9660 or vfat image.

    :raises: PlanError
    """
    try:
        if _has(data, *iso.MAGIC):
            found = _from_iso(data, shelf)
        elif _has(data, *_FAT_MAGIC):
            found = _from_vfat(data, shelf)
        else:
            raise _refused('is neither an ISO 9660 nor a vfat image')
    except iso.IsoError as exc:
        raise _refused(f'cannot be read: {exc}') from exc
    kept = {path: content for path, content in found.items()
            if path.split('/')[1].lower() in TOP_LEVEL}
    if not kept:
        raise _refused(f'has none of the directories '
                       f'{", ".join(TOP_LEVEL)}')
    if len(kept) < len(found):
        LOG.warning('Of the config drive, files outside of the directories '
                    '%s are left out: %s', ', '.join(TOP_LEVEL),
                    ', '.join(sorted(found.keys() - kept.keys())[:5]))
    return kept


def _unwrapped(data: stored.Content, limit: int, shelf: boot_files.Shelf
               ) -> stored.Content:
    """Undo what a downloaded config drive may be wrapped in."""
    if _has(data, 0, _GZIP_MAGIC):
        return _gunzipped(data, limit, shelf)
    if _has(data, *iso.MAGIC) or _has(data, *_FAT_MAGIC):
        return data
    return _gunzipped(shelf.keep(_from_base64(data)), limit, shelf)


def _from_base64(text: stored.Content) -> collections.abc.Iterator[bytes]:
    """Decode, little at a time."""
    rest = b''
    try:
        for piece in stored.pieces(text):
            rest += b''.join(piece.split())
            # Padding can only be at the end.
            whole = (len(rest) - 4) // 4 * 4
            if whole > 0:
                if b'=' in rest[:whole]:
                    raise ValueError('padding')
                yield base64.b64decode(rest[:whole], validate=True)
                rest = rest[whole:]
        yield base64.b64decode(rest, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _refused('is not base64: give gzipped base64 of an image, '
                       'a URL or JSON') from exc


def _gunzipped(data: stored.Content, limit: int, shelf: boot_files.Shelf
               ) -> stored.Content:
    if not _has(data, 0, _GZIP_MAGIC):
        raise _refused('is not compressed with gzip')
    return shelf.keep(_unpacked(data, limit))


def _unpacked(data: stored.Content, limit: int
              ) -> collections.abc.Iterator[bytes]:
    """Unpack, one byte past the limit at most (a bomb stays small)."""
    total = position = members = 0
    try:
        # A gzip file can have several members; padding ends it.
        while (position := _past_padding(data, position)) < len(data):
            members += 1
            if members > _MAX_MEMBERS:
                raise _refused(f'has more than {_MAX_MEMBERS} gzip members')
            # 16: gzip header and trailer (zlib's manual).
            unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            while not unpacker.eof:
                packed = unpacker.unconsumed_tail or data[
                    position:position + _PIECE]
                if not packed:
                    raise _refused('is cut off: its gzip data ends too early')
                if not unpacker.unconsumed_tail:
                    position += len(packed)
                unpacked = unpacker.decompress(
                    packed, min(_UNPACKED, limit + 1 - total))
                total += len(unpacked)
                if total > limit:
                    raise _refused(f'is larger than the limit of {limit} '
                                   'bytes when unpacked')
                yield unpacked
            position -= len(unpacker.unused_data)
    except zlib.error as exc:
        raise _refused(f'does not unpack: {exc}') from exc


def _past_padding(data: stored.Content, position: int) -> int:
    """Return where the next byte is that is not zero, or the end."""
    while piece := data[position:position + _PIECE]:
        if rest := piece.lstrip(b'\0'):
            return position + len(piece) - len(rest)
        position += len(piece)
    return position


def _has(data: stored.Content, offset: int, magic: bytes) -> bool:
    return data[offset:offset + len(magic)] == magic


def _from_iso(data: stored.Content, shelf: boot_files.Shelf
              ) -> dict[str, stored.Content]:
    image = iso.IsoImage(iso_source.ContentSource(data, 'its image'))
    return _walked(
        image, len(data), lambda entry: bool(entry.link_target),
        lambda entry: shelf.keep(
            image.read_entry(entry, start, _UNPACKED)
            for start in range(0, entry.size, _UNPACKED)))


def _from_vfat(data: stored.Content, shelf: boot_files.Shelf
               ) -> dict[str, stored.Content]:
    def read(offset: int, length: int) -> bytes:
        return data[offset:offset + length]

    volume = fat.FatVolume(read, len(data))
    return _walked(
        volume, len(data), lambda entry: False,
        lambda entry: shelf.keep(
            read(start, min(_UNPACKED, offset + length - start))
            for offset, length in volume.extents(entry)
            for start in range(offset, offset + length, _UNPACKED)))


def _walked(volume: typing.Any, size: int,
            is_link: collections.abc.Callable[[typing.Any], bool],
            kept: collections.abc.Callable[[typing.Any], stored.Content]
            ) -> dict[str, stored.Content]:
    """Keep every file of a volume of ``size`` bytes."""
    found: dict[str, stored.Content] = {}
    folders = [('', 0)]
    while folders:
        folder, depth = folders.pop()
        for entry in volume.listdir(folder or '/'):
            path = f'{folder}/{entry.name}'
            if is_link(entry):
                raise _refused(f'has a symbolic link, {path}')
            if not entry.is_dir:
                # Names that share their content could multiply it.
                size -= entry.size
                if size < 0:
                    raise _refused('claims more bytes of files than its '
                                   'image has')
                found[path] = kept(entry)
            elif depth < _MAX_DEPTH:
                folders.append((path, depth + 1))
            else:
                raise _refused(f'has more than {_MAX_DEPTH} nested '
                               'directories')
            if len(found) > _MAX_FILES:
                raise _refused(f'has more than {_MAX_FILES} files')
    return found


def _refused(what: str) -> errors.PlanError:
    return errors.PlanError(f'the config drive {what}')
