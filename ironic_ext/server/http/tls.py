# SPDX-License-Identifier: Apache-2.0

"""TLS over a transport, with no more memory than OpenSSL itself needs.

asyncio's own has a buffer of 256 KiB for each client, whether it speaks or
not, and reads before a client's turn to compute has come.
"""

import asyncio
import logging
import ssl
import struct
import typing

from ironic_ext.server.http import connections

LOG = logging.getLogger(__name__)

#: Bytes that are encrypted at once.
_PART = 256 << 10
#: What begins a record (RFC 8446, 5.1): its kind, two bytes that tell
#: nothing, the length of what follows.
_RECORD, _HANDSHAKE, _LONGEST = struct.Struct('!BHH'), 22, 1 << 14


class Owner(connections.Connection, typing.Protocol):
    """Who speaks over it."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop

    def begin(self) -> None:
        """Read from now on."""

    def received(self, data: memoryview) -> None:
        """Read what came."""

    def shutdown(self) -> None:
        """Read no more, and end when what was asked is answered."""

    def pause(self) -> None:
        """Receive nothing."""

    def resume(self) -> None:
        """Receive again."""


class Secured:
    """What speaks TLS over a transport, as one itself."""

    __slots__ = ('_owner', '_shared', '_raw', '_hello', '_is_begun',
                 '_incoming', '_outgoing', '_tls')

    def __init__(self, owner: Owner, shared: connections.Connections
                 ) -> None:
        """Begin as the server, before a word was said."""
        self._owner, self._shared = owner, shared
        self._raw = owner.transport
        # Of the first record, until it is here: who says no more than a part
        # of it costs neither time nor memory of OpenSSL's.
        self._hello = b''
        self._is_begun = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    def receive(self, data: memoryview) -> None:
        """Take what came, and hand on what it says."""
        if self._is_begun:
            self._incoming.write(data)
            self._decrypt()
            return
        if self._tls is None:
            self._hello += data
            if not self._has_hello():
                return
        else:
            self._incoming.write(data)
        # What hundreds make us compute, others need not wait for.
        self._owner.pause()
        self._shared.take_turn(self._owner, self._owner.loop,
                               goes_on=self._tls is not None)

    def _has_hello(self) -> bool:
        """Tell whether there is something for OpenSSL to judge."""
        if len(self._hello) < _RECORD.size:
            return False
        kind, _version, length = _RECORD.unpack_from(self._hello)
        return bool(kind != _HANDSHAKE or length > _LONGEST
                    or len(self._hello) >= _RECORD.size + length)

    def handshake(self) -> None:
        """Go on with the handshake; it is this client's turn."""
        if self._raw.is_closing():
            return
        if self._tls is None:
            self._incoming.write(self._hello)
            self._hello = b''
            assert self._shared.tls is not None
            self._tls = self._shared.tls.wrap_bio(
                self._incoming, self._outgoing, server_side=True)
        try:
            self._tls.do_handshake()
            self._is_begun = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as exc:
            LOG.debug('%s does not speak TLS: %s', self._owner.host, exc)
            self._raw.abort()
            return
        self._flush()
        self._owner.resume()
        if self._is_begun:
            self._owner.begin()
            # A request may have come with the last words of the handshake.
            self._decrypt()

    def _decrypt(self) -> None:
        buffer = self._shared.buffer
        assert self._tls is not None
        try:
            # Into a buffer, so that it returns how many bytes these are.
            while (count := typing.cast(int, self._tls.read(
                    len(buffer), buffer))):
                self._owner.received(buffer[:count])
            # The client has said that it says no more.
            self._owner.shutdown()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._raw.abort()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    # As a transport

    def write(self, data: bytes) -> None:
        """Send something."""
        if self._raw.is_closing() or self._tls is None:
            return
        try:
            for start in range(0, len(data), _PART):
                self._tls.write(memoryview(data)[start:start + _PART])
                self._flush()
        except ssl.SSLError:
            # It was ended by what came before.
            self._raw.abort()

    def can_write_eof(self) -> bool:
        """Tell whether it can be told that nothing more comes."""
        return True

    def write_eof(self) -> None:
        """Tell that nothing more comes."""
        self._end()
        self._raw.write_eof()

    def close(self) -> None:
        """End, when all was sent."""
        self._end()
        self._raw.close()

    def _end(self) -> None:
        if self._tls is None:
            return
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # The client has not ended it, too; or it was not begun.
            pass
        self._flush()

    def abort(self) -> None:
        """End at once."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Tell whether it ends."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """Receive nothing."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._raw.resume_reading()

    def get_extra_info(self, name: str, default: typing.Any = None
                       ) -> typing.Any:
        """Return what is known of the connection."""
        if name == 'sslcontext':
            return self._shared.tls
        return self._raw.get_extra_info(name, default)
