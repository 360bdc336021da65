# SPDX-License-Identifier: Apache-2.0

"""Addresses that Neutron has given: who has one now, by the MAC.

Anybody may make ports in a network of theirs, with any MAC: a port counts
for a machine only if Ironic has bound it (``internal_info`` of Ironic's
port). Port groups are left out.
"""

import collections
import collections.abc
import threading
import time
import typing
from urllib import parse as urlparse

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from oslo_config import cfg

from ironic_ext.node import host as hosts
from ironic_ext.server import errors
from ironic_ext.server.mirror import ironic_api

#: Seconds that an answer holds, and how many are kept.
_LIFETIME = 5.0
_MOST = 10000
_MOST_PORTS = 50

#: Returns the ids of Neutron's ports that Ironic has bound to a MAC.
Bound = collections.abc.Callable[[str], collections.abc.Container[str]]


class NeutronAddresses:
    """What Neutron says of addresses. Thread-safe."""

    def __init__(self, client: adapter.Adapter, bound: Bound) -> None:
        """Take an adapter of keystoneauth for Neutron."""
        self._client = client
        self._bound = bound
        self._known: collections.OrderedDict[
            str, tuple[float, frozenset[str]]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def lessees(self, address: str) -> frozenset[str]:
        """Return who has an address: MACs, and ids of ports of others.

        :param address: as hosts.address() writes it.
        :raises: UnavailableError
        """
        now = time.monotonic()
        with self._lock:
            ends, found = self._known.get(address, (0.0, frozenset()))
        if now < ends:
            return found
        found = frozenset(map(self._lessee, self._ports(address)))
        with self._lock:
            self._known[address] = now + _LIFETIME, found
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return found

    def _lessee(self, port: collections.abc.Mapping[str, typing.Any]
                ) -> str:
        own, mac = str(port.get('id')), hosts.mac(port.get('mac_address'))
        return mac if mac and own in self._bound(mac) else own

    def _ports(self, address: str) -> list[dict[str, typing.Any]]:
        query = urlparse.urlencode([
            ('fixed_ips', f'ip_address={address}'), ('fields', 'id'),
            ('fields', 'mac_address'), ('limit', str(_MOST_PORTS))])
        try:
            answer = self._client.get(f'/v2.0/ports?{query}', raise_exc=False)
            if answer.status_code == 200:
                ports = answer.json()['ports']
                if isinstance(ports, list) and all(
                        isinstance(port, dict) for port in ports):
                    return ports
            said = f'HTTP {answer.status_code}'
        except exceptions.ClientException as exc:
            said = type(exc).__name__
        except (ValueError, LookupError, TypeError):
            said = 'no list of ports'
        raise errors.UnavailableError(
            f'Neutron does not tell who has {address} ({said}): try again '
            'in a moment, or use a token or a MAC')


def connect(conf: cfg.ConfigOpts, api: ironic_api.IronicApi
            ) -> NeutronAddresses:
    """Return Neutron's addresses, by the login of [ext_ironic].

    :raises: ValueError
    """
    auth, session = ironic_api.login(conf)
    url = conf.ext_server.neutron_endpoint
    if url and not ironic_api.is_url(url):
        raise ValueError(
            '[ext_server]neutron_endpoint must be a URL of http or https, '
            'such as http://192.0.2.1:9696')
    return NeutronAddresses(adapter.Adapter(
        session=session, auth=auth, service_type='network',
        interface=conf.ext_ironic.valid_interfaces,
        region_name=conf.ext_ironic.region_name,
        endpoint_override=url), api.bound)
