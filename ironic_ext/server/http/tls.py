# SPDX-License-Identifier: Apache-2.0

"""TLS on a connection that was counted before, over asyncio's own loop."""

import asyncio
import contextlib
import socket

from ironic_ext.server.http import connections


async def begun(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport,
                protocol: asyncio.BaseProtocol,
                shared: connections.Connections) -> asyncio.Transport | None:
    """Return what a protocol speaks over once TLS has begun.

    :param transport: that nothing was read from.
    :returns: None when the client does not get that far.
    """
    assert shared.tls is not None
    # asyncio sets it for sockets alone that name their protocol. Without it
    # an answer waits for the client to acknowledge the last words of TLS.
    transport.get_extra_info('socket').setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    async with shared.turn:
        # What hundreds make us compute, others need not wait for.
        await asyncio.sleep(0)
    with contextlib.suppress(OSError, asyncio.CancelledError):
        return await loop.start_tls(
            transport, protocol, shared.tls, server_side=True,
            ssl_handshake_timeout=shared.limits.head,
            ssl_shutdown_timeout=shared.limits.linger)
    return None
