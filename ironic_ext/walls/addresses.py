# SPDX-License-Identifier: Apache-2.0

"""Addresses that an owner's URL may lead this host to.

A name is resolved once, and the address that was judged is the one to
connect to: a name server cannot answer otherwise the second time. Special
addresses are those of RFC 6890; IPv4 inside of IPv6 (RFC 4291, 6052, 3056)
is judged as what it leads to.
"""

import collections.abc
import dataclasses
import ipaddress
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = collections.abc.Callable[[str, int], list[str]]

_NAT64 = ipaddress.ip_network('64:ff9b::/96')
_THIS_NETWORK = ipaddress.ip_network('0.0.0.0/8')
_BROADCAST = ipaddress.ip_address('255.255.255.255')
# Cloud metadata of IPv6 is no link-local address.
_METADATA = ipaddress.ip_address('fd00:ec2::254')


class Refused(Exception):
    """An owner's URL must not lead there; says where and why."""


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, each once, the preferred one first.

    :raises: OSError
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclasses.dataclass(frozen=True)
class Fence:
    """Where owners' URLs must not lead.

    :param loopback: whether this host's loopback addresses are open.
    :param denied: networks that are closed.
    :param allowed: networks that are open although ``loopback`` or
        ``denied`` close them.
    :param services: host and port of what obeys whoever reaches it: an
        API, a database; an unspecified address means all of this host's.
    :param resolve: asked for the addresses of a name.
    """

    loopback: bool = True
    denied: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = ()
    services: frozenset[tuple[str, int]] = frozenset()
    resolve: Resolve = resolved

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to.

        :raises: Refused when there are only others
        :raises: OSError when the name cannot be resolved
        """
        reasons = []
        found = []
        for text in self.resolve(host, port):
            reason = self.judge(text, port)
            if reason is None:
                found.append(text)
            else:
                reasons.append(reason)
        if not found:
            if not reasons:
                raise Refused(f'{host} has no address')
            raise Refused(reasons[0] if reasons[0].startswith(host)
                          else f'{host} is {reasons[0]}')
        return found

    def judge(self, text: str, port: int) -> str | None:
        """Return what is wrong with an address, None if nothing is."""
        address = _plain(text)
        if address is None:
            return 'a link-local address'
        if (address.is_link_local or address.is_multicast
                or address.is_unspecified or address == _METADATA
                or address == _BROADCAST or address in _THIS_NETWORK):
            return f'{address}, which no image is served at'
        if self._is_service(address, port):
            return (f'{address}, and port {port} there is a service of this '
                    'installation')
        if any(address in network for network in self.allowed):
            return None
        if address.is_loopback and not self.loopback:
            return f'{address}, this host itself'
        if any(address in network for network in self.denied):
            return f'{address}, in a network that is closed to owners'
        return None

    def _is_service(self, address: Address, port: int) -> bool:
        for host, at in self.services:
            if at != port:
                continue
            try:
                known = [_plain(text) for text in self.resolve(host, at)]
            except OSError:
                continue
            for found in known:
                if found == address or (
                        found is not None and found.is_unspecified
                        and is_own(address)):
                    return True
                # One process, whichever loopback address leads to it.
                if (found is not None and found.is_loopback
                        and address.is_loopback):
                    return True
        return False


def is_own(address: Address) -> bool:
    """Tell whether an address is one of this host."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _plain(text: str) -> Address | None:
    """Return an address as what it leads to, None with a zone."""
    if '%' in text:
        return None
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xffffffff)
        # "::127.0.0.1", deprecated, but still understood.
        if inner is None and 1 < int(address) < 1 << 32:
            inner = ipaddress.IPv4Address(int(address))
        if inner is not None:
            return inner
    return address
