# SPDX-License-Identifier: Apache-2.0

"""What requests of all resources have in common: pages, versions, names."""

import base64
import binascii
import collections.abc
import json
import typing

import falcon

from ironic_ext.catalog import resources
from ironic_ext.server import errors
from ironic_ext.server.mirror import feed as feeds

MAX_LIMIT = 1000
#: Annotations of lists and bookmarks while there is no news of their items.
STALE_SINCE = 'ironic-ext/stale-since'
STALE_REASON = 'ironic-ext/stale-reason'
_LIMIT = 500


def flag(req: falcon.Request, name: str) -> bool:
    """Read true or false of the query.

    :raises: BadRequestError
    """
    value = text(req, name).lower()
    if value not in ('', '0', '1', 'true', 'false'):
        raise errors.BadRequestError(f'{name} must be true or false')
    return value in ('1', 'true')


def dry_run(req: falcon.Request) -> bool:
    """Tell whether a change is to be judged only: ``dryRun=All``.

    :raises: BadRequestError
    """
    value = text(req, 'dryRun')
    if value not in ('', 'All'):
        raise errors.BadRequestError('dryRun must be All, or not given')
    return bool(value)


def number(req: falcon.Request, name: str, default: int, highest: int
           ) -> int:
    """Read a whole number of the query, from 1.

    :raises: BadRequestError
    """
    value = text(req, name)
    if not value:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 10
            and 1 <= int(value) <= highest):
        raise errors.BadRequestError(
            f'{name} must be a whole number from 1 to {highest}')
    return int(value)


def text(req: falcon.Request, name: str) -> str:
    """Read a text of the query, '' for none.

    :raises: BadRequestError
    """
    found = req.get_param_as_list(name) or ['']
    if len(found) > 1 or len(found[0]) > 4096:
        raise errors.BadRequestError(
            f'{name} must be given once, with at most 4096 characters')
    return found[0]


def limit(req: falcon.Request) -> int:
    """Read how many items are wanted.

    :raises: BadRequestError
    """
    return min(number(req, 'limit', _LIMIT, 1000000), MAX_LIMIT)


def continued(items: collections.abc.Sequence[str]) -> str:
    """Return a token for the next page that holds some words."""
    return base64.urlsafe_b64encode(
        json.dumps(list(items)).encode()).decode()


def parse_continued(token: str, count: int) -> list[str]:
    """Read such a token.

    :raises: BadRequestError
    """
    try:
        found = json.loads(base64.b64decode(token, altchars=b'-_',
                                            validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if (isinstance(found, list) and len(found) == count
            and all(isinstance(item, str) for item in found)):
        return found
    raise errors.BadRequestError('continue is no token of a list: begin '
                                 'without it')


def require_match(req: falcon.Request, version: str) -> bool:
    """Refuse a change of what is no longer as the client saw it.

    :param version: the resource version.
    :returns: whether the client said what it saw.
    :raises: PreconditionError
    """
    header = (req.get_header('If-Match') or '').strip()
    if not header or header == '*':
        return False
    tags = [tag.strip().removeprefix('W/').strip('"')
            for tag in header.split(',')]
    if version not in tags:
        raise errors.PreconditionError(
            f'it was changed by somebody else: it has resource version '
            f'{version}; read it again')
    return True


def wanted_version(document: object) -> str:
    """Return metadata.resourceVersion of a body, '' for none."""
    if isinstance(document, dict):
        metadata = document.get('metadata')
        if isinstance(metadata, dict):
            value = metadata.get('resourceVersion')
            if isinstance(value, str):
                return value
    return ''


def name(value: str) -> str:
    """Check a name of a path.

    :raises: NotFoundError
    """
    if not resources.is_name(value):
        raise errors.NotFoundError('there is nothing of that name')
    return value


def answer(resp: falcon.Response, document: bytes | dict[str, typing.Any],
           version: str = '') -> None:
    """Answer with a resource, in JSON.

    :param version: becomes the ETag.
    """
    resp.content_type = falcon.MEDIA_JSON
    resp.data = (document if isinstance(document, bytes)
                 else json.dumps(document).encode())
    if version:
        resp.etag = version


def age(staleness: feeds.Staleness | None) -> dict[str, typing.Any]:
    """Return what metadata say of news that cannot be had."""
    if staleness is None:
        return {}
    return {'annotations': {STALE_SINCE: staleness.since,
                            STALE_REASON: staleness.reason}}


def answer_list(resp: falcon.Response, kind: str, version: str,
                items: collections.abc.Iterable[bytes],
                following: str = '',
                staleness: feeds.Staleness | None = None) -> None:
    """Answer a list of encoded resources.

    :param following: token of the next page.
    :param staleness: why they may be other than this by now.
    """
    metadata: dict[str, typing.Any] = {'resourceVersion': version,
                                       **age(staleness)}
    if following:
        metadata['continue'] = following
    head = json.dumps({'apiVersion': resources.API_VERSION, 'kind': kind,
                       'metadata': metadata})
    resp.content_type = falcon.MEDIA_JSON
    resp.data = b'%s, "items": [%s]}' % (head[:-1].encode(),
                                         b','.join(items))
