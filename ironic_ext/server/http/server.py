# SPDX-License-Identifier: Apache-2.0

"""uvicorn's server with our protocol: it listens, and ends when it is told.

Over uvloop a new connection costs a third of what it costs over asyncio's own
loop.
"""

import asyncio
import collections.abc
import contextlib
import logging
import socket
import types
import typing

import uvicorn

from ironic_ext.server.http import connections
from ironic_ext.server.http import exchange
from ironic_ext.server.http import protocol

LOG = logging.getLogger(__name__)

SERVER = 'ironic-boot-server'
#: Connections that wait to be accepted. Where there are more, the system
#: drops what clients say, who try it again after a second.
BACKLOG = 2048
#: Seconds for what is being answered when the server ends.
_STOP = 5
#: Seconds between two dates of answers.
_TICK = 1


class Server(uvicorn.Server):
    """uvicorn with our protocol, which ends what would go on."""

    def __init__(self, application: exchange.Application,
                 shared: connections.Connections, before_end: collections.
                 abc.Callable[[], None] = lambda: None,
                 at_once: exchange.AtOnce = lambda scope: None) -> None:
        """Take the application and its limits; nothing runs yet.

        :param at_once: is asked for an answer before the application.
        :param before_end: ends what would go on.
        """
        # uvicorn's types are of its own protocols and scopes.
        made: typing.Any = application
        kind: typing.Any = protocol.HttpConnection.bound(shared, at_once)
        self._kind = kind
        super().__init__(uvicorn.Config(
            made, loop='uvloop', http=kind,
            ws='none', lifespan='off', interface='asgi3', log_config=None,
            access_log=False, proxy_headers=False, server_header=False,
            headers=[('server', SERVER)], backlog=BACKLOG,
            timeout_graceful_shutdown=_STOP))
        self._shared = shared
        self._before_end = before_end
        self._ending: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None
                      ) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_exception)
        for listener in sockets or ():
            self._shared.server = listener.getsockname()[:2]
        self._shared.follow(loop)
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Wait for the end, and make the date of answers each second.

        uvicorn's own wakes up ten times a second for that.
        """
        self._ending = asyncio.Event()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._ending.wait()

    async def on_tick(self, counter: int) -> bool:
        """Make what all answers have, and tell whether this is the end."""
        is_end = await super().on_tick(counter)
        self._kind.default_block = exchange.block(
            self.server_state.default_headers)
        return is_end

    def stop(self) -> None:
        """End in a moment; from anywhere."""
        self.should_exit = True
        if self._ending is not None:
            # Its loop is closed once it has ended.
            with contextlib.suppress(RuntimeError):
                self._shared.loop.call_soon_threadsafe(self._ending.set)

    def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
        """End because of a signal."""
        super().handle_exit(sig, frame)
        self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None
                       ) -> None:
        """Answer what was asked, and end."""
        self._before_end()
        await super().shutdown(sockets)

    def _on_exception(self, loop: asyncio.AbstractEventLoop,
                      context: dict[str, typing.Any]) -> None:
        problem = context.get('exception')
        if context['message'].startswith('Fatal error on server'):
            # uvloop listens no more. Whoever started us is to do it again.
            LOG.critical('No connection can be accepted: %s', problem)
            self.stop()
            return
        if isinstance(problem, OSError) and 'accept' in context['message']:
            # No more open files, or no memory: asyncio tries it again.
            self._shared.lack(loop.time(), problem)
        else:
            loop.default_exception_handler(context)
