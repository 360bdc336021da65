# SPDX-License-Identifier: Apache-2.0

"""Where an installed system reports that it runs."""

import datetime
import typing

from ironic_ext.node import host as hosts
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.machines import identity

_NOT_YET = (b'The report is noted. The disk is not the boot device yet: its '
            b'conductor makes it that. Report again to see whether it is.\n')


class Hosts(typing.Protocol):
    """What is needed of the hosts."""

    def complete(self, host: hosts.Host, when: str) -> hosts.Host:
        """Note that a host runs what it was to boot once; return it."""


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
        202 until then: whoever wants to know repeats the report.

        :raises: UnauthorizedError, and what Finder.asking() and
            Hosts.complete() raise
        """
        if not asked.token:
            raise errors.UnauthorizedError(
                'give the token of the machine: '
                '/api/v1/boot-complete?token=...')
        host = await self._finder.asking(asked)
        now = datetime.datetime.now(datetime.UTC)
        host = await self._run(self._shared.complete, host,
                               now.strftime('%Y-%m-%dT%H:%M:%SZ'))
        if host.boot_mode == hosts.ONCE and not host.is_over:
            return answers.Answer(_NOT_YET, answers.PLAIN, 202)
        return answers.Answer(status=204)
