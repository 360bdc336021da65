# SPDX-License-Identifier: Apache-2.0

"""uvicorn's server with our protocol: it listens, and ends when it is told.

Over uvloop a new connection costs a third of what it costs over asyncio's own
loop.
"""

import asyncio
import collections.abc
import logging
import socket
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
        super().__init__(uvicorn.Config(
            made, loop='uvloop', http=kind,
            ws='none', lifespan='off', interface='asgi3', log_config=None,
            access_log=False, proxy_headers=False, server_header=False,
            headers=[('server', SERVER)], backlog=BACKLOG,
            timeout_graceful_shutdown=_STOP))
        self._shared = shared
        self._before_end = before_end

    async def startup(self, sockets: list[socket.socket] | None = None
                      ) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_exception)
        for listener in sockets or ():
            self._shared.server = listener.getsockname()[:2]
        self._shared.follow(loop)
        await super().startup(sockets)

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
            self.should_exit = True
            return
        if isinstance(problem, OSError) and 'accept' in context['message']:
            # No more open files, or no memory: asyncio tries it again.
            self._shared.lack(loop.time(), problem)
        else:
            loop.default_exception_handler(context)
