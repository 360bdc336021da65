# SPDX-License-Identifier: Apache-2.0

"""Threads of operators' requests, few of which compute at the same time.

They wait for Ironic, Keystone and databases, so there are many of them. When
as many compute, whoever answers machines waits for Python's lock behind each
of them in turn; so no more than a few are begun, until they have ended or
taken so long that they are waiting for somebody.
"""

import asyncio
import collections.abc
import concurrent.futures
import typing

from ironic_ext.server import errors
from ironic_ext.server.http import turns
from ironic_ext.web import client_address

#: Requests that compute, and seconds after which one is thought to wait.
_AT_ONCE, _LONG = 2, 0.05
#: Requests that wait for their turn.
_MOST = 1024

Result = typing.TypeVar('Result')
_Turn: typing.TypeAlias = 'asyncio.Future[None]'


class Threads:
    """The threads; for the thread of an event loop."""

    def __init__(self, pool: concurrent.futures.Executor,
                 at_once: int = _AT_ONCE, most: int = _MOST) -> None:
        """Take a pool of threads.

        :param at_once: that compute.
        :param most: that wait for their turn.
        """
        self._pool = pool
        self._free = at_once
        self._most = most
        self._turns: turns.Turns[_Turn] = turns.Turns()

    async def run(self, address: str, function: collections.abc.Callable[
            ..., Result], *arguments: typing.Any) -> Result:
        """Return what a function returns, or raise what it raises.

        :param address: of whom it is for.
        :raises: BusyError when too many came after it
        """
        loop = asyncio.get_running_loop()
        await self._turn(loop, address)
        try:
            future = loop.run_in_executor(self._pool, function, *arguments)
            await asyncio.wait([future], timeout=_LONG)
        finally:
            self._leave()
        return await future

    async def _turn(self, loop: asyncio.AbstractEventLoop, address: str
                    ) -> None:
        """Wait for a turn."""
        if self._free:
            self._free -= 1
            return
        turn = loop.create_future()
        self._turns.add(turn, client_address.client_of(address))
        if len(self._turns) > self._most:
            last = self._turns.last()
            self._turns.leave(last)
            last.set_exception(errors.BusyError(
                'too many requests came at once: try again in a moment'))
        try:
            await turn
        except asyncio.CancelledError:
            self._turns.leave(turn)
            if not turn.cancelled() and turn.exception() is None:
                # It was told just now.
                self._leave()
            raise

    def _leave(self) -> None:
        """Let the next one begin."""
        while self._turns:
            turn = self._turns.take()
            # One that was cancelled a moment ago is still among them.
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
