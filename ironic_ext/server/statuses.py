# SPDX-License-Identifier: Apache-2.0

"""Errors as Kubernetes' Status: what went wrong, for people and programs."""

import http
import json
import logging
import re
import time
import typing

import falcon

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext import host_records
from ironic_ext.server import errors

LOG = logging.getLogger(__name__)

#: Seconds between two complaints that too many ask.
_SILENCE = 60.0
#: A machine's token, or what looks like one: paths may be misspelt.
_TOKEN = re.compile('(?<=/t/)[^/]+|[A-Za-z0-9_-]{48,}')
_SAID = {404: 'there is nothing of that path',
         405: 'that cannot be done with this path'}
_CATALOG_ERRORS: tuple[tuple[type[catalog.CatalogError], int, str], ...] = (
    (catalog.NotFoundError, 404, 'NotFound'),
    (catalog.AlreadyExistsError, 409, 'AlreadyExists'),
    (catalog.InUseError, 409, 'Conflict'),
    (catalog.ConflictError, 409, 'Conflict'),
    (catalog.TooOldError, 410, 'Expired'),
    (catalog.InvalidError, 400, 'Invalid'),
    (catalog.DatabaseError, 503, 'ServiceUnavailable'),
    (catalog.CatalogError, 500, 'InternalError'))


def document(code: int, reason: str, message: str,
             details: dict[str, typing.Any] | None = None
             ) -> dict[str, typing.Any]:
    """Return a Status of a failure."""
    body: dict[str, typing.Any] = {
        'apiVersion': 'v1', 'kind': 'Status', 'status': 'Failure',
        'code': code, 'reason': reason, 'message': message}
    if details:
        body['details'] = details
    return body


def of(error: Exception) -> dict[str, typing.Any]:
    """Return the Status of an error that is fit to show."""
    if isinstance(error, errors.ServerError):
        return document(error.code, error.reason, str(error),
                        {'causes': list(error.causes)} if error.causes
                        else None)
    if isinstance(error, config_formats.ConfigError):
        return document(400, 'Invalid', str(error), {'causes': [
            {'reason': 'FieldValueInvalid', 'message': item.reason,
             'field': f'spec.data["{item.file}"]' if item.file else 'spec',
             **({'line': item.line} if item.line is not None else {})}
            for item in error.findings]})
    if isinstance(error, host_records.RecordsError):
        return document(503, 'ServiceUnavailable', str(error))
    for kind, code, reason in _CATALOG_ERRORS:
        if isinstance(error, kind):
            return document(code, reason, str(error), _details(error))
    raise TypeError(type(error))


def _details(error: Exception) -> dict[str, typing.Any] | None:
    if isinstance(error, catalog.InUseError):
        return {'referrers': list(error.referrers)}
    if isinstance(error, catalog.InvalidError):
        return {'causes': [
            {'reason': 'FieldValueInvalid', 'field': problem.field,
             'message': problem.reason} for problem in error.problems]}
    return None


class _Complaint:
    """Something that is said once in a while."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_silent(self) -> bool:
        """Tell whether it was said just now; otherwise it is said now."""
        now = time.monotonic()
        if now < self._until:
            return True
        self._until = now + _SILENCE
        return False


_BUSY = _Complaint()


def judged(error: Exception, method: str, path: str
           ) -> dict[str, typing.Any]:
    """Return the Status of any error; log what is our fault."""
    path = without_token(path)
    try:
        body = of(error)
    except TypeError:
        LOG.error('%s %s fails', method, path, exc_info=error)
        return document(500, 'InternalError',
                        'the server has an error; its log says more')
    if body['code'] >= 500 and not (
            isinstance(error, errors.BusyError) and _BUSY.is_silent()):
        LOG.error('%s %s: %s', method, path, str(error))
    return body


def without_token(path: str) -> str:
    """Return a path as logs may have it."""
    return _TOKEN.sub('TOKEN', path)


def unknown_path() -> dict[str, typing.Any]:
    """Return the Status for a path of nothing."""
    return document(404, 'NotFound', _SAID[404])


def unknown_method() -> dict[str, typing.Any]:
    """Return the Status for a method that a path does not have."""
    return document(405, 'MethodNotAllowed', _SAID[405])


def add_handlers(app: falcon.App[typing.Any, typing.Any]) -> None:
    """Answer all errors of an app by a Status."""
    app.add_error_handler(Exception, _on_error)
    app.add_error_handler(falcon.HTTPStatus, _on_status)
    app.set_error_serializer(_serialize)


def answer(resp: falcon.Response, body: dict[str, typing.Any]) -> None:
    """Answer with a Status, Kubernetes' word for an error."""
    resp.status = body['code']
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps(body).encode()
    resp.text = resp.media = resp.stream = None


def _on_error(req: falcon.Request, resp: falcon.Response,
              error: Exception, params: object) -> None:
    if isinstance(error, falcon.HTTPError):
        resp.set_headers(error.headers or {})
        answer(resp, _of_falcon(error))
    else:
        answer(resp, judged(error, req.method, req.path))


def _on_status(req: falcon.Request, resp: falcon.Response, error: Exception,
               params: object) -> None:
    raise error


def _serialize(req: falcon.Request, resp: falcon.Response,
               error: falcon.HTTPError) -> None:
    answer(resp, _of_falcon(error))


def _of_falcon(error: falcon.HTTPError) -> dict[str, typing.Any]:
    code = error.status_code
    reason = http.HTTPStatus(code).phrase.title().replace(' ', '')
    return document(code, reason,
                    _SAID.get(code) or error.description or reason)
