# SPDX-License-Identifier: Apache-2.0

"""Bodies of requests: bounded, JSON or YAML, and nothing else.

Browsers send none of these types across origins without asking first, so
that a strange page cannot use what a browser remembers of a login.
"""

import json
import typing

import falcon
import yaml

from ironic_ext.server import errors

_JSON = ('application/json', 'application/merge-patch+json')
_YAML = ('application/yaml', 'application/x-yaml', 'text/yaml')
TYPES = _JSON + _YAML
#: Where the body is in the environment of a request, once it is here.
BODY = 'ironic_ext.body'
#: Levels of objects and lists in each other.
_MAX_DEPTH = 50


class Wanted(BaseException):
    """Who asks may, and now the body is needed.

    Not an Exception: nothing is wrong.

    :ivar limit: bytes.
    """

    def __init__(self, limit: int) -> None:
        """Take the most that is wanted."""
        super().__init__(limit)
        self.limit = limit


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can make one line a gigabyte."""

    def compose_node(self, parent: typing.Any, index: typing.Any
                     ) -> typing.Any:
        """Refuse aliases."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, 'aliases are not accepted',
                self.peek_event().start_mark)  # type: ignore
        return super().compose_node(parent, index)


# Times stay text, as they are in JSON.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers
            if tag != 'tag:yaml.org,2002:timestamp']
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def read(req: falcon.Request, limit: int) -> bytes:
    """Return the body of a request.

    :param limit: bytes.
    :raises: TooLargeError; Wanted when it has to be received first
    """
    if (req.content_length or 0) > limit:
        raise too_large(limit)
    found: bytes | None = req.env.get(BODY)
    if found is None:
        raise Wanted(limit)
    return found


def document(req: falcon.Request, limit: int) -> typing.Any:
    """Return the parsed body.

    :raises: MediaTypeError, TooLargeError, BadRequestError
    """
    kind = (req.content_type or '').partition(';')[0].strip().lower()
    if kind not in TYPES:
        raise errors.MediaTypeError(
            f'the Content-Type must be one of {", ".join(TYPES)}')
    body = read(req, limit)
    try:
        text = body.decode()
        found = (json.loads(text, parse_constant=_refuse) if kind in _JSON
                 else yaml.load(text, Loader=_Loader))
        _require_plain(found, _MAX_DEPTH)
        return found
    except UnicodeDecodeError as exc:
        raise errors.BadRequestError('the body is not UTF-8') from exc
    except json.JSONDecodeError as exc:
        raise errors.BadRequestError(
            f'the body is no JSON: line {exc.lineno} column {exc.colno}: '
            f'{exc.msg}') from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, 'problem_mark', None)
        where = f'line {mark.line + 1}: ' if mark else ''
        problem = getattr(exc, 'problem', None) or 'malformed'
        raise errors.BadRequestError(
            f'the body is no YAML: {where}{problem}') from exc
    except (ValueError, RecursionError, TypeError) as exc:
        raise errors.BadRequestError(
            'the body has values that JSON cannot have, or too many levels'
        ) from exc


def _refuse(name: str) -> typing.NoReturn:
    raise ValueError(name)


def _require_plain(value: object, depth: int) -> None:
    if depth == 0:
        raise RecursionError
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError
            key.encode()
            _require_plain(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _require_plain(item, depth - 1)
    elif isinstance(value, str):
        # Half a surrogate pair is no text for a database.
        value.encode()
    elif isinstance(value, float):
        if value != value or value in (float('inf'), float('-inf')):
            raise ValueError
    elif value is not None and not isinstance(value, (bool, int)):
        raise TypeError


def too_large(limit: int) -> errors.TooLargeError:
    """Return the error for a body of more bytes than a limit."""
    return errors.TooLargeError(f'the body has more than {limit} bytes '
                                '([ext_server]max_body_size)')
