# SPDX-License-Identifier: Apache-2.0

"""Where an installed system reports that it runs."""

import datetime
import typing

from ironic_ext.node import host as hosts
from ironic_ext.server import answers
from ironic_ext.server import errors
from ironic_ext.server.machines import identity


class Hosts(typing.Protocol):
    """What is needed of the hosts."""

    def complete(self, host: hosts.Host, when: str) -> None:
        """Note that a host runs what it was to boot once."""


class BootComplete:
    """The report. It wants a token: others can have a MAC or an address."""

    def __init__(self, finder: identity.Finder, shared: Hosts,
                 run: identity.Run) -> None:
        """Take what is needed.

        :param run: runs what may wait in a thread.
        """
        self._finder = finder
        self._shared = shared
        self._run = run

    async def post(self, asked: identity.Asked) -> answers.Answer:
        """Leave boot mode "once": the host boots from its disk now.

        :raises: UnauthorizedError, and what Finder.asking() and
            Hosts.complete() raise
        """
        if not asked.token:
            raise errors.UnauthorizedError(
                'give the token of the machine: '
                '/api/v1/boot-complete?token=...')
        host = await self._finder.asking(asked)
        now = datetime.datetime.now(datetime.UTC)
        await self._run(self._shared.complete, host,
                        now.strftime('%Y-%m-%dT%H:%M:%SZ'))
        return answers.Answer(status=204)
