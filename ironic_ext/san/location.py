# SPDX-License-Identifier: Apache-2.0

"""Where a LUN is, as initiators and iPXE name it.

RFC 7143 section 4.2.7 (names), RFC 4173 section 5 (SAN URIs).
"""

import dataclasses
import ipaddress
import re

from ironic_ext.san import errors

PORT = 3260
#: tgt's LUN 0 is its controller.
LUN = 1

_IQN = re.compile(r'(?:iqn|eui|naa)\.[A-Za-z0-9.:-]{1,219}')
_HOST = re.compile(r'[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?')


@dataclasses.dataclass(frozen=True)
class Chap:
    """What an initiator logs in with (RFC 1994, by way of RFC 7143)."""

    username: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Portal:
    """Where an iSCSI server listens.

    :param host: name or address, IPv6 without brackets.
    """

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> 'Portal':
        """Read ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``.

        :raises: PortalError
        """
        host, port = text.strip(), str(PORT)
        if host.startswith('['):
            host, bracket, rest = host[1:].partition(']')
            if rest.startswith(':'):
                port = rest[1:]
            elif rest or not bracket:
                port = ''
        elif host.count(':') == 1:
            host, _, port = host.partition(':')
        if (not (port.isascii() and port.isdigit())
                or not 0 < int(port) < 1 << 16 or not _is_host(host)):
            raise errors.PortalError(
                f'"{text[:100]}" is no iSCSI portal: write HOST, HOST:PORT '
                'or [IPV6]:PORT')
        return cls(host, int(port))

    def __str__(self) -> str:
        host = f'[{self.host}]' if ':' in self.host else self.host
        return f'{host}:{self.port}'


@dataclasses.dataclass(frozen=True)
class Location:
    """A LUN that can be read now.

    :param chap: what to log in with, None where nothing is needed.
    :param initiator: what the machine is called there, where a target lets
        in those alone that it knows; '' for the name that iPXE has for it.
    """

    iqn: str
    portal: str
    port: int = PORT
    lun: int = LUN
    chap: Chap | None = None
    initiator: str = ''

    def __post_init__(self) -> None:
        """Refuse what would not be one word of an iPXE script.

        :raises: SanError
        """
        if self.initiator and not _IQN.fullmatch(self.initiator):
            raise errors.SanError(
                f'"{self.initiator[:100]}" is no name of an iSCSI initiator: '
                'it begins with iqn., eui. or naa. and has letters, digits, '
                '".", ":" and "-" only')
        if not _IQN.fullmatch(self.iqn):
            raise errors.SanError(
                f'"{self.iqn[:100]}" is no name of an iSCSI target: it '
                'begins with iqn., eui. or naa. and has letters, digits, '
                '".", ":" and "-" only')
        if not _is_host(self.portal) or not 0 < self.port < 1 << 16:
            raise errors.PortalError(
                f'"{self.portal[:100]}" port {self.port} is no iSCSI portal')
        # Larger ones have another notation (SAM-5 section 4.7).
        if not 0 <= self.lun < 256:
            raise errors.SanError(
                f'LUN {self.lun} is out of range: it has to be 0 to 255')

    def uri(self) -> str:
        """Return ``iscsi:<portal>:<protocol>:<port>:<LUN>:<IQN>``.

        Default parts are empty, but the LUN, which is hexadecimal.
        """
        host = f'[{self.portal}]' if ':' in self.portal else self.portal
        port = '' if self.port == PORT else self.port
        return f'iscsi:{host}::{port}:{self.lun:x}:{self.iqn}'


def _is_host(text: str) -> bool:
    if ':' in text:
        try:
            return not ipaddress.IPv6Address(text).scope_id
        except ValueError:
            return False
    return bool(_HOST.fullmatch(text))
