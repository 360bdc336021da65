# SPDX-License-Identifier: Apache-2.0

"""The description of the API, OpenAPI 3.1, served at /openapi.json.

Schemas of what is answered; what is accepted beyond that, the code judges
and explains better.
"""

import typing

import falcon

from ironic_ext.catalog import resources
from ironic_ext.node import host as hosts
from ironic_ext.node import next_boot
from ironic_ext.server.rest import bodies
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import host_changes
from ironic_ext.server.rest import provisioning

Schema = dict[str, typing.Any]

_TEXT: Schema = {'type': 'string'}
_TEXTS: Schema = {'type': 'array', 'items': _TEXT}
_COUNT: Schema = {'type': 'integer', 'minimum': 0}
_FLAG: Schema = {'type': 'boolean'}
_NULLABLE: Schema = {'type': ['string', 'null']}
_NAME: Schema = {'type': 'string', 'maxLength': 253,
                 'pattern': f'^{resources.NAME.pattern}$'}
_FILES: Schema = {'type': 'object', 'additionalProperties': _TEXT}


def _object(required: str = '', **fields: Schema) -> Schema:
    return {'type': 'object', 'additionalProperties': False,
            'required': required.split(), 'properties': fields}


def _ref(name: str) -> Schema:
    return {'$ref': f'#/components/schemas/{name}'}


def _metadata(**more: Schema) -> Schema:
    return _object('name', name=_NAME, uid=_TEXT, resourceVersion=_TEXT,
                   creationTimestamp=_TEXT, **more)


def _resource(kind: str, metadata: Schema, required: str = 'metadata',
              **fields: Schema) -> Schema:
    return _object(
        required, apiVersion={'const': resources.API_VERSION},
        kind={'const': kind}, metadata=metadata, **fields)


_LABELS = {'labels': _FILES}

#: See data-images in the documentation; conductors judge it.
_DATA_IMAGE = _object(
    url=_TEXT, username=_TEXT, password={**_TEXT, 'writeOnly': True},
    insecure=_FLAG, ca=_TEXT, checksum=_TEXT, label=_TEXT,
    files={'type': 'object'}, device={'enum': ['cdrom', 'usb']},
    apply={'enum': ['immediate', 'on_reboot']},
    delivery={'enum': ['conductor', 'bmc']})
_BOOT_END = _object(
    'cause diskIsBootDevice seen mediumIsGone', cause=_TEXT,
    diskIsBootDevice=_FLAG, seen=_FLAG, mediumIsGone=_FLAG)
_NEXT_BOOT = _object(
    'device text', device={'enum': list(next_boot.Device)}, image=_TEXT,
    once=_FLAG, chosen=_TEXT, takes=_TEXT, text=_TEXT)
_DATA_IMAGE_STATUS = _object(
    'phase', phase=_TEXT, reason=_TEXT, inserted=_FLAG, slot=_TEXT,
    device=_TEXT, attachedImage=_object('url', url=_TEXT, digest=_TEXT,
                                        size=_COUNT),
    error=_object('count message', count=_COUNT, message=_TEXT))

SCHEMAS: Schema = {
    'ISCSICdrom': _resource(
        'ISCSICdrom', _metadata(**_LABELS), spec=_object(
            isoFile=_NAME, url=_TEXT, checksum=_TEXT, description=_TEXT,
            readOnly=_FLAG, bootConfigs={'type': 'array', 'items': _NAME},
            project=_TEXT, shared=_FLAG),
        status=_object(
            'phase', phase={'enum': list(resources.PHASES)},
            isoSize=_COUNT, received=_COUNT, digest=_TEXT, volumeId=_TEXT,
            system=_TEXT,
            bootLoaders=_TEXTS, bootPaths=_TEXTS,
            targetIQN=_TEXT, portalIP=_TEXT, portalPort=_COUNT, lun=_COUNT,
            error=_TEXT)),
    'BootConfig': _resource(
        'BootConfig', _metadata(**_LABELS), 'metadata spec', spec=_object(
            'format data', format=_TEXT, data=_FILES, primary=_TEXT,
            template=_FLAG, anyISO=_FLAG, project=_TEXT, shared=_FLAG),
        status={'type': 'object'}),
    'BareMetalHost': _resource(
        hosts.KIND, _metadata(namespace=_NAME), spec=_object(
            image=_TEXT, bootConfigRef=_TEXT, dataImage=_DATA_IMAGE, ip=_TEXT,
            bootMode={'enum': [hosts.ONCE, hosts.FOREVER]}),
        status=_object(
            macs=_TEXTS, ips=_TEXTS, power=_NULLABLE, targetPower=_NULLABLE,
            firmware={'enum': ['bios', 'uefi']},
            provisionState=_NULLABLE, targetProvisionState=_NULLABLE,
            maintenance=_FLAG, driver=_TEXT, bootInterface=_TEXT,
            owner=_TEXT, lessee=_TEXT,
            lastError=_TEXT, lastErrorCause=_TEXT,
            bootCompletedAt=_TEXT, bootEnd=_BOOT_END, inlineConfig=_FLAG,
            nextBoot=_NEXT_BOOT,
            bootMedium=_object('lost error', lost=_FLAG, error=_TEXT),
            dataImage=_DATA_IMAGE_STATUS)),
    'Status': _object(
        'kind status', apiVersion={'const': resources.API_VERSION},
        kind={'const': 'Status'}, status={'enum': ['Failure', 'Success']},
        code={'type': 'integer'}, reason=_TEXT, message=_TEXT,
        details={'type': 'object'}),
    'Power': _object('target', target={
        'enum': list(host_changes.POWER_TARGETS)}),
    'Provision': _object('target', target={
        'enum': list(provisioning.TARGETS)}),
    'Token': _object('token path expires', token=_TEXT, path=_TEXT,
                     url=_TEXT, expires=_COUNT),
    'Preview': _object('format files', format=_TEXT, primary=_TEXT,
                       files=_FILES, contentTypes=_FILES),
    'Received': _object('received', received=_COUNT),
    'History': _object('items', items={'type': 'array', 'items': _object(
        'at kind text', at=_TEXT, kind=_TEXT, text=_TEXT)}),
    'Links': _object(node=_TEXT, consoleEnabled=_FLAG),
    'Console': _object('enabled', enabled=_FLAG, type=_TEXT, url=_TEXT),
    'Formats': _object('items', items=_TEXTS),
}
for _kind in ('ISCSICdrom', 'BootConfig', 'BareMetalHost'):
    SCHEMAS[f'{_kind}List'] = _resource(
        f'{_kind}List', _object('resourceVersion', resourceVersion=_TEXT,
                                annotations=_FILES, **{'continue': _TEXT}),
        'metadata items', items={'type': 'array', 'items': _ref(_kind)})


def _query(name: str, schema: Schema) -> Schema:
    return {'name': name, 'in': 'query', 'schema': schema}


_LIST_QUERY = [
    _query('limit', {'type': 'integer', 'minimum': 1,
                     'maximum': conventions.MAX_LIMIT}),
    _query('continue', _TEXT), _query('watch', _FLAG),
    _query('resourceVersion', _TEXT),
    _query('timeoutSeconds', {'type': 'integer', 'minimum': 1,
                              'maximum': 86400})]
_LABEL_QUERY = _query('labelSelector', _TEXT)
_SEARCH_QUERY = _query('search', _TEXT)
_HOST_QUERY = _query('host', _TEXT)
_MACHINE_QUERY = [_query('token', _TEXT), _query('mac', _TEXT)]
_IF_MATCH: Schema = {'name': 'If-Match', 'in': 'header', 'schema': _TEXT}
_CHANGE = [_IF_MATCH, _query('dryRun', {'enum': ['All']})]


def _operation(summary: str, answers: Schema, parameters: list[Schema]
               | None = None, body: Schema | None = None,
               types: tuple[str, ...] = bodies.TYPES) -> Schema:
    found: Schema = {
        'summary': summary, 'parameters': parameters or [],
        'responses': {**answers, 'default': {
            'description': 'What is wrong.', 'content': {
                'application/json': {'schema': _ref('Status')}}}}}
    if body is not None:
        found['requestBody'] = {'required': True, 'content': {
            kind: {'schema': body} for kind in types}}
    return found


def _json(name: str, code: int = 200) -> Schema:
    return {str(code): {'description': name, 'content': {
        'application/json': {'schema': _ref(name)}}}}


def _text(kind: str = '*/*') -> Schema:
    return {'200': {'description': 'The file.', 'content': {
        kind: {'schema': _TEXT}}}}


def _collection(kind: str) -> Schema:
    path = '/api/v1/' + ('iscsi-cdroms' if kind == 'ISCSICdrom'
                         else 'bootconfigs')
    merged = {'type': 'object'}
    return {
        path: {
            'get': _operation(f'List or watch {kind}s.', _listed(kind),
                              [*_LIST_QUERY, _LABEL_QUERY]),
            'post': _operation(f'Create a {kind}.', _json(kind, 201),
                               body=_ref(kind))},
        path + '/{name}': {
            'parameters': _path('name'),
            'get': _operation(f'Show a {kind}.', _json(kind)),
            'put': _operation(
                f'Replace or create a {kind}.',
                {**_json(kind), **_json(kind, 201)}, _CHANGE,
                _ref(kind)),
            'patch': _operation(
                f'Change a {kind} by a merge patch (RFC 7386).',
                _json(kind), _CHANGE, merged),
            'delete': _operation(f'Delete a {kind}.', _json('Status'),
                                 [_IF_MATCH])}}


def _listed(kind: str) -> Schema:
    return {'200': {
        'description': f'{kind}s, or with watch=true one event a line.',
        'content': {
            'application/json': {'schema': _ref(f'{kind}List')},
            'application/x-ndjson': {'schema': _TEXT}}}}


def _path(*names: str) -> list[Schema]:
    return [{'name': name, 'in': 'path', 'required': True,
             'schema': _TEXT if name == 'path' else _NAME}
            for name in names]


def _hosts() -> Schema:
    parameters = [*_LIST_QUERY, _SEARCH_QUERY]
    base = '/api/v1/namespaces/{namespace}/baremetalhosts'
    merged = {'type': 'object'}
    return {
        '/api/v1/baremetalhosts': {'get': _operation(
            'List or watch hosts.', _listed(hosts.KIND), parameters)},
        base: {'parameters': _path('namespace'), 'get': _operation(
            'List or watch the hosts of a namespace.', _listed(hosts.KIND),
            parameters)},
        base + '/{name}': {
            'parameters': _path('namespace', 'name'),
            'get': _operation('Show a host.', _json(hosts.KIND)),
            'put': _operation('Replace a host\'s spec.', _json(hosts.KIND),
                              _CHANGE, _ref(hosts.KIND)),
            'patch': _operation(
                'Choose what a host boots, by a merge patch (RFC 7386).',
                _json(hosts.KIND), _CHANGE, merged)},
        base + '/{name}/history': {
            'parameters': _path('namespace', 'name'),
            'get': _operation(
                'What happened to a host, the newest first.',
                _json('History'), [_query('limit', {
                    'type': 'integer', 'minimum': 1, 'maximum': 200})])},
        base + '/{name}/links': {
            'parameters': _path('namespace', 'name'),
            'get': _operation(
                'Where else a host is to be seen: its node in Ironic\'s '
                'API, and whether it has a console.', _json('Links'))},
        base + '/{name}/console': {
            'parameters': _path('namespace', 'name'),
            'get': _operation(
                'The console of a host. Ironic may end the session of '
                'whoever is at it.', _json('Console'))},
        base + '/{name}/power': {
            'parameters': _path('namespace', 'name'),
            'post': _operation('Switch a host.', _json(hosts.KIND, 202),
                               body=_ref('Power'))},
        base + '/{name}/provision': {
            'parameters': _path('namespace', 'name'),
            'post': _operation(
                'Deploy or rebuild a host, so that it boots what is chosen '
                'for it.', _json(hosts.KIND, 202), body=_ref('Provision'))},
        base + '/{name}/token': {
            'parameters': _path('namespace', 'name'),
            'post': _operation('Make a token for a host\'s machine.',
                               _json('Token', 201))}}


def _machines() -> Schema:
    config = _operation('The primary file of the config of whoever asks.',
                        _text(), _MACHINE_QUERY)
    file = _operation('A file of the config of whoever asks.', _text(),
                      _MACHINE_QUERY)
    return {
        '/api/v1/bootconfig': {'get': config},
        '/api/v1/bootconfig/{path}': {'parameters': _path('path'),
                                      'get': file},
        '/t/{token}/': {'parameters': _path('token'), 'get': config},
        '/t/{token}/{path}': {'parameters': _path('token', 'path'),
                              'get': file},
        '/api/v1/boot-complete': {'post': _operation(
            'Tell that the machine is installed.',
            {'202': {'description': 'Noted; the disk is not the boot device '
                                    'yet. Report again to see it.'},
             '204': {'description': 'Noted; the host boots from its disk, '
                                    'or was not to boot once.'}},
            _MACHINE_QUERY[:1])},
        '/ipxe': {'get': _operation('The iPXE script of a MAC.',
                                    _text('text/plain'),
                                    _MACHINE_QUERY[1:])},
        '/healthz': {'get': _operation(
            'Whether the server and its database work.',
            _text('text/plain'))},
        '/readyz': {'get': _operation(
            'Whether machines can be answered: hosts are known, as Ironic '
            'has them or as they were kept.', _text('text/plain'))}}


def description() -> Schema:
    """Return the description of the API (OpenAPI 3)."""
    cdrom = '/api/v1/iscsi-cdroms/{name}'
    paths = {
        **_collection('ISCSICdrom'), **_collection('BootConfig'),
        cdrom + '/upload': {
            'parameters': _path('name'),
            'get': _operation('How much is here of an upload.',
                              _json('Received')),
            'put': _operation(
                'Upload an ISO, or go on with it (Content-Range).',
                {**_json('ISCSICdrom'), **_json('ISCSICdrom', 202)},
                body=_TEXT, types=('application/octet-stream',))},
        cdrom + '/fetch': {
            'parameters': _path('name'),
            'post': _operation('Fetch an ISO again that failed.',
                               _json('ISCSICdrom', 202)),
            'delete': _operation(
                'Stop fetching an ISO.',
                _json('ISCSICdrom'))},
        cdrom + '/status': {
            'parameters': _path('name'),
            'patch': _operation(
                'Say where an ISO\'s target is.', _json('ISCSICdrom'),
                body={'type': 'object'})},
        '/api/v1/bootconfigs/{name}/preview': {
            'parameters': _path('name'),
            'get': _operation('A config as a host would get it.',
                              _json('Preview'), [_HOST_QUERY])},
        '/api/v1/preview': {'post': _operation(
            'A config that is not stored, as a host would get it.',
            _json('Preview'), [_HOST_QUERY], _ref('BootConfig'))},
        '/api/v1/formats': {'get': _operation(
            'The formats of configs.', _json('Formats'))},
        **_hosts(), **_machines()}
    return {
        'openapi': '3.1.0',
        'info': {'title': 'Bare metal boot', 'version': 'v1',
                 'license': {'name': 'Apache-2.0'}},
        'paths': paths, 'components': {'schemas': SCHEMAS}}


class OpenApi:
    """The description as a resource; public."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve the description as JSON."""
        conventions.answer(resp, description())
