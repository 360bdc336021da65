# SPDX-License-Identifier: Apache-2.0

"""The two kinds of sockets that images leave through, never blocking.

Both raise BlockingIOError when the socket takes or has nothing now. Nothing
is buffered here: what was not taken is read again from its file, so that a
slow reader costs no memory.
"""

import array
import fcntl
import functools
import os
import socket
import ssl
import termios
import typing

Buffer = bytes | memoryview

#: Bytes encrypted at once. After "would block", OpenSSL wants to see the
#: same bytes again.
_TLS_CHUNK = 1 << 16
_RECEIVE = 1 << 14


class Transport(typing.Protocol):
    """What a connection asks of its socket.

    :ivar secure: whether there is a handshake.
    """

    secure: typing.ClassVar[bool]

    def handshake(self) -> None:
        """Go on with the handshake; returns when it is complete."""

    def receive(self) -> bytes:
        """Return what came, b'' at the end."""

    def has_more(self) -> bool:
        """Tell whether bytes wait that the event loop does not know of."""

    def send(self, data: Buffer, flags: int, /) -> int:
        """Send bytes; of the flags of send(2), MSG_MORE is known."""

    def send_file(self, fd: int, offset: int, count: int, /) -> int:
        """Send a part of a file; returns 0 when it ends before."""

    def half_close(self) -> None:
        """Tell the peer that nothing more comes."""


class PlainTransport:
    """TCP: the kernel copies from the page cache to the socket.

    Its methods are those of the socket: nothing is to be added.
    """

    __slots__ = ('receive', 'send', 'send_file', '_socket')
    secure: typing.ClassVar[bool] = False

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.receive = functools.partial(sock.recv, _RECEIVE)
        self.send = sock.send
        self.send_file = functools.partial(os.sendfile, sock.fileno())

    def handshake(self) -> None:
        """There is none."""

    def has_more(self) -> bool:
        return False

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)


class TlsTransport:
    """TLS: ``pread`` into one buffer that all connections share."""

    __slots__ = ('_socket',)
    secure: typing.ClassVar[bool] = True

    _buffer = bytearray(_TLS_CHUNK)

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._socket = sock

    def handshake(self) -> None:
        try:
            self._socket.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def receive(self) -> bytes:
        try:
            return self._socket.recv(_RECEIVE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b''

    def has_more(self) -> bool:
        return self._socket.pending() > 0

    def send(self, data: Buffer, flags: int, /) -> int:
        try:
            return self._socket.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def send_file(self, fd: int, offset: int, count: int, /) -> int:
        view = memoryview(self._buffer)[:count]
        got = os.preadv(fd, [view], offset)
        return self.send(view[:got], 0) if got else 0

    def half_close(self) -> None:
        # Without waiting for the peer's own close_notify.
        self._socket.shutdown(socket.SHUT_WR)


def of(sock: socket.socket) -> Transport:
    """Return the transport of a connected socket."""
    return (TlsTransport(sock) if isinstance(sock, ssl.SSLSocket)
            else PlainTransport(sock))


def unacknowledged(sock: socket.socket) -> int:
    """Return the bytes sent that the peer lacks (tcp(7), SIOCOUTQ)."""
    count = array.array('i', [0])
    fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, count)
    return count[0]
