# SPDX-License-Identifier: Apache-2.0

"""Asks Ironic, and through it the conductor and the BMC, about a node."""

import collections.abc
import concurrent.futures
import datetime
import json
import typing
import urllib.parse

from keystoneauth1 import exceptions as login_errors
import requests

from ironic_ext.cli.doctor import diagnosis

#: Drives as the API shows them came with 1.93.
_MICROVERSION = '1.93'
#: Seconds: a conductor that asks a slow BMC takes some time.
_TIMEOUT = 60
_SERVER_TIMEOUT = 10


class LookError(Exception):
    """The node cannot be looked at; one sentence."""


class Client(typing.Protocol):
    """The part of keystoneauth's adapter that is needed."""

    def get(self, url: str, **options: typing.Any) -> typing.Any:
        """Ask for something."""


def at(client: Client, name: str, verify: bool | str = True
       ) -> diagnosis.Seen:
    """Look at a node's boot. Nothing is changed.

    :param client: of the baremetal API.
    :param verify: how the media server's certificate is.
    :raises: LookError when there is no such node, or no Ironic;
        AuthPluginException, Unauthorized without a login.
    """
    quoted = urllib.parse.quote(name, safe='')
    node = _ask(client, f'/nodes/{quoted}')
    if isinstance(node, str):
        raise LookError(f'node {name}: {node}')
    path = f'/nodes/{node["uuid"]}'
    # Each may wait for the BMC: together they take as long as one.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        validation, drives, made, next_boot = pool.map(
            lambda what: _ask(client, f'{path}/{what}'),
            ('validate', 'vmedia', 'vendor_passthru?method=boot_media',
             'vendor_passthru?method=next_boot'))
    media = _part(made, 'media')
    return diagnosis.Seen(
        node, validation, _drives(drives), media, next_boot,
        _reachable(media, verify), datetime.datetime.now(datetime.UTC))


def _ask(client: Client, path: str) -> typing.Any:
    """Return what is answered; a sentence where that is no success."""
    try:
        answer = client.get(
            path, raise_exc=False, timeout=_TIMEOUT,
            microversion=_MICROVERSION)
        if answer.status_code < 400:
            return answer.json()
    except (login_errors.AuthPluginException, login_errors.Unauthorized):
        # Nothing else can be asked either.
        raise
    except Exception as exc:
        # Of keystoneauth, requests or JSON: what is wrong is all the same.
        if 'Timeout' in type(exc).__name__:
            return (f'no answer within {_TIMEOUT} s: as a rule the conductor '
                    'waits for the BMC')
        return f'{type(exc).__name__}: {exc}'
    try:
        said = answer.json()['error_message']
        if isinstance(said, str):
            said = json.loads(said)
        return ' '.join(str(said['faultstring']).split())[:300]
    except (ValueError, LookupError, TypeError):
        return f'HTTP {answer.status_code}'


def _part(found: typing.Any, key: str) -> typing.Any:
    if isinstance(found, str):
        return found
    part = found.get(key) if isinstance(found, dict) else None
    return part if isinstance(part, list) else 'the answer is not understood'


def _drives(found: typing.Any) -> typing.Any:
    if isinstance(found, dict):
        found = next((part for part in found.values()
                      if isinstance(part, list)), None)
    return found if isinstance(found, (str, list)) else (
        'the answer is not understood')


def _reachable(media: collections.abc.Sequence[typing.Any] | str,
               verify: bool | str) -> tuple[str, str] | None:
    """Ask the server of the newest stream whether it is well."""
    urls = [str(medium['url']) for medium in media
            if isinstance(medium, dict) and medium.get('url')]
    if not urls:
        return None
    parts = urllib.parse.urlsplit(urls[-1])
    # What comes before the token may be a proxy's.
    top = parts.path.partition('/***')[0]
    server = f'{parts.scheme}://{parts.netloc}{top}'
    try:
        answer = requests.get(f'{server}/healthz', timeout=_SERVER_TIMEOUT,
                              verify=verify, allow_redirects=False)
    except requests.RequestException as exc:
        return server, type(exc).__name__
    return server, '' if answer.status_code == 200 else (
        f'HTTP {answer.status_code}')
