# SPDX-License-Identifier: Apache-2.0

"""Errors as Kubernetes' Status: what went wrong, for people and programs."""

import http
import json
import logging
import typing

import falcon

from ironic_ext import catalog
from ironic_ext import config_formats
from ironic_ext.server import errors

LOG = logging.getLogger(__name__)

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


def add_handlers(app: falcon.App[typing.Any, typing.Any]) -> None:
    """Answer all errors of an app by a Status."""
    app.add_error_handler((errors.ServerError, catalog.CatalogError,
                           config_formats.ConfigError), _on_known)
    app.add_error_handler(Exception, _on_unknown)
    app.add_error_handler(falcon.HTTPStatus, _on_status)
    app.set_error_serializer(_serialize)


def answer(resp: falcon.Response, body: dict[str, typing.Any]) -> None:
    """Answer a Status."""
    resp.status = body['code']
    resp.content_type = falcon.MEDIA_JSON
    resp.data = json.dumps(body).encode()
    resp.text = resp.media = resp.stream = None


def _on_known(req: falcon.Request, resp: falcon.Response, error: Exception,
              params: object) -> None:
    body = of(error)
    if body['code'] >= 500:
        LOG.error('%s %s: %s', req.method, req.path, str(error))
    answer(resp, body)


def _on_unknown(req: falcon.Request, resp: falcon.Response,
                error: Exception, params: object) -> None:
    if isinstance(error, falcon.HTTPError):
        resp.set_headers(error.headers or {})
        answer(resp, _of_falcon(error))
        return
    LOG.error('%s %s fails', req.method, req.path, exc_info=error)
    answer(resp, document(500, 'InternalError',
                          'the server has an error; its log says more'))


def _on_status(req: falcon.Request, resp: falcon.Response, error: Exception,
               params: object) -> None:
    raise error


def _serialize(req: falcon.Request, resp: falcon.Response,
               error: falcon.HTTPError) -> None:
    answer(resp, _of_falcon(error))


def _of_falcon(error: falcon.HTTPError) -> dict[str, typing.Any]:
    code = error.status_code
    reason = http.HTTPStatus(code).phrase.title().replace(' ', '')
    said = {404: 'there is nothing of that path',
            405: 'that cannot be done with this path'}.get(code)
    return document(code, reason, said or error.description or reason)
