# SPDX-License-Identifier: Apache-2.0

"""The boot server's API for the commands of OpenStackClient.

The login is that of the client (a token of Keystone, a password, or none).
"""

import argparse
import collections.abc
import contextlib
import json
import logging
import os
import typing
from urllib import parse as urlparse

from keystoneauth1 import exceptions as auth_errors
from osc_lib import exceptions

from ironic_ext.cli.osc.fields import Resource

LOG = logging.getLogger(__name__)

URL_VARIABLE = 'IRONIC_BOOT_SERVER_URL'
SERVICE_TYPE = 'baremetal-boot'
HOSTS = '/api/v1/baremetalhosts'
ISOS, CONFIGS = '/api/v1/iscsi-cdroms', '/api/v1/bootconfigs'
#: Path of a list by what a resource says of its kind.
PATHS = {'ISCSICdrom': ISOS, 'BootConfig': CONFIGS}
_PAGE = 500

__all__ = ('BootApi', 'Resource', 'add_name', 'add_owner', 'add_selector',
           'add_url', 'host_path', 'item', 'owner', 'said')


def add_url(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add --boot-server-url."""
    parser.add_argument(
        '--boot-server-url', metavar='<url>',
        default=os.environ.get(URL_VARIABLE),
        help=f'URL of the boot server; by default that of {URL_VARIABLE}, '
             f'or of the service {SERVICE_TYPE} in Keystone\'s catalog')
    return parser


def add_name(parser: argparse.ArgumentParser, kind: str,
             nargs: str | None = None) -> argparse.ArgumentParser:
    """Add --boot-server-url, and the name of a resource.

    :param kind: what the resource is called.
    :param nargs: "+" for several resources.
    """
    add_url(parser).add_argument(
        'name', metavar=f'<{kind.lower()}>', nargs=nargs,
        help=f'Name of the {kind}' if nargs is None else f'Names: {kind}s')
    return parser


def add_owner(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add whose a resource of the catalog is, and who may use it."""
    parser.add_argument('--project', metavar='<project>', dest='owner',
                        help='Id of the project that it belongs to; by '
                             'default the one that you are logged in to')
    shared = parser.add_mutually_exclusive_group()
    shared.add_argument('--share', action='store_const', const=True,
                        dest='shared', help='Let every project use it')
    shared.add_argument('--private', action='store_const', const=False,
                        dest='shared',
                        help='Let no project use it but its own')
    return parser


def owner(parsed: argparse.Namespace) -> dict[str, typing.Any]:
    """Return the fields of a spec that add_owner() asks for."""
    return {name: value for name, value in (
        ('project', parsed.owner), ('shared', parsed.shared))
        if value is not None}


def add_selector(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add --boot-server-url, and a filter by labels."""
    add_url(parser).add_argument(
        '--selector', metavar='<label=value>', default='',
        help='Only those with that label')
    return parser


class BootApi:
    """The API. Everything raises CommandError with what the server said."""

    def __init__(self, session: typing.Any, url: str | None) -> None:
        """Take the session of the client."""
        self._session = session
        self._url = (url or self._discovered()).rstrip('/')

    @classmethod
    def of(cls, command: typing.Any, parsed: argparse.Namespace
           ) -> 'BootApi':
        """Return the API that a command is to use."""
        manager = command.app.client_manager
        session = getattr(manager, 'session', None)
        if session is None:
            # The manager of the "baremetal" command has it elsewhere.
            session = manager.cloud_region.get_session()
        return cls(session, parsed.boot_server_url)

    def list(self, path: str, **query: str
             ) -> collections.abc.Iterator[Resource]:
        """Return the resources of a list."""
        following: str = ''
        while True:
            given = {key: value for key, value in (
                *query.items(), ('limit', str(_PAGE)),
                ('continue', following)) if value}
            found = self.call('GET', f'{path}?{urlparse.urlencode(given)}')
            if not following:
                _warn_of_age(found['metadata'])
            yield from found['items']
            following = found['metadata'].get('continue', '')
            if not following:
                return

    def call(self, method: str, path: str, body: object = None,
             **options: typing.Any) -> Resource:
        """Send a request; return the document that answers it.

        :param body: what to send as JSON.
        :param options: others of a request.
        """
        found = self.send(method, path, body, **options)
        if found.status_code >= 400:
            raise exceptions.CommandError(said(found))
        document: Resource = found.json() if found.content else {}
        return document

    def delete(self, path: str, names: collections.abc.Iterable[str]
               ) -> None:
        """Delete resources of a list, all that can be.

        :raises: CommandError with what is said of each that is left
        """
        failures = []
        for name in names:
            try:
                self.call('DELETE', item(path, name))
            except exceptions.CommandError as exc:
                text = str(exc)
                failures.append(text if f'"{name}"' in text
                                else f'{name}: {text}')
        if failures:
            raise exceptions.CommandError('\n'.join(failures))

    def send(self, method: str, path: str, body: object = None,
             **options: typing.Any) -> typing.Any:
        """Send a request; return the answer, whatever it is."""
        if body is not None:
            options['data'] = json.dumps(body)
            options.setdefault('headers', {}).setdefault(
                'Content-Type', 'application/json')
        try:
            with _unlogged():
                return self._session.request(
                    self._url + path, method, raise_exc=False, log=False,
                    connect_retries=0, **options)
        except auth_errors.ConnectFailure as exc:
            raise exceptions.CommandError(
                f'the boot server at {self._url} does not answer') from exc

    def _discovered(self) -> str:
        found = None
        with contextlib.suppress(auth_errors.ClientException):
            found = self._session.get_endpoint(service_type=SERVICE_TYPE)
        if not found or self._session.auth is None or (
                type(self._session.auth).__name__ in (
                    'NoAuth', 'HTTPBasicAuth')):
            # Without Keystone there is one endpoint, which is Ironic's.
            raise exceptions.CommandError(
                f'say where the boot server is: --boot-server-url, or '
                f'{URL_VARIABLE}')
        return str(found)


def item(path: str, name: str) -> str:
    """Return the path of a resource by its name."""
    return f'{path}/{urlparse.quote(name, safe="")}'


def host_path(name: str) -> str:
    """Return the path of a host by ``name`` or ``namespace/name``."""
    namespace, slash, rest = name.partition('/')
    if not slash:
        namespace, rest = 'default', name
    quoted = [urlparse.quote(part, safe='') for part in (namespace, rest)]
    return f'/api/v1/namespaces/{quoted[0]}/baremetalhosts/{quoted[1]}'


def said(answer: typing.Any) -> str:
    """Return what an answer says is wrong."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return str(answer.json()['message'])
    return f'the boot server answers HTTP {answer.status_code}'


def _warn_of_age(metadata: Resource) -> None:
    """Say that a list may not be as things are now."""
    notes = metadata.get('annotations', {})
    if 'ironic-ext/stale-since' in notes:
        LOG.warning('This is as of %s: %s', notes['ironic-ext/stale-since'],
                    notes.get('ironic-ext/stale-reason'))


@contextlib.contextmanager
def _unlogged() -> collections.abc.Iterator[None]:
    """Keep configs, which may be secret, out of --debug."""
    logger = logging.getLogger('keystoneauth')
    level = logger.level
    logger.setLevel(max(level, logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(level)
