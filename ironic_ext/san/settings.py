# SPDX-License-Identifier: Apache-2.0

"""What a site has decided about its iSCSI targets."""

import dataclasses
import ipaddress

from ironic_ext.san import errors
from ironic_ext.san import location

#: Which targets want a password.
CHAP_NONE, CHAP_CUSTOMISED, CHAP_ALL = 'none', 'customised', 'all'

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a site has decided.

    :param root: directory of the files that are served, and of the records
        of the targets. On the file system of the image store, so that they
        share blocks.
    :param portal: where the daemon listens, as machines reach it.
    :param portals: the same for machines of certain networks.
    :param iqn_prefix: what the names of targets begin with.
    :param chap: CHAP_NONE, CHAP_CUSTOMISED or CHAP_ALL.
    :param networks: of the machines that may log in; all if empty.
    :param min_free: bytes that stay free on the file system of ``root``.
    :param root_helper: words before a command that needs root's rights.
    :param control_port: of the tgtd to use, see tgtd(8).
    :param timeout: seconds that the daemon has for one answer.
    """

    root: str
    portal: location.Portal | None = None
    portals: tuple[tuple[Network, location.Portal], ...] = ()
    iqn_prefix: str = 'iqn.2008-10.org.openstack'
    chap: str = CHAP_CUSTOMISED
    networks: tuple[Network, ...] = ()
    min_free: int = 0
    root_helper: tuple[str, ...] = ()
    control_port: int = 0
    timeout: float = 60.0

    def portal_for(self, address: str | None = None) -> location.Portal:
        """Return the portal for a machine.

        The most specific network counts.

        :param address: of the machine, None where it is not known.
        :raises: PortalError
        """
        if address is not None:
            try:
                machine = ipaddress.ip_address(address)
            except ValueError as exc:
                raise errors.PortalError(
                    f'"{address[:100]}" is no IP address') from exc
            # An IPv4 client of an IPv6 socket.
            machine = getattr(machine, 'ipv4_mapped', None) or machine
            fitting = [(network.prefixlen, portal)
                       for network, portal in self.portals
                       if machine in network]
            if fitting:
                return max(fitting, key=lambda pair: pair[0])[1]
        if self.portal is None:
            what = ('a machine whose address is not known'
                    if address is None else address)
            raise errors.PortalError(
                f'there is no iSCSI portal for {what}: set [ext_san]portal '
                'or [ext_san]portals')
        return self.portal
