# SPDX-License-Identifier: Apache-2.0

"""Who asks, and whether they may: as Ironic's own API does it.

[ext_server]auth_strategy is noauth, http_basic or keystone; rules are
oslo.policy's. Machines have no login, their paths are open.
"""

import collections.abc
import typing

import falcon
from oslo_config import cfg
from oslo_context import context as contexts
from oslo_policy import policy

from ironic_ext.server import errors
from ironic_ext.server.rest import policies

_CHALLENGE = 'Basic realm="Bare metal boot", charset="UTF-8"'

#: Where a user is in the environment of a request, once it has logged in.
_USER = 'ironic_ext.user'

Environ = dict[str, typing.Any]
Application = collections.abc.Callable[..., collections.abc.Iterable[bytes]]


class Access:
    """Decides by policy who may do what."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Read the rules of the policy file.

        :raises: what oslo.policy raises for bad rules
        """
        self._open = conf.ext_server.auth_strategy == 'noauth'
        self._basic = conf.ext_server.auth_strategy == 'http_basic'
        self._file = conf.ext_server.http_basic_auth_user_file
        if self._basic:
            from oslo_middleware import basic_auth
            basic_auth.validate_auth_file(self._file)
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.register_defaults(policies.list_rules())

    def allows(self, req: falcon.Request, rule: str) -> bool:
        """Tell whether who asks may.

        :raises: UnauthorizedError
        """
        if self._open:
            return True
        if self._basic:
            self._require_user(req)
            return True
        return bool(self._enforcer.enforce(
            rule, {}, self._context(req).to_policy_values()))

    def project(self, req: falcon.Request) -> str:
        """Return whose part of the catalog who asks has, '' for all.

        :raises: UnauthorizedError, ForbiddenError
        """
        if self.allows(req, policies.CATALOG_ALL):
            return ''
        project = self._context(req).project_id
        if not project:
            raise errors.ForbiddenError(
                f'log in to a project: the policy {policies.CATALOG_ALL} '
                'forbids to have all of the catalog')
        return str(project)

    def home(self, req: falcon.Request) -> str | None:
        """Return whose it is what somebody adds; None where none has any.

        :raises: UnauthorizedError
        """
        if self._open or self._basic:
            return None
        return str(self._context(req).project_id or '')

    def _context(self, req: falcon.Request) -> contexts.RequestContext:
        """Return who asks, as Keystone has it."""
        environ = req.env
        if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
            raise errors.UnauthorizedError('give a token of Keystone')
        return contexts.RequestContext.from_environ(environ)

    def require(self, req: falcon.Request, rule: str) -> None:
        """Refuse who may not.

        :raises: UnauthorizedError, ForbiddenError
        """
        if not self.allows(req, rule):
            raise errors.ForbiddenError(f'the policy {rule} forbids it')

    def _require_user(self, req: falcon.Request) -> None:
        # Of the middleware only its parts are used: its file is a global
        # option.
        from oslo_middleware import basic_auth
        import webob.exc  # type: ignore[import-untyped]
        if req.env.get(_USER):
            return
        try:
            name, password = basic_auth.parse_token(
                basic_auth.parse_header(req.env))
            basic_auth.authenticate(self._file, name, password)
        except (webob.exc.HTTPException, ValueError) as exc:
            raise errors.UnauthorizedError(
                'give a user and password of '
                '[ext_server]http_basic_auth_user_file') from exc
        # The same request is judged again when its body is here.
        req.env[_USER] = name


def challenge(strategy: str) -> str:
    """Return what tells clients how to log in (WWW-Authenticate)."""
    return 'Keystone' if strategy == 'keystone' else _CHALLENGE


def guarded(app: Application, conf: cfg.ConfigOpts) -> Application:
    """Put Keystone's middleware before an app, if it is configured."""
    if conf.ext_server.auth_strategy != 'keystone':
        return app
    from keystonemiddleware import auth_token
    guard: Application = auth_token.AuthProtocol(
        app, {'oslo_config_config': conf, 'delay_auth_decision': True})

    def choose(environ: Environ, start_response: typing.Any
               ) -> collections.abc.Iterable[bytes]:
        # Keystone has no say in what machines get.
        if environ.get('HTTP_X_AUTH_TOKEN'):
            return guard(environ, start_response)
        for name in [name for name in environ
                     if name.startswith('HTTP_X_') and name.startswith((
                         'HTTP_X_IDENTITY', 'HTTP_X_USER', 'HTTP_X_ROLE',
                         'HTTP_X_PROJECT', 'HTTP_X_DOMAIN',
                         'HTTP_X_SERVICE', 'HTTP_X_TENANT'))]:
            del environ[name]
        return app(environ, start_response)
    return choose
