# SPDX-License-Identifier: Apache-2.0

"""What machines are answered: their config, their iPXE script.

Knows no HTTP but what tells who asks; resources.py and short_cut.py
speak it.
"""

import collections.abc
import typing

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext import config_formats
from ironic_ext.node import host as hosts
from ironic_ext.server import errors
from ironic_ext.server.machines import identity
from ironic_ext.server.machines import ipxe

PLAIN = 'text/plain; charset=utf-8'


class Asked(typing.NamedTuple):
    """What a request says of the machine that it is from, '' for nothing.

    :ivar mac: in any form.
    :ivar provisioning_mac: X-RHN-Provisioning-MAC-0.
    :ivar peer: the address of the connection.
    :ivar forwarded: X-Forwarded-For.
    """

    token: str = ''
    mac: str = ''
    provisioning_mac: str = ''
    peer: str = ''
    forwarded: str = ''


class Answer(typing.NamedTuple):
    """What is answered: a type of media, and bytes of it."""

    content_type: str
    data: bytes


class Configs(typing.Protocol):
    """What is needed of identity.Configs."""

    def of(self, host: hosts.Host) -> config_formats.Config:
        """Return what a host is given."""

    def iso_of(self, host: hosts.Host) -> catalog.ISCSICdrom | None:
        """Return a host's ISO, None for none or one by URL."""


class Answers:
    """Answers machines."""

    def __init__(self, finder: identity.Finder, configs: Configs,
                 proxies: collections.abc.Sequence[identity.Network] = ()
                 ) -> None:
        """Take what is needed.

        :param proxies: whose X-Forwarded-For is believed.
        """
        self._finder = finder
        self._configs = configs
        self._proxies = proxies

    def host(self, asked: Asked) -> hosts.Host:
        """Return the host that asks.

        :raises: what Finder.find() raises
        """
        mac = asked.mac or identity.anaconda_mac(asked.provisioning_mac)
        if asked.token or mac:
            return self._finder.find(token=asked.token, mac=mac)
        return self._finder.find(address=identity.source_address(
            asked.peer, asked.forwarded, self._proxies))

    def config(self, asked: Asked, path: str = '') -> Answer:
        """Return a file of the config, the primary one without a path.

        :raises: what host() and Configs.of() raise, NotFoundError
        """
        host = self.host(asked)
        config = self._configs.of(host)
        wanted = path or config.primary
        if not wanted:
            raise errors.NotFoundError(
                f'the config of host {host.name} has no primary file: ask '
                f'for one by its path')
        if wanted not in config.files:
            raise errors.NotFoundError(
                f'the config of host {host.name} has no such file')
        return Answer(config.content_type(wanted),
                      config.files[wanted].encode())

    def script(self, asked: Asked) -> Answer:
        """Return the iPXE script; a MAC that nobody has gets one, too.

        :raises: BadRequestError without a MAC, UnavailableError
        """
        mac = hosts.mac(asked.mac)
        if not mac:
            raise errors.BadRequestError(
                'give the MAC: /ipxe?mac=${mac}, like 52:54:00:12:34:56')
        return Answer(PLAIN, self._script(mac).encode())

    def _script(self, mac: str) -> str:
        try:
            host = self._finder.find(mac=mac)
        except (errors.NotFoundError, errors.ConflictError) as exc:
            # Not an error of HTTP, of which iPXE shows the number alone.
            return ipxe.problem(str(exc))
        if host.boots_locally or resources.is_name(host.image):
            return ipxe.script(host, self._configs.iso_of(host), mac)
        return ipxe.problem(
            f'The ISO of {host.name} is given by URL, not by a name of the '
            'catalog')
