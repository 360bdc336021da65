# SPDX-License-Identifier: Apache-2.0

"""Files that a node adds to its ISO: ``instance_info/boot_iso_files``."""

import base64
import binascii
import collections.abc
import dataclasses
import re
import typing

from ironic_ext.node import errors
from ironic_ext import stored

_HREF_SCHEMES = ('http://', 'https://', 'file://', 'glance://')
_MAX_NAME = 255
_MODE = re.compile(r'0?[0-7]{3}\Z')
# Each may be a download of its own.
_MAX_FILES = 1000


class Shelf(typing.Protocol):
    """Where an owner's content lies while it is needed."""

    def read(self, href: str, limit: int) -> stored.Content:
        """Download at most so many bytes.

        :raises: ImageError
        """

    def keep(self, pieces: collections.abc.Iterable[bytes]
             ) -> stored.Content:
        """Keep what the pieces are together.

        :raises: ImageError
        """


@dataclasses.dataclass(frozen=True)
class Limits:
    """Sizes in bytes that a node's own content must not exceed."""

    file: int
    total: int
    configdrive: int


def files(value: object, limits: Limits, shelf: Shelf
          ) -> dict[str, stored.Content]:
    """Return the files that ``boot_iso_files`` says: path -> content.

    :param value: path -> text, href or object.
    :param shelf: downloads hrefs.
    :raises: PlanError
    """
    if not value:
        return {}
    if not isinstance(value, collections.abc.Mapping):
        raise errors.PlanError(
            'instance_info/boot_iso_files must be a JSON object: path -> '
            'content')
    if len(value) > _MAX_FILES:
        raise errors.PlanError(
            f'instance_info/boot_iso_files has {len(value)} files; '
            f'{_MAX_FILES} are the most')
    found: dict[str, stored.Content] = {}
    for key, content in value.items():
        path = _path(key)
        if path in found:
            raise errors.PlanError(
                f'instance_info/boot_iso_files names {path} twice')
        data = _content(path, content, limits, shelf)
        if len(data) > limits.file:
            raise errors.PlanError(
                f'instance_info/boot_iso_files: {path} has {len(data)} '
                f'bytes, more than the limit of {limits.file} '
                '([ext_boot]max_file_size)')
        found[path] = data
        require_total(found, limits)
    return found


def modes(value: object) -> dict[str, int]:
    """Return the permissions that ``boot_iso_files`` says: path -> mode.

    :param value: as for files(), which refuses what is no such thing.
    :raises: PlanError
    """
    found = {}
    for key, content in (value.items() if isinstance(
            value, collections.abc.Mapping) else ()):
        if isinstance(content, collections.abc.Mapping) \
                and 'mode' in content:
            path, text = _path(key), content['mode']
            # JSON has no octal numbers: 755 would be another mode.
            if not isinstance(text, str) or not _MODE.match(text):
                raise errors.PlanError(
                    f'instance_info/boot_iso_files: {path} has the mode '
                    f'{text!r:.40}: write it like "0755"')
            found[path] = int(text, 8)
    return found


def _path(key: object) -> str:
    names = key.removeprefix('/').split('/') if isinstance(key, str) else ['']
    for name in names:
        if (name in ('', '.', '..') or not name.isprintable()
                or len(name.encode()) > _MAX_NAME):
            raise errors.PlanError(
                f'instance_info/boot_iso_files: {key!r:.200} is no path of '
                'a file in the ISO: write it like /dir/name, without "..", '
                'empty or unprintable parts')
    return '/' + '/'.join(names)


def _content(path: str, value: object, limits: Limits,
             shelf: Shelf) -> stored.Content:
    name = f'instance_info/boot_iso_files: {path}'
    if isinstance(value, str):
        # A text that looks like an href can be written as an object.
        if value.startswith(_HREF_SCHEMES) and not set(value) & set(' \n'):
            return shelf.read(value, limits.file)
        return _encoded(name, value)
    if isinstance(value, collections.abc.Mapping):
        encoding = value.get('encoding', 'text')
        value = {key: part for key, part in value.items() if key != 'mode'}
        if set(value) == {'href'} and isinstance(value['href'], str):
            return shelf.read(value['href'], limits.file)
        if (set(value) <= {'content', 'encoding'}
                and isinstance(value.get('content'), str)):
            if encoding == 'text':
                return _encoded(name, value['content'])
            if encoding == 'base64':
                try:
                    return base64.b64decode(
                        ''.join(value['content'].split()), validate=True)
                except (binascii.Error, ValueError) as exc:
                    raise errors.PlanError(f'{name} is not base64') from exc
    raise errors.PlanError(
        f'{name} must be text, an href, {{"content": ..., "encoding": '
        '"text" or "base64"} or {"href": ...}; both may have a "mode"')


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise errors.PlanError(
            f'{name} is not valid Unicode text: give it as base64') from exc


def require_total(files: collections.abc.Mapping[str, stored.Content],
                  limits: Limits) -> None:
    """Refuse more bytes than are allowed.

    :raises: PlanError
    """
    total = sum(map(len, files.values()))
    if total > limits.total:
        raise errors.PlanError(
            f'the files to add to the ISO have {total} bytes, more than the '
            f'limit of {limits.total} ([ext_boot]max_total_size)')
