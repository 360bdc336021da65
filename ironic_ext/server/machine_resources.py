# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What machines ask for: their config, their iPXE script, to be done.

No login: see machines.py for who is who. Answers are not to be stored by
anybody, since the next one may be another.
"""

import collections.abc
import datetime
import typing

import falcon

from ironic_ext.catalog import resources
from ironic_ext.server import errors
from ironic_ext.server import host_resources
from ironic_ext.server import hosts
from ironic_ext.server import ipxe
from ironic_ext.server import machines
from ironic_ext.server import requests

_PLAIN = 'text/plain; charset=utf-8'


class Asker:
    """Tells which host a request is from."""

    def __init__(self, finder: machines.Finder,
                 proxies: collections.abc.Sequence[machines.Network]
                 ) -> None:
        """Take what is needed.

        :param proxies: whose X-Forwarded-For is believed.
        """
        self._finder = finder
        self._proxies = proxies

    def host(self, req: falcon.Request, token: str = '') -> hosts.Host:
        """Return the host.

        :param token: of the path.
        :raises: what Finder.find() raises
        """
        token = token or requests.text(req, 'token')
        mac = requests.text(req, 'mac') or machines.anaconda_mac(
            req.get_header('X-RHN-Provisioning-MAC-0') or '')
        if token or mac:
            return self._finder.find(token=token, mac=mac)
        return self._finder.find(
            address=machines.source_address(req.env, self._proxies))


class MachineConfig:
    """The config of whoever asks, and its files by their paths."""

    def __init__(self, asker: Asker, configs: machines.Configs) -> None:
        """Take what is needed."""
        self._asker = asker
        self._configs = configs

    def on_get(self, req: falcon.Request, resp: falcon.Response,
               token: str = '', path: str = '') -> None:
        """Serve a file; the primary one without a path."""
        resp.set_header('Cache-Control', 'no-store')
        host = self._asker.host(req, token)
        config = self._configs.of(host)
        wanted = path or config.primary
        if not wanted:
            raise errors.NotFoundError(
                f'the config of host {host.name} has no primary file: ask '
                f'for one by its path')
        if wanted not in config.files:
            raise errors.NotFoundError(
                f'the config of host {host.name} has no such file')
        resp.content_type = config.content_type(wanted)
        resp.data = config.files[wanted].encode()


class Ipxe:
    """The iPXE script of a host."""

    def __init__(self, asker: Asker, finder: machines.Finder,
                 configs: machines.Configs) -> None:
        """Take what is needed."""
        self._asker = asker
        self._finder = finder
        self._configs = configs

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve it: ``?mac=${mac}``; a host that nobody knows is told."""
        resp.set_header('Cache-Control', 'no-store')
        resp.content_type = _PLAIN
        mac = hosts.mac(requests.text(req, 'mac'))
        if not mac:
            raise errors.BadRequestError(
                'give the MAC: /ipxe?mac=${mac}, like 52:54:00:12:34:56')
        try:
            host = self._finder.find(mac=mac)
        except (errors.NotFoundError, errors.ConflictError) as exc:
            # Not an error of HTTP, of which iPXE shows the number alone.
            resp.text = ipxe.problem(str(exc))
            return
        if host.boots_locally or resources.is_name(host.image):
            resp.text = ipxe.script(host, self._configs.iso_of(host), mac)
        else:
            resp.text = ipxe.problem(
                f'The ISO of {host.name} is given by URL, not by a name of '
                'the catalogue')


class BootComplete:
    """Where an installed system reports that it runs."""

    def __init__(self, asker: Asker, shared: host_resources.Hosts) -> None:
        """Take what is needed."""
        self._asker = asker
        self._shared = shared

    def on_post(self, req: falcon.Request, resp: falcon.Response,
                token: str = '') -> None:
        """Leave boot mode "once": the host boots from its disk now."""
        token = token or requests.text(req, 'token')
        if not token:
            # An address or a MAC, anybody on the network can have.
            raise errors.UnauthorizedError(
                'give the token of the machine: '
                '/api/v1/boot-complete?token=...')
        host = self._asker.host(req, token)
        now = datetime.datetime.now(datetime.UTC)
        self._shared.complete(host, now.strftime('%Y-%m-%dT%H:%M:%SZ'))
        resp.status = falcon.HTTP_204


class Health:
    """Whether the server serves."""

    def __init__(self, is_loaded: collections.abc.Callable[[], bool],
                 check: collections.abc.Callable[[], typing.Any]) -> None:
        """Take what is needed.

        :param is_loaded: whether the hosts are known.
        :param check: raises when the database fails.
        """
        self._is_loaded = is_loaded
        self._check = check

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Tell."""
        self._check()
        if not self._is_loaded():
            raise errors.UnavailableError(
                'Ironic did not tell its nodes yet')
        resp.content_type = _PLAIN
        resp.text = 'ok\n'
