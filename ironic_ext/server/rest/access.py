# SPDX-License-Identifier: Apache-2.0

"""Who asks, and whether they may: as Ironic's own API does it.

[ext_server]auth_strategy is noauth, http_basic or keystone; rules are
oslo.policy's. Machines have no login, their paths are open.
"""

import collections.abc
import datetime
import functools
import typing

import falcon
from oslo_config import cfg
from oslo_context import context as contexts
from oslo_policy import policy
import webob  # type: ignore[import-untyped]

from ironic_ext.node import host as hosts
from ironic_ext.server import errors
from ironic_ext.server.rest import policies

if typing.TYPE_CHECKING:
    from ironic_ext.server.rest import users

_CHALLENGE = 'Basic realm="Bare metal boot", charset="UTF-8"'

#: Where a user is in the environment of a request, once it has logged in,
#: and what it may: who judged that, rules, and hosts they were about.
_USER, _JUDGED = 'ironic_ext.user', 'ironic_ext.judged'
#: What somebody logs in by.
_LOGINS = ('HTTP_X_AUTH_TOKEN', 'HTTP_X_SERVICE_TOKEN', 'HTTP_AUTHORIZATION')
#: Owners and lessees that are judged once for a request.
_PAIRS = 10000

Environ = dict[str, typing.Any]
Application = collections.abc.Callable[..., collections.abc.Iterable[bytes]]


class Access:
    """Decides by policy who may do what."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Read the rules of the policy file.

        :raises: what oslo.policy raises for bad rules
        """
        self._open = conf.ext_server.auth_strategy == 'noauth'
        self._users = (
            _users(conf.ext_server.http_basic_auth_user_file)
            if conf.ext_server.auth_strategy == 'http_basic' else None)
        self._again = (_Again(conf)
                       if conf.ext_server.auth_strategy == 'keystone'
                       else None)
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.register_defaults(policies.list_rules())

    def allows(self, req: falcon.Request, rule: str,
               host: hosts.Host | None = None) -> bool:
        """Tell whether who asks may.

        :param host: that it is about, if any.
        :raises: UnauthorizedError
        """
        found = self._allows(req.env, rule, host)
        if found:
            req.env.setdefault(_JUDGED, []).append((self, rule, host))
        return found

    def require(self, req: falcon.Request, rule: str,
                host: hosts.Host | None = None) -> None:
        """Refuse who may not.

        :param host: that it is about, if any.
        :raises: UnauthorizedError, ForbiddenError
        """
        if not self.allows(req, rule, host):
            raise _forbidden(rule)

    def sees(self, req: falcon.Request
             ) -> collections.abc.Callable[[str, str], bool]:
        """Return what tells the hosts that who asks may see.

        :returns: takes a host's owner and lessee.
        :raises: UnauthorizedError
        """
        environ = req.env

        @functools.lru_cache(_PAIRS)
        def sees(owner: str, lessee: str) -> bool:
            return self._enforced(environ, policies.HOSTS_READ,
                                  _target(owner, lessee))

        return sees

    def judge_again(self, environ: Environ, judged: collections.abc.Sequence[
            tuple[str, hosts.Host | None]]) -> None:
        """Judge once more who logged in before; may wait.

        :param environ: with the login alone.
        :param judged: rules that were met, and the hosts they were about.
        :raises: UnauthorizedError, ForbiddenError
        """
        if self._again is not None and not self._again(environ):
            # Keystone does not answer: nobody knows better.
            return
        for rule, host in judged:
            if not self._allows(environ, rule, host):
                raise _forbidden(rule)

    def _allows(self, environ: Environ, rule: str, host: hosts.Host | None
                ) -> bool:
        return self._enforced(environ, rule, _target(
            host.owner, host.lessee) if host is not None else {})

    def _enforced(self, environ: Environ, rule: str,
                  target: dict[str, str]) -> bool:
        """Judge by the rules.

        :raises: UnauthorizedError
        """
        if self._open:
            return True
        if self._users is not None:
            self._require_user(environ)
            return True
        return bool(self._enforcer.enforce(
            rule, target, _context(environ).to_policy_values()))

    def project(self, req: falcon.Request) -> str:
        """Return whose part of the catalog who asks has, '' for all.

        :raises: UnauthorizedError, ForbiddenError
        """
        if self.allows(req, policies.CATALOG_ALL):
            return ''
        project = _context(req.env).project_id
        if not project:
            raise errors.ForbiddenError(
                f'log in to a project: the policy {policies.CATALOG_ALL} '
                'forbids to have all of the catalog')
        return str(project)

    def home(self, req: falcon.Request) -> str | None:
        """Return whose it is what somebody adds; None where none has any.

        :raises: UnauthorizedError
        """
        if self._open or self._users is not None:
            return None
        return str(_context(req.env).project_id or '')

    def _require_user(self, environ: Environ) -> None:
        if environ.get(_USER):
            return
        assert self._users is not None
        name = self._users.name(environ)
        if not name:
            raise errors.UnauthorizedError(
                'give a user and password of '
                '[ext_server]http_basic_auth_user_file')
        # The same request is judged again when its body is here.
        environ[_USER] = name


class _Again:
    """Asks Keystone's middleware once more who somebody is."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Prepare the middleware; nothing is asked yet."""
        self._conf = conf

    def __call__(self, environ: Environ) -> bool:
        """Complete the environment; tell whether Keystone answers."""
        reached: list[Environ] = []

        def app(environ: Environ, start_response: typing.Any
                ) -> collections.abc.Iterable[bytes]:
            reached.append(environ)
            start_response('200 OK', [])
            return [b'']

        from keystonemiddleware import auth_token
        guard = auth_token.AuthProtocol(app, _options(self._conf))
        for _part in guard(environ, lambda *_answer: None):
            pass
        if reached:
            environ.update(reached[0])
        return bool(reached)


def renewal(req: falcon.Request) -> collections.abc.Callable[[], None]:
    """Return what judges once more who asked for what they got.

    It may wait, and raises UnauthorizedError or ForbiddenError.
    """
    login = {name: req.env[name] for name in _LOGINS if name in req.env}
    judged = list(req.env.get(_JUDGED, ()))

    def judge() -> None:
        for guard in {guard for guard, _rule, _host in judged}:
            guard.judge_again(
                {**webob.Request.blank('/').environ, **login},
                [(rule, host) for other, rule, host in judged
                 if other is guard])
    return judge


def expires(environ: Environ) -> float | None:
    """Return when the login of a request ends, None for never.

    :returns: seconds since the epoch.
    """
    token = (environ.get('keystone.token_info') or {}).get('token') or {}
    try:
        return datetime.datetime.fromisoformat(
            str(token.get('expires_at'))).timestamp()
    except ValueError:
        return None


def _target(owner: str, lessee: str) -> dict[str, str]:
    """Return what rules compare with.

    No project has a blank for its name, where a host has none; "None", as
    Python writes nothing, would be that of those who log in to the system.
    """
    return {'node.owner': owner or ' ', 'node.lessee': lessee or ' '}


def _context(environ: Environ) -> contexts.RequestContext:
    """Return who asks, as Keystone has it.

    :raises: UnauthorizedError
    """
    if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
        raise errors.UnauthorizedError('give a token of Keystone')
    return contexts.RequestContext.from_environ(environ)


def _forbidden(rule: str) -> errors.ForbiddenError:
    return errors.ForbiddenError(f'the policy {rule} forbids it')


def _users(path: str) -> 'users.Users':
    # oslo.middleware loads much that nothing else here needs.
    from ironic_ext.server.rest import users
    return users.Users(path)


def _options(conf: cfg.ConfigOpts) -> dict[str, typing.Any]:
    """Return what Keystone's middleware is made with."""
    return {'oslo_config_config': conf, 'delay_auth_decision': True}


def challenge(strategy: str) -> str:
    """Return what tells clients how to log in (WWW-Authenticate)."""
    return 'Keystone' if strategy == 'keystone' else _CHALLENGE


def guarded(app: Application, conf: cfg.ConfigOpts) -> Application:
    """Put Keystone's middleware before an app, if it is configured."""
    if conf.ext_server.auth_strategy != 'keystone':
        return app
    from keystonemiddleware import auth_token
    guard: Application = auth_token.AuthProtocol(
        app, _options(conf))

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
