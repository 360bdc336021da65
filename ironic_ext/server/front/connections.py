# SPDX-License-Identifier: Apache-2.0

"""A connection of the boot server: what it reads, and how it answers.

Cheroot speaks HTTP/1.1 (RFC 9112) over it. Its own files are Python's pure
ones, which cost as much as an answer; here are those in C.
"""

import io
import socket
import typing

from cheroot import errors
from cheroot import server as http_server

_MIB = 1 << 20


class _Source(socket.SocketIO):
    """A socket as a file, which may be told not to look.

    :ivar first: what was read already.
    """

    is_dry = False
    first = b''

    def readinto(self, buffer: typing.Any) -> int | None:
        """Read what is there; None if it is dry."""
        if self.first:
            count = min(len(buffer), len(self.first))
            buffer[:count] = self.first[:count]
            self.first = self.first[count:]
            return count
        return None if self.is_dry else super().readinto(buffer)


class Reader(io.BufferedReader):
    """What a client sends."""

    #: Cheroot's statistics, which are off.
    bytes_read = 0

    def __init__(self, sock: socket.socket, size: int) -> None:
        """Read from a socket.

        :param size: bytes to ask for at once.
        """
        self._source = _Source(sock, 'r')
        super().__init__(self._source, size)
        # What TLS has decrypted is not seen by epoll(7).
        self._pending = getattr(sock, 'pending', lambda: 0)

    def take_back(self, received: bytes) -> None:
        """Have what somebody else has read; when all else was read."""
        self._source.first = received

    def has_data(self) -> bool:
        """Tell whether something was received that nobody read."""
        self._source.is_dry = True
        try:
            return bool(self.peek(1)) or self._pending() > 0
        finally:
            self._source.is_dry = False


class Writer:
    """What a client is sent: at once, or together with what follows."""

    #: Cheroot's statistics, which are off.
    bytes_written = 0

    def __init__(self, sock: socket.socket) -> None:
        """Write to a socket."""
        self._send = sock.send
        self._is_holding = False
        self._held = b''

    def hold(self) -> None:
        """Keep the next write for the one after it, or for flush()."""
        self._is_holding = True

    def write(self, data: bytes) -> None:
        """Send all of it, as slowly as the client takes it.

        :raises: OSError, also when the client takes nothing for too long
        """
        if self._is_holding:
            self._is_holding, self._held = False, data
            return
        if self._held:
            data, self._held = self._held + data, b''
        sent = self._send(data)
        while sent < len(data):
            # Not sendall(), whose time is over at some moment even if the
            # client takes something all the time.
            sent += self._send(memoryview(data)[sent:])

    def flush(self) -> None:
        """Send what was kept.

        :raises: OSError, as write() does
        """
        self._is_holding = False
        if self._held:
            self.write(b'')


def _file(sock: socket.socket, mode: str, size: int) -> Reader | Writer:
    return Reader(sock, size) if 'r' in mode else Writer(sock)


class Request(http_server.HTTPRequest):
    """A request whose body may have been refused unread."""

    def respond(self) -> None:
        """Answer it."""
        try:
            super().respond()
        finally:
            self.conn.wfile.flush()

    def send_headers(self) -> None:
        """Send them; close the connection rather than read gigabytes.

        Cheroot takes the rest of a body into memory, whoever sends it, to
        keep the connection.
        """
        if getattr(self.rfile, 'remaining', 0) > _MIB:
            self.close_connection = True
        # Together with the first bytes of the body: one segment, and one
        # time that the client is woken.
        self.conn.wfile.hold()
        super().send_headers()


class Connection(http_server.HTTPConnection):
    """A connection that is gone as soon as it is closed."""

    RequestHandlerClass = Request

    def __init__(self, server: http_server.HTTPServer, sock: socket.socket
                 ) -> None:
        """Take a socket that was accepted."""
        super().__init__(server, sock, _file)
        # Cheroot's caches of the methods of the same names. They refer to
        # the connection, so that the garbage collector had to remove it:
        # after some thousands, all threads waited for a tenth of a second.
        # They are for UNIX sockets, which are not used.
        del self.resolve_peer_creds, self.get_peer_creds
        self._is_secured = server.ssl_adapter is None

    def finish(self, answer: bytes) -> bool:
        """Send the rest of an answer; tell whether that was possible."""
        try:
            if answer:
                self.wfile.write(answer)
        except OSError:
            # The client is gone, or takes nothing.
            return False
        return True

    def communicate(self) -> bool:
        """Answer one request; tell whether there may be more."""
        goes_on: bool = (self._is_secured or self._secure()) and (
            super().communicate())  # type: ignore[no-untyped-call]
        return goes_on

    def _secure(self) -> bool:
        """Begin TLS; tell whether that was possible.

        Here, in a thread of its own: Cheroot does it where it accepts, so
        that a client that says nothing keeps all others waiting.
        """
        try:
            self.socket, self.ssl_env = self.server.ssl_adapter.wrap(
                self.socket)
        except (errors.FatalSSLAlert, errors.NoSSLError) as exc:
            # Python has closed it.
            self.linger = True
            self.server.error_log(
                f'{self.remote_addr} does not speak TLS: {exc}')
            return False
        self.socket.settimeout(self.server.timeout)
        self.rfile = _file(self.socket, 'rb', self.rbufsize)
        self.wfile = _file(self.socket, 'wb', self.wbufsize)
        self._is_secured = True
        return True
