# SPDX-License-Identifier: Apache-2.0

"""Which host a machine is, and what config it gets.

A token decides, then a MAC, then the address that the request comes from.
Who is not known gets nothing, and neither does who might be two.
"""

import collections
import collections.abc
import ipaddress
import json
import re
import threading
import typing

from ironic_ext import catalog
from ironic_ext.catalog import resources
from ironic_ext.catalog import rules
from ironic_ext import config_formats
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.mirror import host_index

#: Characters of configs without templates that are kept ready to be served.
_READY = 64 << 20
#: What Ironic's API shows in place of a secret (node_sanitize in
#: ironic/api/controllers/v1/node.py).
_HIDDEN = '******'
_ANACONDA_MAC = re.compile(
    r'\S{1,64}\s+([0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})\s*')

Lessees = collections.abc.Callable[[str], collections.abc.Iterable[str]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CatalogLookup(typing.Protocol):
    """What is needed of the catalog."""

    def iso(self, name: str) -> catalog.ISCSICdrom | None:
        """Return an ISO, or None."""

    def config(self, name: str) -> catalog.BootConfig | None:
        """Return a BootConfig with its data, or None."""


class Finder:
    """Finds the host that a request comes from."""

    def __init__(self, index: host_index.HostIndex, signer: tokens.Tokens,
                 lessees: Lessees | None = None) -> None:
        """Take what is needed.

        :param lessees: returns the MACs that lease an address now, or
            anything else for somebody else.
        """
        self._index = index
        self._signer = signer
        self._lessees = lessees

    def find(self, *, token: str = '', mac: str = '', address: str = ''
             ) -> hosts.Host:
        """Return a host by the first that is given.

        :param mac: in any form.
        :param address: as hosts.address() writes it.
        :raises: BadRequestError, NotFoundError, ConflictError,
            UnavailableError
        """
        if token:
            try:
                host = self._index.by_uuid(self._signer.node(token))
            except tokens.TokenError as exc:
                raise errors.NotFoundError(str(exc)) from exc
            return self._one([host] if host else [], 'the token')
        if mac:
            known = hosts.mac(mac)
            if not known:
                raise errors.BadRequestError(
                    'the MAC must be written like 52:54:00:12:34:56')
            return self._one(self._index.by_mac(known), f'the MAC {known}')
        return self._one(
            self._by_address(address) if address else [],
            f'the address {address or "of this connection"}')

    def _by_address(self, address: str) -> list[hosts.Host]:
        found = self._index.by_ip(address)
        lessees = set(self._lessees(address) if self._lessees else ())
        if not lessees:
            return found
        # Whom an inspection once saw with it has another one by now, even
        # if Ironic does not know who this is.
        leased = {host.uuid: host for host in found
                  if address not in host.inspected_ips}
        leased.update((host.uuid, host) for mac in lessees
                      for host in self._index.by_mac(mac))
        return list(leased.values())

    def _one(self, found: collections.abc.Sequence[hosts.Host], what: str
             ) -> hosts.Host:
        if len(found) == 1:
            return found[0]
        if found:
            raise errors.ConflictError(
                f'several hosts have {what}: '
                f'{rules.listed(sorted(host.name for host in found))}; '
                'change that in Ironic, or use a token or a MAC')
        if not self._index.loaded.is_set():
            raise errors.UnavailableError(
                'Ironic did not tell its nodes yet: try again in a moment')
        raise errors.NotFoundError(f'no host has {what}')


class Configs:
    """Makes the configs of hosts; keeps those that are alike for all."""

    def __init__(self, lookup: CatalogLookup) -> None:
        """Take the catalog."""
        self._lookup = lookup
        self._ready: collections.OrderedDict[
            tuple[str, str], config_formats.Config] = (
                collections.OrderedDict())
        self._size = 0
        self._lock = threading.Lock()

    def of(self, host: hosts.Host) -> config_formats.Config:
        """Return what a host is given; the catalog's rules hold.

        :raises: NotFoundError, ConflictError
        """
        if not host.config:
            raise errors.NotFoundError(f'host {host.name} has no config')
        if isinstance(host.config, dict) and _HIDDEN in json.dumps(
                host.config):
            raise errors.ConflictError(
                f'the inline config of host {host.name} has what Ironic\'s '
                f'API takes for a password and hides: put the config into '
                f'the catalog')
        iso = self.iso_of(host)
        try:
            if host.config_name:
                return self._named(host, iso)
            found = config_formats.plan_boot_config(
                host.config, lookup=self._lookup.config, iso=iso,
                facts=host.facts)
        except config_formats.ConfigError as exc:
            raise errors.ConflictError(
                f'the config of host {host.name} cannot be used: {exc}'
            ) from exc
        except catalog.InvalidError as exc:
            raise errors.ConflictError(str(exc)) from exc
        assert found is not None
        return found

    def iso_of(self, host: hosts.Host) -> catalog.ISCSICdrom | None:
        """Return a host's ISO, None for none or one by URL."""
        return _iso_of(host, self._lookup)

    def _named(self, host: hosts.Host, iso: catalog.ISCSICdrom | None
               ) -> config_formats.Config:
        found = _config_of(host, iso, self._lookup)
        if found.spec.template:
            return config_formats.resolve(found.spec, host.facts)
        ready = self.ready(found)
        if ready is not None:
            return ready
        ready = config_formats.resolve(found.spec)
        with self._lock:
            key = _key(found)
            if key not in self._ready:
                self._ready[key] = ready
                self._size += _size(ready)
            while self._size > _READY:
                self._size -= _size(self._ready.popitem(last=False)[1])
        return ready

    def ready(self, config: catalog.BootConfig
              ) -> config_formats.Config | None:
        """Return what is kept of a config, None for nothing."""
        with self._lock:
            found = self._ready.get(_key(config))
            if found is not None:
                self._ready.move_to_end(_key(config))
            return found


class ConfigsAtHand:
    """Those configs for which nothing is to be read, parsed or rendered."""

    def __init__(self, lookup: CatalogLookup, configs: Configs) -> None:
        """Take them all.

        :param lookup: raises what it likes rather than read.
        """
        self._lookup = lookup
        self._configs = configs

    def of(self, host: hosts.Host) -> config_formats.Config:
        """Return what a host is given; the catalog's rules hold.

        :raises: LookupError when it is not at hand, what the catalog
            raises, NotFoundError, InvalidError
        """
        found = _config_of(host, self.iso_of(host), self._lookup)
        ready = None if found.spec.template else self._configs.ready(found)
        if ready is None:
            raise LookupError(found.metadata.name)
        return ready

    def iso_of(self, host: hosts.Host) -> catalog.ISCSICdrom | None:
        """Return a host's ISO, None for none or one by URL.

        :raises: what the catalog raises
        """
        return _iso_of(host, self._lookup)


def source_address(peer: str, forwarded: str,
                   proxies: collections.abc.Sequence[Network]) -> str:
    """Return where a request comes from, as hosts.address() writes it.

    :param peer: the address of the connection.
    :param forwarded: X-Forwarded-For. It is believed from the right, as long
        as proxies wrote it.
    """
    address = _ip(peer)
    hops = [item.strip() for item in forwarded[:4096].split(',')]
    while address is not None and hops and any(
            address in network for network in proxies):
        address = _ip(hops.pop())
    return '' if address is None else str(address)


def anaconda_mac(header: str) -> str:
    """Return the MAC of X-RHN-Provisioning-MAC-0, '' for none.

    Anaconda sends ``<interface> <MAC>`` with ``inst.ks.sendmac``.
    """
    match = _ANACONDA_MAC.fullmatch(header.strip())
    return match[1] if match else ''


def _iso_of(host: hosts.Host, lookup: CatalogLookup
            ) -> catalog.ISCSICdrom | None:
    if not resources.is_name(host.image):
        return None
    return lookup.iso(host.image)


def _config_of(host: hosts.Host, iso: catalog.ISCSICdrom | None,
               lookup: CatalogLookup) -> catalog.BootConfig:
    """Return the config that a host names.

    :raises: NotFoundError, InvalidError
    """
    name = host.config_name
    found = lookup.config(name) if resources.is_name(name) else None
    if found is None:
        raise errors.NotFoundError(
            f'host {host.name} is to get a BootConfig that does not exist')
    rules.require_fit(iso, name, exists=True, field='bootConfigRef')
    return found


def _key(config: catalog.BootConfig) -> tuple[str, str]:
    return config.metadata.uid, config.metadata.resource_version


def _size(config: config_formats.Config) -> int:
    return sum(map(len, config.files.values()))


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition('%')[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found
