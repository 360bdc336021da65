# SPDX-License-Identifier: Apache-2.0

"""Where else a host is to be seen: Ironic's own object, and its console.

The console is asked for by who wants it alone: Ironic's ipmitool-socat ends
the session of whoever is at it to answer.
"""

import contextlib
import re
import typing
from urllib import parse as urlparse

import falcon

from ironic_ext import printable
from ironic_ext.server import errors
from ironic_ext.server.mirror import ironic_api
from ironic_ext.server.rest import conventions
from ironic_ext.server.rest import hosts
from ironic_ext.server.rest import policies

#: Characters of a URL, more than browsers are sure to take.
_MAX_URL = 2048
_VERSION = re.compile('/v1$')
#: What stands before the "@" of a URL, with or without a password.
_USER = re.compile('^([^/?#]*//)?[^/?#]*@')


def public_url(option: str | None) -> str:
    """Return [ext_server]ironic_public_url without what a path adds.

    :raises: ValueError
    """
    url = (option or '').rstrip('/')
    if url and not _is_for_browsers(url):
        raise ValueError(
            '[ext_server]ironic_public_url must be a URL of http or https '
            'without a user, such as https://ironic.example.com:6385')
    return _VERSION.sub('', url)


class HostLinks:
    """What there is to see of a host elsewhere.

    :param url: see public_url(); '' for what Keystone's catalog has.
    :raises: ValueError
    """

    def __init__(self, shared: hosts.Hosts, api: ironic_api.IronicApi,
                 url: str | None) -> None:
        self._shared = shared
        self._api = api
        self._url = public_url(url)

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               namespace: str, name: str) -> None:
        """Tell it; what cannot be known now is left out."""
        host = self._shared.seen(req, namespace, name).host
        found: dict[str, typing.Any] = {}
        if url := self._node_url(host.uuid):
            found['node'] = url
        if self._shared.guard.allows(req, policies.CONSOLE, host):
            with contextlib.suppress(errors.ServerError):
                found['consoleEnabled'] = self._api.has_console(host.uuid)
        conventions.answer(resp, found)

    def _node_url(self, uuid: str) -> str:
        base = self._url
        if not base:
            with contextlib.suppress(errors.IronicError):
                base = _VERSION.sub('', self._api.public_url().rstrip('/'))
        return (f'{base}/v1/nodes/{uuid}' if _is_for_browsers(base) else '')


class HostConsole:
    """The console of a host."""

    def __init__(self, shared: hosts.Hosts, api: ironic_api.IronicApi
                 ) -> None:
        self._shared = shared
        self._api = api

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               namespace: str, name: str) -> None:
        """Tell what kind it is, and where."""
        self._shared.require(req, policies.CONSOLE, namespace, name)
        # Of whoever has it by now.
        host = self._shared.now(self._shared.get(namespace, name).host)
        self._shared.guard.require(req, policies.CONSOLE, host)
        # It may be as good as a password.
        resp.set_header('Cache-Control', 'no-store')
        conventions.answer(resp, console(self._api.console(host.uuid)))


def console(found: object) -> dict[str, typing.Any]:
    """Return what is told of what Ironic says of a console.

    :param found: its ``console_info``; drivers write what they like.
    """
    if not isinstance(found, dict):
        return {'enabled': False}
    said = {key: found[key] for key in ('type', 'url')
            if isinstance(found.get(key), str) and found[key]}
    if 'url' in said:
        said['url'] = _USER.sub(r'\1***@', said['url'])
    return {'enabled': True, **{
        key: printable.escaped(value)[:_MAX_URL]
        for key, value in said.items()}}


def _is_for_browsers(url: str) -> bool:
    try:
        parts = urlparse.urlsplit(url)
        return (parts.scheme in ('http', 'https') and bool(parts.hostname)
                and parts.port != 0 and '@' not in parts.netloc
                and len(url) < _MAX_URL and url.isascii()
                and url.isprintable() and ' ' not in url)
    except ValueError:
        # No host, or no port, whatever it begins with.
        return False
