# SPDX-License-Identifier: Apache-2.0

"""The data image of a host: ``spec.dataImage`` and what came of it. Pure.

Conductors keep and judge it (the vendor passthru ``data_image``); here it is
shown without what may be secret, and a change is put together. What is
secret is not known here, so it has to be given with every change.
"""

import collections.abc
import typing

from ironic_ext import catalog
from ironic_ext.catalog import merge

#: Where Ironic's driver_internal_info has it.
KEY = 'ext_data_image'
_FIELD = 'spec.dataImage'
#: What is shown in short, and cannot be sent back as it is shown.
_SHORT = ('ca', 'files')
_SECRETS = ('password',)

_Map = collections.abc.Mapping[str, typing.Any]


class Change(typing.NamedTuple):
    """What to ask the conductor for.

    :ivar wanted: the data image, None for none.
    """

    wanted: dict[str, typing.Any] | None


def kept(node: _Map) -> dict[str, typing.Any] | None:
    """Return what is wanted of a node's record, None when it has none.

    Without the times of looks, which would be changes of the host.
    """
    record = _mapping(_mapping(node.get('driver_internal_info')).get(KEY))
    if not record:
        return None
    status, medium = _mapping(record.get('status')), _mapping(
        record.get('medium'))
    spec = record.get('spec')
    return {
        'spec': {key: value for key, value in spec.items()
                 if key not in _SECRETS}
        if isinstance(spec, collections.abc.Mapping) else None,
        'status': {key: status.get(key) for key in (
            'phase', 'reason', 'inserted', 'errors', 'error')},
        'medium': {key: medium.get(key) for key in (
            'image', 'digest', 'size', 'slot', 'device')}}


def spec(record: _Map | None) -> dict[str, typing.Any] | None:
    """Return what is asked for, as it may be shown."""
    found = _mapping(record).get('spec')
    return dict(found) if found else None


def status(record: _Map | None) -> dict[str, typing.Any] | None:
    """Return what was seen, None for a host without a data image."""
    if not record:
        return None
    seen, medium = _mapping(record.get('status')), _mapping(
        record.get('medium'))
    shown: dict[str, typing.Any] = {'phase': _text(seen.get('phase'))}
    if seen.get('reason'):
        shown['reason'] = _text(seen['reason'])
    if isinstance(seen.get('inserted'), bool):
        shown['inserted'] = seen['inserted']
    if seen.get('inserted') and medium.get('image'):
        size = medium.get('size')
        shown['attachedImage'] = {
            'url': _text(medium['image']),
            **({'digest': _text(medium['digest'])}
               if medium.get('digest') else {}),
            **({'size': size} if isinstance(size, int) else {})}
        shown['slot'] = _text(medium.get('slot')).rpartition('/')[2]
        shown['device'] = _text(medium.get('device'))
    if seen.get('errors'):
        shown['error'] = {'count': seen['errors'],
                          'message': _text(seen.get('error'))}
    return shown


def planned(record: _Map | None, wanted: object, patch: object | None
            ) -> Change | None:
    """Return the change of a host's data image, None for none.

    :param wanted: ``dataImage`` of the spec that is wanted.
    :param patch: the merge patch of it, :data:`wanted` where the whole is
        given.
    :raises: InvalidError
    """
    shown = spec(record)
    if wanted is None:
        return Change(None) if shown else None
    if not isinstance(wanted, collections.abc.Mapping):
        raise _invalid('', 'must be an object, or null for no data image')
    if wanted == shown:
        return None
    given = patch if isinstance(patch, collections.abc.Mapping) else {}
    if 'url' in wanted and 'url' not in given:
        raise _invalid('url', 'must be given with every change: what may be '
                              'secret of it is not known here')
    if wanted.get('username') and not given.get('password'):
        raise _invalid('password', 'must be given with every change: it is '
                                   'not known here')
    for field in _SHORT + (
            ('checksum',) if '://' in str(wanted.get('checksum')) else ()):
        if field in wanted and field not in given:
            raise _invalid(field, 'must be given with every change, or '
                                  'removed by null')
    return Change(dict(wanted))


def patched(record: _Map | None, patch: object) -> object:
    """Return a data image with a merge patch (RFC 7386)."""
    return merge.patched(spec(record), patch)


def _invalid(field: str, reason: str) -> catalog.InvalidError:
    return catalog.InvalidError(catalog.Problem(
        f'{_FIELD}.{field}' if field else _FIELD, reason))


def _mapping(value: object) -> _Map:
    return value if isinstance(value, collections.abc.Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ''
