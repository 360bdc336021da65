# SPDX-License-Identifier: Apache-2.0

"""The catalog's resources, in the shape that Kubernetes gives resources.

An ISCSICdrom is an ISO and the configs that fit it, a BootConfig the files
of one config. Pure: documents to dataclasses and back. Whether a config
parses in its format is somebody else's to judge.
"""

import collections.abc
import dataclasses
import re
import types
import typing
from urllib import parse as urlparse

from ironic_ext.catalog import errors
from ironic_ext.catalog import fields

API_VERSION = 'v1'
PHASES = ('Pending', 'Uploading', 'Ready', 'Error')
#: What spec.image of a host says for "boot from the disk".
LOCAL_BOOT = 'localboot'
#: Bytes of all files of a config together, as a ConfigMap has them.
MAX_DATA = 1 << 20
_MAX_FILES = 100
_MAX_LABELS = 64

NAME = re.compile(r'[A-Za-z0-9._-]{1,253}')
_DOTS = re.compile(r'\.{1,2}')
_NAME_RULE = ('must be of letters, digits, ".", "_" and "-" (at most 253), '
              'and not "." or ".."')
_FILE_PATH = re.compile(
    r'(?!\.{1,2}(/|$))[A-Za-z0-9._-]{1,255}'
    r'(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]{1,255}){0,15}')
_FILE_RULE = ('must be the path of a file like "dir/name", of letters, '
              'digits, ".", "_" and "-"')
_FORMAT = re.compile(r'[a-z0-9][a-z0-9-]{0,62}')
_FORMAT_RULE = 'must be the name of a format, such as "ignition"'
_CHECKSUM = re.compile(r'(sha256:[0-9a-fA-F]{64}|sha512:[0-9a-fA-F]{128}'
                       r'|https?://[^\s]+)')
_CHECKSUM_RULE = ('must be "sha256:<64 hex digits>", "sha512:<128 hex '
                  'digits>" or the URL of a checksum file')
_PROJECT = re.compile(r'[A-Za-z0-9._-]+')
# Kubernetes' rules of label keys and values.
_LABEL_KEY = re.compile(r'([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?'
                        r'[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?')
_LABEL_VALUE = re.compile(
    r'([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?')
_REDACTED = '<redacted: {} bytes>'
_IS_REDACTED = re.compile(r'<redacted: \d+ bytes>')

_Map = collections.abc.Mapping


def _empty() -> _Map[str, str]:
    return types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What every resource has.

    :ivar resource_version: the catalog's revision that wrote it; as
        text, since clients must not count with it.
    :ivar creation_timestamp: RFC 3339, UTC.
    """

    name: str
    labels: _Map[str, str] = dataclasses.field(default_factory=_empty)
    uid: str = ''
    resource_version: str = ''
    creation_timestamp: str = ''


@dataclasses.dataclass(frozen=True)
class ISCSICdromSpec:
    """What the operator says of an ISO.

    :ivar iso_file: name of the file in the directory of ISOs; or
    :ivar url: where it is fetched from, without credentials.
    :ivar checksum: ``sha256:<hex>``, ``sha512:<hex>``, or the URL of a
        checksum file.
    :ivar boot_configs: names of the BootConfigs that fit; none fits an ISO
        that lists none.
    :ivar project: that it belongs to; '' is the operator's.
    :ivar shared: whether every project may use it.
    """

    iso_file: str = ''
    url: str = ''
    checksum: str = ''
    description: str = ''
    read_only: bool = True
    boot_configs: tuple[str, ...] = ()
    project: str = ''
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class ISCSICdromStatus:
    """What is known of an ISO.

    :ivar phase: one of PHASES.
    :ivar iso_size: bytes.
    :ivar received: bytes that are here of what is being fetched.
    :ivar digest: ``sha256:<hex>`` of the whole.
    :ivar system: whose ISO it is, such as ``Ubuntu``; '' if that cannot be
        told.
    :ivar boot_loaders: such as ``bios: ISOLINUX``.
    :ivar boot_paths: a sentence for each way in which a machine boots it.
    :ivar error: one sentence, in phase Error.
    """

    phase: str = 'Pending'
    iso_size: int | None = None
    received: int | None = None
    digest: str = ''
    volume_id: str = ''
    system: str = ''
    boot_loaders: tuple[str, ...] = ()
    boot_paths: tuple[str, ...] = ()
    target_iqn: str = ''
    portal_ip: str = ''
    portal_port: int | None = None
    lun: int | None = None
    error: str = ''


@dataclasses.dataclass(frozen=True)
class ISCSICdrom:
    """An ISO, and the configs that fit it."""

    metadata: Metadata
    spec: ISCSICdromSpec = ISCSICdromSpec()
    status: ISCSICdromStatus = ISCSICdromStatus()
    kind: typing.ClassVar[str] = 'ISCSICdrom'


@dataclasses.dataclass(frozen=True)
class BootConfigSpec:
    """The files of a config.

    :ivar format: name of an entry point, such as ``ignition``.
    :ivar data: path of a file -> its content; may be secret.
    :ivar primary: the file that a machine is given when it asks for its
        config; '' where that is clear.
    :ivar template: whether the files are Jinja2 templates.
    :ivar any_iso: whether it may be put into ISOs that the catalog does
        not have.
    :ivar project: that it belongs to; '' is the operator's.
    :ivar shared: whether every project may use it.
    """

    format: str
    data: _Map[str, str] = dataclasses.field(default_factory=_empty,
                                             repr=False)
    primary: str = ''
    template: bool = False
    any_iso: bool = False
    project: str = ''
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class BootConfig:
    """A boot config: its format and files."""

    metadata: Metadata
    spec: BootConfigSpec
    kind: typing.ClassVar[str] = 'BootConfig'


Resource = ISCSICdrom | BootConfig
KINDS: _Map[str, type[Resource]] = types.MappingProxyType(
    {kind.kind: kind for kind in (ISCSICdrom, BootConfig)})


def is_name(text: str) -> bool:
    """Tell whether a text can be the name of a resource."""
    return bool(NAME.fullmatch(text)) and not _DOTS.fullmatch(text)


def parse(document: object, kind: type[Resource] | None = None) -> Resource:
    """Read a resource from a document, and check it.

    :param document: a parsed JSON or YAML document.
    :param kind: what it must be; it may leave ``kind`` and ``apiVersion``
        out then.
    :raises: InvalidError
    """
    problems: list[errors.Problem] = []
    result = _read(document, kind, problems)
    if problems or result is None:
        raise errors.InvalidError(*problems)
    return result


def load(document: object) -> Resource:
    """Read a document that :func:`document` wrote, perhaps long ago.

    What an earlier version accepted is not refused now.
    """
    result = _read(document, None, [])
    assert result is not None
    return result


def _read(document: object, kind: type[Resource] | None,
          problems: list[errors.Problem]) -> Resource | None:
    top = fields.Fields(document, '', problems)
    version = top.text('apiVersion', API_VERSION)
    if version != API_VERSION:
        top.complain('apiVersion', f'must be "{API_VERSION}"')
    name = top.text('kind', kind.kind if kind else '')
    if name not in KINDS or (kind and name != kind.kind):
        top.complain('kind', 'must be "' + (
            kind.kind if kind else '" or "'.join(KINDS)) + '"')
        return None
    metadata = _metadata(top.nested('metadata'))
    result: Resource
    if KINDS[name] is ISCSICdrom:
        if metadata.name == LOCAL_BOOT:
            problems.append(errors.Problem(
                'metadata.name', f'"{LOCAL_BOOT}" stands for booting from '
                                 'the disk'))
        result = ISCSICdrom(metadata, _cdrom_spec(top.nested('spec')),
                            _cdrom_status(top.nested('status')))
    else:
        result = BootConfig(metadata, boot_config_spec(top.nested('spec')))
        top.nested('status').finish()
    top.finish()
    return result


def parse_boot_config(document: object, where: str) -> BootConfigSpec:
    """Read a config that stands somewhere by itself.

    :param where: its place, for messages.
    :raises: InvalidError
    """
    problems: list[errors.Problem] = []
    spec = boot_config_spec(fields.Fields(document, where, problems))
    if problems:
        raise errors.InvalidError(*problems)
    return spec


def document(resource: Resource) -> dict[str, typing.Any]:
    """Return the JSON document of a resource, secrets included."""
    body: dict[str, typing.Any] = {
        'apiVersion': API_VERSION, 'kind': resource.kind,
        'metadata': _compact(dataclasses.asdict(dataclasses.replace(
            resource.metadata, labels=dict(resource.metadata.labels)))),
        'spec': spec_document(resource)}
    if isinstance(resource, ISCSICdrom):
        body['status'] = status_document(resource.status)
    return body


def spec_document(resource: Resource) -> dict[str, typing.Any]:
    """Return the JSON document of a resource's spec."""
    spec = resource.spec
    if isinstance(spec, BootConfigSpec):
        spec = dataclasses.replace(spec, data=dict(spec.data))
        return _compact(dataclasses.asdict(spec), keep=(
            'format', 'data', 'any_iso', 'shared'))
    return _compact(dataclasses.asdict(spec), keep=('read_only', 'shared'))


def status_document(status: ISCSICdromStatus) -> dict[str, typing.Any]:
    """Return the JSON document of an ISO's status."""
    return _compact(dataclasses.asdict(status))


def redacted(resource: Resource) -> Resource:
    """Return a resource as listings and watches show it: without data.

    Instead of a file's content there is its size in bytes.
    """
    if not isinstance(resource, BootConfig):
        return resource
    shown = {path: _REDACTED.format(len(text.encode()))
             for path, text in resource.spec.data.items()}
    return dataclasses.replace(resource, spec=dataclasses.replace(
        resource.spec, data=types.MappingProxyType(shown)))


def _metadata(data: fields.Fields) -> Metadata:
    name = data.text('name', longest=253, pattern=NAME, rule=_NAME_RULE)
    if not name:
        data.complain('name', 'is required')
    elif _DOTS.fullmatch(name):
        data.complain('name', f'"{name}" {_NAME_RULE}')
    labels = data.mapping('labels')
    if len(labels) > _MAX_LABELS:
        data.complain('labels', f'has {len(labels)} labels; {_MAX_LABELS} '
                                'are the most')
        labels = {}
    for key, value in labels.items():
        if not (isinstance(key, str) and _LABEL_KEY.fullmatch(key)):
            data.complain('labels', f'"{key!s:.60}" is no key of a label, '
                                    'which looks like "example.com/rack"')
        elif not (isinstance(value, str) and _LABEL_VALUE.fullmatch(value)):
            data.complain(f'labels["{key}"]', 'must be at most 63 letters, '
                          'digits, ".", "_" and "-", as text')
    metadata = Metadata(
        name, types.MappingProxyType(labels), data.text('uid'),
        data.text('resourceVersion', longest=20),
        data.text('creationTimestamp'))
    data.finish()
    return metadata


def _cdrom_spec(data: fields.Fields) -> ISCSICdromSpec:
    spec = ISCSICdromSpec(
        iso_file=data.text('isoFile', pattern=NAME, rule=(
            'must be the name of a file, without a directory')),
        url=data.text('url', longest=4096), checksum=data.text(
            'checksum', pattern=_CHECKSUM, rule=_CHECKSUM_RULE),
        description=data.text('description'),
        read_only=data.flag('readOnly', True),
        boot_configs=data.texts('bootConfigs', pattern=NAME,
                                rule=_NAME_RULE),
        project=_project(data), shared=data.flag('shared', False))
    if bool(spec.iso_file) == bool(spec.url):
        data.complain('isoFile', 'give either isoFile, for an upload or a '
                      'file in the directory of ISOs, or url')
    if spec.iso_file.startswith('.'):
        data.complain('isoFile', 'must not begin with "."')
    for name, value in (('url', spec.url), ('checksum', spec.checksum)):
        if '://' in value and _has_credentials(value):
            data.complain(name, 'must hold no user or password: they go '
                          'into the configuration of the server')
    data.finish()
    return spec


def _project(data: fields.Fields) -> str:
    return data.text('project', longest=255, pattern=_PROJECT,
                     rule='must be the id of a project')


def _has_credentials(url: str) -> bool:
    try:
        return '@' in urlparse.urlsplit(url).netloc
    except ValueError:
        return True


def _cdrom_status(data: fields.Fields) -> ISCSICdromStatus:
    phase = data.text('phase', 'Pending')
    if phase not in PHASES:
        data.complain('phase', f'must be one of {", ".join(PHASES)}')
    status = ISCSICdromStatus(
        phase=phase, iso_size=data.number('isoSize', 0, 1 << 62),
        received=data.number('received', 0, 1 << 62),
        digest=data.text('digest', pattern=_CHECKSUM, rule=_CHECKSUM_RULE),
        volume_id=data.text('volumeId'), system=data.text('system'),
        boot_loaders=data.texts('bootLoaders'),
        boot_paths=data.texts('bootPaths'),
        target_iqn=data.text('targetIQN'), portal_ip=data.text('portalIP'),
        portal_port=data.number('portalPort', 1, 65535),
        lun=data.number('lun', 0, 16383), error=data.text(
            'error', longest=4096))
    data.finish()
    return status


def boot_config_spec(data: fields.Fields) -> BootConfigSpec:
    """Read the fields of a config; what is wrong is noted in ``data``."""
    name = data.text('format', pattern=_FORMAT, rule=_FORMAT_RULE)
    if not name:
        data.complain('format', 'is required')
    files = data.mapping('data')
    _check_files(data, files)
    spec = BootConfigSpec(
        name, types.MappingProxyType(files), data.text('primary'),
        data.flag('template', False), data.flag('anyISO', False),
        _project(data), data.flag('shared', False))
    if spec.primary and spec.primary not in files:
        data.complain('primary', f'"{spec.primary}" is not in data')
    data.finish()
    return spec


def _check_files(data: fields.Fields, files: _Map[str, object]) -> None:
    if not files:
        data.complain('data', 'must hold at least one file')
    if len(files) > _MAX_FILES:
        data.complain('data', f'has {len(files)} files; {_MAX_FILES} are '
                              'the most')
        return
    total = 0
    for path, text in files.items():
        where = f'data["{path!s:.60}"]'
        if not (isinstance(path, str) and _FILE_PATH.fullmatch(path)):
            data.complain('data', f'"{path!s:.60}" {_FILE_RULE}')
        elif not isinstance(text, str):
            data.complain(where, 'must be text')
        elif _IS_REDACTED.fullmatch(text):
            data.complain(where, 'is the placeholder of a listing: get the '
                          'config by its name to have the content')
        elif '\0' in text:
            data.complain(where, 'must not hold a NUL')
        else:
            try:
                total += len(text.encode())
            except UnicodeEncodeError:
                data.complain(where, 'is not valid Unicode text')
    if total > MAX_DATA:
        data.complain('data', f'has {total} bytes; {MAX_DATA} are the most')


#: JSON names that are not just the attribute in camel case.
_JSON_NAMES = {'target_iqn': 'targetIQN', 'portal_ip': 'portalIP',
               'any_iso': 'anyISO'}


def _json_name(attribute: str) -> str:
    first, *rest = attribute.split('_')
    return _JSON_NAMES.get(attribute) or first + ''.join(
        word.capitalize() for word in rest)


def _compact(values: dict[str, typing.Any], keep: tuple[str, ...] = ()
             ) -> dict[str, typing.Any]:
    """Return values by their JSON names, without those that say nothing."""
    return {
        _json_name(key): list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if key in keep or value or (value == 0 and value is not False)}
