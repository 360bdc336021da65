# SPDX-License-Identifier: Apache-2.0

"""Which host a machine is.

A token decides; without one that is the address that the request comes from,
or a MAC, as [ext_server]machine_identity has it. Who is not known gets
nothing, and neither does who might be two.
"""

import collections.abc
import dataclasses
import functools
import ipaddress
import re
import socket
import typing

from ironic_ext import host_records
from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server import errors
from ironic_ext.server.machines import guesses
from ironic_ext.server.mirror import host_index

_ANACONDA_MAC = re.compile(
    r'\S{1,64}\s+([0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5})\s*')

#: What tells machines without a token: see [ext_server]machine_identity.
ADDRESS, MAC, TOKEN = 'address', 'mac', 'token'

Lessees = collections.abc.Callable[[str], collections.abc.Iterable[str]]
Result = typing.TypeVar('Result')
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Asked(typing.NamedTuple):
    """What a request says of the machine that it is from, '' for nothing.

    :ivar mac: in any form.
    :ivar provisioning_macs: X-RHN-Provisioning-MAC-0 and so on: one for
        each network card, in no order that tells which one boots.
    :ivar address: where it is from: see source_address().
    """

    token: str = ''
    mac: str = ''
    provisioning_macs: tuple[str, ...] = ()
    address: str = ''


class Run(typing.Protocol):
    """Runs what may wait in a thread."""

    async def __call__(self, function: collections.abc.Callable[
            ..., Result], *arguments: typing.Any) -> Result:
        """Return what the function returns, or raise what it raises."""


class Records(typing.Protocol):
    """What is needed of hosts' records."""

    def of(self, node: str) -> host_records.Record:
        """Return what is known of a host."""

    def script(self, node: str) -> str:
        """Return the script that conductors have left, '' for none."""

    def generation(self, host: hosts.Host) -> tokens.Generation:
        """Return the generation of a host's new tokens."""


class Report(typing.NamedTuple):
    """Whose boot a token was for, and whether that goes on.

    :ivar generation: of the token.
    :ivar goes_on: whether it reads; if not, the boot ended last.
    """

    host: hosts.Host
    generation: tokens.Generation
    goes_on: bool


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is believed of machines that have no token.

    :ivar by: ADDRESS, MAC or TOKEN.
    :ivar owners_declare: whether owners of nodes may say which addresses
        these have.
    :ivar proxies: whose X-Forwarded-For is believed.
    """

    by: str = MAC
    owners_declare: bool = False
    proxies: collections.abc.Sequence[Network] = ()


class Finder:
    """Finds the host that a request comes from."""

    def __init__(self, index: host_index.HostIndex, signer: tokens.Tokens,
                 records: Records, lessees: Lessees | None = None,
                 run: Run | None = None, rules: Rules = Rules(),
                 refresh: collections.abc.Callable[[str], object] = (
                     lambda uuid: None),
                 row: guesses.Guesses | None = None) -> None:
        """Take the hosts, and what tells them.

        :param lessees: returns the MACs that lease an address now, or
            anything else for somebody else; may wait, in what ``run`` gives.
        :param refresh: has the index and the records learn what there is
            of a host now; may wait, in what ``run`` gives.
        :param row: where those who guess wait; one of its own for None.
        """
        self._index = index
        self._signer = signer
        self._records = records
        self._refresh = refresh
        self._lessees = lessees
        self._run = run
        self._rules = rules
        self._guesses = guesses.Guesses() if row is None else row

    async def asking(self, asked: Asked) -> hosts.Host:
        """Return the host that asks for what may be secret.

        :raises: BadRequestError, NotFoundError, ConflictError, GoneError,
            ForbiddenError where only tokens count, TooManyError,
            UnavailableError, and what the lessees raise
        """
        if asked.token:
            report = await self.reporting(asked)
            if not report.goes_on:
                raise _over()
            return report.host
        address = asked.address
        if self._rules.by == TOKEN:
            raise errors.ForbiddenError(
                'configs are had by a token alone: /t/<token>/')
        if self._rules.by == MAC and asked.mac:
            return await self.named(asked.mac, address)
        cards = set(map(anaconda_mac, asked.provisioning_macs)) - {''}
        if self._rules.by == MAC:
            known = {host.uuid: host for mac in cards
                     for host in self._index.by_mac(mac)}
            if known:
                # Ironic may know some of a machine's cards alone.
                return self._one(list(known.values()),
                                 f'the MACs {", ".join(sorted(cards))}')
        found = await self._at(address)
        what = f'the address {address or "of this connection"}'
        if asked.mac:
            mac = _mac(asked.mac)
            # The same words, whether another host has the MAC or none.
            return await self._guesses.judge(address, lambda: self._one(
                [host for host in found if mac in host.macs],
                f'{what} and the MAC {mac}'))
        chosen = [host for host in found if cards.intersection(host.macs)]
        return self._one(chosen or found, what)

    def script(self, host: hosts.Host) -> str:
        """Return the script that conductors have left, '' for none.

        It may be secret: see may_have_script().
        """
        return self._records.script(host.uuid)

    async def may_have_script(self, host: hosts.Host, address: str) -> bool:
        """Tell whether the script of a host is for whoever asks.

        :param address: where it is asked for.
        :raises: what the lessees raise
        """
        return self._rules.by == MAC or host in await self._at(address)

    async def named(self, mac: str, address: str) -> hosts.Host:
        """Return the host with a MAC, whoever asks.

        :param mac: in any form.
        :param address: where it is asked from.
        :raises: BadRequestError, NotFoundError, ConflictError,
            TooManyError, UnavailableError
        """
        found = self._index.by_mac(mac)
        if len(found) == 1 and not self._guesses:
            # As Ironic writes it. Nobody has guessed wrong, neither did
            # this one.
            return found[0]
        mac = _mac(mac)
        return await self._guesses.judge(
            address, lambda: self._one(self._index.by_mac(mac),
                                       f'the MAC {mac}'))

    async def _at(self, address: str) -> list[hosts.Host]:
        """Return the hosts that an address stands for."""
        if not address:
            return []
        lessees: set[str] = set()
        if self._lessees is not None and self._run is not None:
            lessees = set(await self._run(self._lessees, address))
        return self.at(address, lessees)

    def at(self, address: str, lessees: collections.abc.Collection[str] = ()
           ) -> list[hosts.Host]:
        """Return the hosts that an address stands for.

        What an operator has declared and what is leased come before what a
        node says of itself; where a machine once was comes last.

        :param address: as hosts.address() writes it.
        :param lessees: who leases it: MACs, or anything else.
        """
        known = self._index.by_ip(address)
        found = {host.uuid: host for host in known
                 if host.address == address}
        found.update((host.uuid, host) for mac in lessees
                     for host in self._index.by_mac(mac))
        if found:
            return list(found.values())
        declared = [
            host for host in known if address in host.declared_ips
            and (self._rules.owners_declare
                 or not (host.owner or host.lessee))]
        if declared or lessees or self._rules.by != MAC:
            # Whom an inspection once saw with it has another one by now,
            # even if Ironic does not know who this is.
            return declared
        return [host for host in known if address in host.inspected_ips]

    async def reporting(self, asked: Asked) -> Report:
        """Return the host whose boot a token is for, if that was the last.

        :raises: TooManyError, NotFoundError, UnavailableError, GoneError
            when that boot is over, and another one came since.
        """
        try:
            token = self._signer.read(asked.token)
        except tokens.TokenError as exc:
            wrong = errors.NotFoundError(str(exc))
            await self._guesses.judge(asked.address, _raising(wrong))
            raise AssertionError from exc
        report = self._report(token)
        if report is None and self._is_newer(token):
            # A conductor made it a moment ago.
            assert self._run is not None
            await self._run(self._refresh, token.node)
            report = self._report(token)
        if report is None:
            raise _over()
        return report

    def _report(self, token: tokens.Token) -> Report | None:
        """Return what a token is for; None for another boot of its host."""
        host = self._one([host for host in (
            self._index.by_uuid(token.node),) if host], 'the token')
        said, now = token.generation, self._records.generation(host)
        if said == now or (said == (0, 0) == (
                host.generation, now.server)):
            # As releases without generations made them.
            return Report(host, said, True)
        ended = self._records.of(host.uuid).ended
        if (said.conductor in (now.conductor, host.boot.begun)
                and said.server in (now.server, ended)):
            return Report(host, said, False)
        return None

    def _is_newer(self, token: tokens.Token) -> bool:
        """Tell whether a token is of what is not known yet."""
        host = self._index.by_uuid(token.node)
        return host is not None and any(
            said > known for said, known in zip(
                token.generation, self._records.generation(host)))

    def _one(self, found: collections.abc.Sequence[hosts.Host], what: str
             ) -> hosts.Host:
        if len(found) == 1:
            return found[0]
        if found:
            # Whoever asks learns of no other host.
            raise errors.ConflictError(
                f'several hosts have {what}: change that in Ironic, or use '
                'a token')
        if not self._index.loaded.is_set():
            raise errors.UnavailableError(
                'Ironic did not tell its nodes yet: try again in a moment')
        raise errors.NotFoundError(f'no host has {what}')


def _mac(text: str) -> str:
    """Return a MAC as hosts.mac() writes it.

    :raises: BadRequestError
    """
    mac = hosts.mac(text)
    if not mac:
        raise errors.BadRequestError(
            'the MAC must be written like 52:54:00:12:34:56')
    return mac


def _raising(error: errors.ServerError
             ) -> collections.abc.Callable[[], typing.NoReturn]:
    def find() -> typing.NoReturn:
        raise error
    return find


def _over() -> errors.GoneError:
    return errors.GoneError('the boot that the token was for is over')


def source_address(peer: str, forwarded: str,
                   proxies: collections.abc.Sequence[Network]) -> str:
    """Return where a request comes from, as hosts.address() writes it.

    :param peer: the address of the connection.
    :param forwarded: X-Forwarded-For. It is believed from the right, as long
        as proxies wrote it.
    """
    if not proxies and _is_ipv4(peer):
        # As it is written already.
        return peer
    address = _ip(peer)
    hops = [item.strip() for item in forwarded[:4096].split(',')]
    while address is not None and hops and any(
            address in network for network in proxies):
        address = _ip(hops.pop())
    return '' if address is None else str(address)


def is_of(address: str, networks: collections.abc.Sequence[Network]) -> bool:
    """Tell whether an address is of one of some networks."""
    found = _ip(address)
    return found is not None and any(found in network
                                     for network in networks)


def anaconda_mac(header: str) -> str:
    """Return the MAC of an X-RHN-Provisioning-MAC-*, '' for none.

    As hosts.mac() writes it.

    Anaconda sends ``<interface> <MAC>`` with ``inst.ks.sendmac``.
    """
    match = _ANACONDA_MAC.fullmatch(header.strip())
    return hosts.mac(match[1]) if match else ''


@functools.lru_cache(maxsize=1024)
def _is_ipv4(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition('%')[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return found.ipv4_mapped
    return found
