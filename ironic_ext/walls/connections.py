# SPDX-License-Identifier: Apache-2.0

"""Requests that go where the fence lets them, and to no other address.

A connection goes to the very address that was judged. Behind a proxy it is
the proxy that resolves and connects: what can be told here is judged.
"""

import collections.abc
import typing
from urllib import parse as urlparse

import requests
from requests import adapters
from requests import utils as requests_utils
import urllib3

from ironic_ext.walls import addresses

_PORTS = {'http': 80, 'https': 443}


def send(adapter: typing.Any, request: requests.PreparedRequest,
         fence: addresses.Fence | None,
         proxies: collections.abc.Mapping[str, str],
         **options: typing.Any) -> requests.Response:
    """Send a request within a fence.

    :param adapter: of a session that one thread uses.
    :param fence: None for what the operator chose.
    :param options: others of ``HTTPAdapter.send``.
    :raises: Refused, and what the adapter raises
    """
    if fence is None:
        return _sent(adapter, request, proxies=proxies, **options)
    url = request.url or ''
    parts = urlparse.urlsplit(url)
    host = parts.hostname or ''
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if requests_utils.select_proxy(url, proxies):
        try:
            fence.addresses(host, port)
        except OSError:
            pass  # a name that the proxy alone knows
        return _sent(adapter, request, proxies=proxies, **options)
    *others, last = fence.addresses(host, port)
    for address in others:
        try:
            return _sent(adapter, _at(adapter, request, address),
                         proxies={}, **options)
        except requests.ConnectionError as exc:
            if not _never_connected(exc):
                raise
    return _sent(adapter, _at(adapter, request, last), proxies={}, **options)


def status(method: str, url: str, fence: addresses.Fence | None, *,
           timeout: float, verify: bool | str) -> int:
    """Ask a server once, without following it elsewhere.

    :param fence: None for what the operator chose.
    :param timeout: seconds.
    :returns: the status of its answer.
    :raises: Refused, and OSError, which those of requests are
    """
    with requests.Session() as session:
        options = session.merge_environment_settings(url, {}, True, verify,
                                                     None)
        request = session.prepare_request(requests.Request(method, url))
        with send(session.get_adapter(url), request, fence, timeout=timeout,
                  **options) as answer:
            return answer.status_code


def pinned(proxy: str, fence: addresses.Fence) -> str:
    """Return a proxy's URL with the address that was judged for its name.

    :param proxy: URL; a password may be in it.
    :raises: Refused, OSError when the name cannot be resolved
    """
    parts = urlparse.urlsplit(proxy)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    address = fence.addresses(parts.hostname or '', port)[0]
    login, at, _host = parts.netloc.rpartition('@')
    place = f'[{address}]' if ':' in address else address
    return urlparse.urlunsplit(parts._replace(
        netloc=f'{login}{at}{place}:{port}'))


def _sent(adapter: typing.Any, request: requests.PreparedRequest,
          **options: typing.Any) -> requests.Response:
    response: requests.Response = adapter.send(request, **options)
    return response


def _at(adapter: typing.Any, request: requests.PreparedRequest,
        address: str) -> requests.PreparedRequest:
    """Return the same request to one address of its host."""
    parts = urlparse.urlsplit(request.url or '')
    place = f'[{address}]' if ':' in address else address
    if parts.port is not None:
        place = f'{place}:{parts.port}'
    found = request.copy()
    found.url = urlparse.urlunsplit(parts._replace(netloc=place))
    found.headers['Host'] = parts.netloc.rpartition('@')[2]
    if isinstance(adapter, adapters.HTTPAdapter):
        # The name that TLS asks for and verifies is the host's own.
        settings = adapter.poolmanager.connection_pool_kw
        settings.pop('server_hostname', None)
        if parts.scheme == 'https' and parts.hostname != address:
            settings['server_hostname'] = parts.hostname
    return found


def _never_connected(exc: requests.ConnectionError) -> bool:
    if isinstance(exc, requests.exceptions.ConnectTimeout):
        return True
    found = exc.args[0] if exc.args else None
    reason = getattr(found, 'reason', None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
