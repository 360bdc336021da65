# SPDX-License-Identifier: Apache-2.0

"""Write and list cpio archives in "newc", which Linux unpacks as initrd.

Reference: Linux, Documentation/driver-api/early-userspace/
buffer-format.rst. Regular files and directories only; no compression.
"""

import binascii
from collections.abc import Mapping
import dataclasses
import stat
import types

from ironic_ext.iso import errors

_DIRECTORY = 0o040755
_PERMISSIONS = 0o644
_TRAILER = 'TRAILER!!!'
_MAX_SIZE = 0xffffffff      # bytes of a file: the field has 8 hex digits
_PATH_MAX = 4096            # bytes with the NUL, as the kernel has it
_BLOCK = 512
_HEADER = 110
_MAX_NAMES = 10_000


@dataclasses.dataclass(frozen=True)
class _Node:
    path: str
    mode: int
    data: bytes = b''


def archive(files: Mapping[str, bytes], mtime: int = 0,
            modes: Mapping[str, int] = types.MappingProxyType({})) -> bytes:
    """Return an archive of the files and their parent directories.

    Everything belongs to root; files are 0644 unless ``modes`` (path ->
    permissions) says otherwise, directories 0755. The same
    files give the same bytes. The length is a multiple of 512 bytes.

    :param mtime: seconds since the epoch.
    :raises InjectionError: for a path that is empty, holds a NUL or
        ``..``, or names both a file and a directory.
    """
    nodes: dict[str, _Node] = {}
    for path, data in sorted(files.items()):
        name = clean_path(path)
        if len(data) > _MAX_SIZE:
            raise errors.InjectionError(
                'the initrd file %s has %d bytes, the limit is %d'
                % (path, len(data), _MAX_SIZE))
        parts = name.split('/')
        for count in range(1, len(parts)):
            parent = '/'.join(parts[:count])
            if nodes.setdefault(parent, _Node(parent, _DIRECTORY)
                                ).mode != _DIRECTORY:
                raise errors.InjectionError(
                    'the initrd files %s and %s cannot both exist'
                    % (parent, name))
        if name in nodes:
            raise errors.InjectionError(
                'the initrd file %s is given twice, or is a directory of '
                'another one' % name)
        nodes[name] = _Node(name, stat.S_IFREG | modes.get(
            path, _PERMISSIONS), data)
    out = [_member(index, node, mtime)
           for index, node in enumerate(nodes.values(), 1)]
    out.append(_member(0, _Node(_TRAILER, 0), 0))
    result = b''.join(out)
    return result + bytes(-len(result) % _BLOCK)


def names(data: bytes) -> tuple[str, ...]:
    """Return the files that an archive at the start of ``data`` holds.

    What is no archive, or breaks off, ends the list.
    """
    found: list[str] = []
    position = 0
    while data[position:position + 6] == b'070701':
        try:
            # Digits and nothing else: a sign would lead backwards.
            mode, size, length = (
                int.from_bytes(binascii.unhexlify(
                    data[position + at:position + at + 8]))
                for at in (14, 54, 94))
        except ValueError:
            break
        begin = position + _HEADER
        name = data[begin:begin + length].rstrip(b'\0').decode(
            'utf-8', 'surrogateescape')
        if name == _TRAILER or not name or len(found) == _MAX_NAMES:
            break
        if not stat.S_ISDIR(mode):
            found.append('/' + name.lstrip('/'))
        position = begin + length
        position += -position % 4 + size
        position += -position % 4
    return tuple(found)


def clean_path(path: str) -> str:
    """Return a path as it is named in an archive: without leading slash.

    :raises InjectionError: when it cannot be a file below the root.
    """
    parts = [part for part in path.split('/') if part not in ('', '.')]
    name = '/'.join(parts)
    reason = ''
    if not parts or path.endswith('/') or parts == [_TRAILER]:
        reason = 'it names no file'
    elif '..' in parts:
        reason = 'it has a component ".."'
    elif '\0' in path:
        reason = 'it holds a NUL'
    else:
        try:
            if len(name.encode('utf-8', 'surrogateescape')) >= _PATH_MAX:
                reason = 'it is longer than %d bytes' % (_PATH_MAX - 1)
        except UnicodeEncodeError:
            reason = 'it is not valid Unicode'
    if reason:
        raise errors.InjectionError(
            'the initrd path %r is refused: %s' % (path, reason))
    return name


def _member(inode: int, node: _Node, mtime: int) -> bytes:
    name = node.path.encode('utf-8', 'surrogateescape') + b'\0'
    links = 2 if node.mode == _DIRECTORY else 1
    fields = (inode, node.mode, 0, 0, links, mtime, len(node.data),
              0, 0, 0, 0, len(name), 0)
    header = b'070701' + b''.join(b'%08X' % field for field in fields) + name
    return _pad(header) + _pad(node.data)


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
