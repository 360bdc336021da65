# SPDX-License-Identifier: Apache-2.0

"""Where a machine reports that it is installed."""

import datetime
import typing

from ironic_ext.node import host as hosts
from ironic_ext.node import tokens
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.machines import identity

_NOT_YET = (b'The report is noted. The disk is not the boot device yet: its '
            b'conductor makes it that. Report again to see whether it is.\n')


class Hosts(typing.Protocol):
    """What is needed of the hosts."""

    def complete(self, host: hosts.Host, generation: tokens.Generation,
                 when: str) -> hosts.Host:
        """Note that a host runs what it was to boot once; return it.

        :param generation: of the token that says so.
        :raises: GoneError when another boot came since
        """

    def now(self, host: hosts.Host) -> hosts.Host:
        """Return a host as Ironic has it now."""


class BootComplete:
    """The report. It wants a token: others can have a MAC or an address."""

    def __init__(self, finder: identity.Finder, shared: Hosts,
                 run: identity.Run) -> None:
        """Take who tells machines, and the hosts.

        :param run: runs what may wait in a thread.
        """
        self._finder = finder
        self._shared = shared
        self._run = run

    async def post(self, asked: identity.Asked) -> answers.Answer:
        """Leave boot mode "once": the host is to boot from its disk.

        204 once it is seen that it does, or where nothing is to be seen;
        202 until then: whoever wants to know repeats the report, for which
        the token is good although it reads nothing any more.

        :raises: UnauthorizedError, GoneError, and what Finder.reporting()
            and Hosts.complete() raise
        """
        if not asked.token:
            raise errors.UnauthorizedError(
                'give the token of the machine: '
                '/api/v1/boot-complete?token=...')
        report = await self._finder.reporting(asked)
        if report.goes_on:
            now = datetime.datetime.now(datetime.UTC)
            host = await self._run(
                self._shared.complete, report.host, report.generation,
                now.strftime('%Y-%m-%dT%H:%M:%SZ'))
            is_ending = host.boot_mode == hosts.ONCE
        else:
            host = await self._run(self._shared.now, report.host)
            if not host.boots_locally:
                raise errors.GoneError(
                    'that boot is over, and the host is to boot again')
            is_ending = True
        if is_ending and not host.is_over:
            return answers.Answer(_NOT_YET, answers.PLAIN, 202)
        return answers.Answer(status=204)
