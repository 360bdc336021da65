# SPDX-License-Identifier: Apache-2.0

"""What is asked for: the desired state of a node's data image.

The fields are those of Metal3's proposal (``url``, ``username``,
``password``, ``insecure``) and what it leaves out. Images that the machine
boots from are left out: those are the boot interface's.
"""

import base64
import binascii
import collections.abc
import dataclasses
import difflib
import enum
import json
import re
import typing
from urllib import parse as urlparse

from oslo_utils import uuidutils

from ironic_ext.images import checksum as checksums
from ironic_ext.images import errors
from ironic_ext.images import href as hrefs

DEFAULT_LABEL = 'DATA'
_MASK = '******'
_WEB = ('http', 'https')
# ECMA-119 section 8.4.7 gives 32 bytes. Of its characters, cloud-init's
# labels (cidata, config-2) use more than the standard has.
_LABEL = re.compile(r'[A-Za-z0-9_.-]{1,32}')
# Joliet has 64 characters for a name, and none of these in it; ECMA-119
# section 6.8.2.1 has eight levels of directories.
_MAX_NAME = 64
_MAX_DEPTH = 8
_NAME = re.compile(r'[^\x00-\x1f\x7f*/:;?\\]+')
_MAX_FILES = 1000
_MAX_URL = 2048
_MAX_CA = 1 << 20
_PEM = '-----BEGIN CERTIFICATE-----'
_KEYS_FOR_URL = ('username', 'password', 'insecure', 'ca', 'checksum',
                 'delivery')


class SpecError(ValueError):
    """The description of a data image is wrong: one sentence."""


class Device(enum.Enum):
    """What the machine sees."""

    CDROM = 'cdrom'
    USB = 'usb'


class Apply(enum.Enum):
    """When the image is put in."""

    IMMEDIATE = 'immediate'
    ON_REBOOT = 'on_reboot'


class Delivery(enum.Enum):
    """Who fetches the image from its URL."""

    CONDUCTOR = 'conductor'
    BMC = 'bmc'


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bytes that ``files`` may have: one of them, and all together."""

    file: int
    total: int


@dataclasses.dataclass(frozen=True)
class DataImageSpec:
    """One data image: an ISO at a URL, or files to make one of.

    :param url: may hold a secret (credentials, a signed query).
    :param files: path -> content, in the root of an ISO that is built.
    :param label: volume id of that ISO; ``cidata`` makes it a source of
        cloud-init's NoCloud, ``config-2`` a config drive.
    :param username: for the URL, with ``password``.
    :param insecure: do not verify the server's certificate.
    :param ca: certificates to verify it by, PEM.
    :param checksum: of the image, or the URL of a checksum file.
    :param device: None lets the slots decide, a CD drive first.
    """

    url: str | None = dataclasses.field(default=None, repr=False)
    files: collections.abc.Mapping[str, bytes] = dataclasses.field(
        default_factory=dict, repr=False)
    label: str | None = None
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    insecure: bool = False
    ca: str | None = dataclasses.field(default=None, repr=False)
    checksum: str | None = dataclasses.field(default=None, repr=False)
    device: Device | None = None
    apply: Apply = Apply.IMMEDIATE
    delivery: Delivery = Delivery.CONDUCTOR

    @property
    def title(self) -> str:
        """What of it may be shown in a message."""
        if self.url is not None:
            return hrefs.redacted(self.url)
        return f'the image of {len(self.files)} files'

    def same_medium(self, other: 'DataImageSpec') -> bool:
        """Tell whether both ask for the same medium, whenever it goes in."""
        return self == dataclasses.replace(other, apply=self.apply)

    def to_json(self) -> dict[str, typing.Any]:
        """Return what parse() takes, secrets included."""
        data: dict[str, typing.Any] = {
            'url': self.url, 'label': self.label, 'username': self.username,
            'password': self.password, 'insecure': self.insecure or None,
            'ca': self.ca, 'checksum': self.checksum,
            'device': self.device and self.device.value,
            'apply': self.apply.value,
            'delivery': self.delivery.value if self.url else None,
            'files': {path: _packed(content)
                      for path, content in sorted(self.files.items())}}
        return {key: value for key, value in data.items() if value}

    def redacted(self) -> dict[str, typing.Any]:
        """Return what may be shown: no password, no query, no content."""
        data = self.to_json()
        if self.url is not None:
            data['url'] = hrefs.redacted(self.url)
        if self.password is not None:
            data['password'] = _MASK
        if self.checksum and '://' in self.checksum:
            data['checksum'] = hrefs.redacted(self.checksum)
        if self.ca:
            data['ca'] = f'{self.ca.count(_PEM)} certificate(s)'
        if self.files:
            data['files'] = {path: {'size': len(content)}
                             for path, content in sorted(self.files.items())}
        return data


def parse(data: object, limits: Limits) -> DataImageSpec:
    """Check a description as it comes from the API.

    :raises: SpecError
    """
    if not isinstance(data, collections.abc.Mapping):
        raise SpecError('a data image is a JSON object')
    _require_known(data)
    given = {key: value for key, value in data.items() if value is not None}
    if ('url' in given) == ('files' in given):
        raise SpecError('a data image has either a url or files')
    if 'files' in given:
        for key in _KEYS_FOR_URL:
            if key in given:
                raise SpecError(f'{key} goes with a url, not with files')
        return DataImageSpec(
            files=_files(given['files'], limits), label=_label(given),
            device=_choice(given, 'device', Device),
            apply=_choice(given, 'apply', Apply) or Apply.IMMEDIATE)
    if 'label' in given:
        raise SpecError('label goes with files: an image at a url has its '
                        'own')
    return _with_url(given)


def _with_url(given: collections.abc.Mapping[str, typing.Any]
              ) -> DataImageSpec:
    delivery = _choice(given, 'delivery', Delivery) or Delivery.CONDUCTOR
    url = _url(_text(given, 'url') or '')
    web = hrefs.scheme(url) in _WEB
    if delivery is Delivery.BMC and not web:
        raise SpecError('delivery "bmc" needs an http:// or https:// url')
    username, password = _text(given, 'username'), _text(given, 'password')
    if (username is None) != (password is None):
        raise SpecError('username and password go together')
    for key in ('username', 'insecure', 'ca'):
        if key in given and not web:
            raise SpecError(f'{key} goes with an http:// or https:// url')
    insecure = given.get('insecure', False)
    if not isinstance(insecure, bool):
        raise SpecError('insecure is true or false')
    ca = _ca(given)
    if insecure and ca:
        raise SpecError('insecure and ca exclude one another: a certificate '
                        'is verified or it is not')
    checksum = _text(given, 'checksum')
    if checksum is not None:
        if delivery is Delivery.BMC:
            raise SpecError('a checksum needs delivery "conductor": a BMC '
                            'verifies none')
        if not checksums.is_url(checksum):
            try:
                checksums.Checksum.parse(checksum, allow_md5=True)
            except errors.ChecksumError as exc:
                raise SpecError(str(exc)) from exc
    return DataImageSpec(
        url=url, username=username, password=password, insecure=insecure,
        ca=ca, checksum=checksum, delivery=delivery,
        device=_choice(given, 'device', Device),
        apply=_choice(given, 'apply', Apply) or Apply.IMMEDIATE)


def _require_known(data: collections.abc.Mapping[str, object]) -> None:
    known = [field.name for field in dataclasses.fields(DataImageSpec)]
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.5)
            hint = (f'did you mean {near[0]}?' if near
                    else f'there are {", ".join(known)}')
            raise SpecError(
                f'a data image has no field "{str(key)[:64]}": {hint}')


def _text(given: collections.abc.Mapping[str, object], key: str
          ) -> str | None:
    value = given.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise SpecError(f'{key} is a text that is not empty')
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise SpecError(f'{key} has control characters in it')
    return value


def _url(text: str) -> str:
    if len(text) > _MAX_URL:
        raise SpecError(f'url is longer than {_MAX_URL} characters')
    try:
        parts = urlparse.urlsplit(text)
        host = parts.hostname
        # Refuses what is no number.
        parts.port
    except ValueError:
        raise SpecError('url is malformed') from None
    if ' ' in text or parts.scheme.lower() in _WEB and not host:
        raise SpecError('url is malformed')
    if not parts.scheme and not uuidutils.is_uuid_like(text):
        raise SpecError('url must be a URL, as in https://server/data.iso')
    if parts.username is not None or parts.password is not None:
        raise SpecError('url has credentials in it: give them as username '
                        'and password')
    return text


def _ca(given: collections.abc.Mapping[str, object]) -> str | None:
    value = given.get('ca')
    if value is None:
        return None
    if not isinstance(value, str) or _PEM not in value:
        raise SpecError('ca is no PEM certificate')
    if len(value) > _MAX_CA:
        raise SpecError(f'ca is larger than {_MAX_CA} bytes')
    return value


_Choice = typing.TypeVar('_Choice', bound=enum.Enum)


def _choice(given: collections.abc.Mapping[str, object], key: str,
            kind: type[_Choice]) -> _Choice | None:
    value = given.get(key)
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise SpecError(
            f'{key} is one of {", ".join(item.value for item in kind)}, not '
            f'"{str(value)[:64]}"') from None


def _label(given: collections.abc.Mapping[str, object]) -> str:
    label = _text(given, 'label') or DEFAULT_LABEL
    if not _LABEL.fullmatch(label):
        raise SpecError('label has 1 to 32 of the characters A-Z, a-z, 0-9, '
                        '"_", "-" and "."')
    return label


def _files(value: object, limits: Limits) -> dict[str, bytes]:
    if not isinstance(value, collections.abc.Mapping) or not value:
        raise SpecError('files maps paths to contents, one at least')
    if len(value) > _MAX_FILES:
        raise SpecError(f'files has more than {_MAX_FILES} entries')
    found: dict[str, bytes] = {}
    left = limits.total
    for name, content in value.items():
        path = _path(name)
        if path in found:
            raise SpecError(f'files has {path} twice')
        found[path] = _content(path, content, limits, left)
        left -= len(found[path])
    folders = {'/'.join(path.split('/')[:depth])
               for path in found for depth in range(1, path.count('/') + 1)}
    for path in sorted(folders & found.keys()):
        raise SpecError(f'files has {path} as a file and as a directory')
    return found


def _path(name: object) -> str:
    if not isinstance(name, str):
        raise SpecError('a path in files is a text')
    path = name.removeprefix('/')
    parts = path.split('/')
    shown = json.dumps(name[:100])
    if len(parts) > _MAX_DEPTH:
        raise SpecError(f'files: {shown} has more than {_MAX_DEPTH} levels')
    for part in parts:
        if part in ('', '.', '..'):
            raise SpecError(f'files: {shown} has an empty part, "." or ".." '
                            'in it')
        if len(part) > _MAX_NAME or not _NAME.fullmatch(part):
            raise SpecError(
                f'files: {shown} has a name that Joliet does not allow: up '
                f'to {_MAX_NAME} characters without control characters and '
                '* / : ; ? \\')
        try:
            part.encode('utf-16-be').decode('utf-16-be')
        except UnicodeError:
            raise SpecError(f'files: {shown} is not valid Unicode') from None
    return path


def _content(path: str, value: object, limits: Limits, left: int) -> bytes:
    encoding = 'text'
    if isinstance(value, collections.abc.Mapping):
        if not set(value) <= {'content', 'encoding'}:
            raise SpecError(f'files: {path} takes content and encoding only')
        encoding, value = value.get('encoding', 'text'), value.get('content')
    if not isinstance(value, str):
        raise SpecError(f'files: {path} must be text, or {{"content": ..., '
                        '"encoding": "text" or "base64"}')
    # Before anything is copied; base64 makes four characters of three bytes.
    least = len(value) // 4 * 3 - 2 if encoding == 'base64' else len(value)
    _require_size(path, least, limits, left)
    if encoding == 'text':
        try:
            content = value.encode()
        except UnicodeEncodeError:
            raise SpecError(f'files: {path} is not valid Unicode text: give '
                            'it as base64') from None
    elif encoding == 'base64':
        try:
            content = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise SpecError(f'files: {path} is not base64') from None
    else:
        raise SpecError(f'files: the encoding of {path} is text or base64, '
                        f'not "{str(encoding)[:64]}"')
    _require_size(path, len(content), limits, left)
    return content


def _require_size(path: str, size: int, limits: Limits, left: int) -> None:
    if size > limits.file:
        raise SpecError(f'files: {path} is larger than the limit of '
                        f'{limits.file} bytes: give the image as a url')
    if size > left:
        raise SpecError(f'files are larger than the limit of {limits.total} '
                        'bytes in all: give the image as a url')


def _packed(content: bytes) -> str | dict[str, str]:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {'content': base64.b64encode(content).decode(),
                'encoding': 'base64'}
