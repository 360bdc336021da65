# SPDX-License-Identifier: Apache-2.0

"""The bodies of one answer after the other, as the kernel takes them."""

import collections.abc
import enum
import socket

from ironic_ext.media.stream.http import body as bodies
from ironic_ext.media.stream.http import transport as transports

#: Bytes of one call; other connections wait meanwhile.
_CHUNK = 1 << 20
#: Bytes that one connection sends until the others have their turn.
_BURST = 4 << 20
#: Bytes asked of a source that is elsewhere: what a slow reader can occupy.
REMOTE_CHUNK = 1 << 16


class Outcome(enum.Enum):
    """Why :meth:`Sender.pump` returned."""

    #: The answer is out.
    DONE = 'done'
    #: The socket takes no more now, or others have their turn.
    BLOCKED = 'blocked'
    #: The next bytes are elsewhere; :meth:`Sender.supply` is awaited.
    ELSEWHERE = 'elsewhere'


# Looking a member up in its class takes as long as a call.
DONE, BLOCKED, ELSEWHERE = Outcome


class Sender:
    """Sends a head and pieces; knows what of the representation went out.

    An answer is begun by setting ``head``, ``pieces`` and ``reader`` when
    the one before is out.

    :ivar head: what is still unsent of it.
    :ivar pieces: those to come, or None.
    :ivar reader: hears what of the representation went out.
    :ivar total: bytes of bodies sent so far.
    """

    __slots__ = ('head', 'pieces', 'reader', 'total', '_transport',
                 '_source', '_offset', '_left', '_supplied', '_position',
                 '_noted')

    def __init__(self, transport: transports.Transport) -> None:
        self.head: bytes | memoryview = b''
        self.pieces: collections.abc.Iterator[bodies.Piece] | None = None
        self.reader: bodies.Reader | None = None
        self.total = 0
        self._transport = transport
        self._source: bodies.Source | bytes = b''
        self._offset = self._left = 0
        self._supplied: bytes | memoryview = b''
        # Place in the image of the next byte, and of the first one that is
        # not noted yet; -1: it is not of the image.
        self._position = self._noted = -1

    def pump(self) -> Outcome:
        """Send as much as the kernel takes.

        :raises: SourceError, OSError when the peer is gone.
        """
        transport = self._transport
        budget = _BURST
        try:
            while self.head:
                sent = transport.send(
                    self.head, socket.MSG_MORE if self.pieces else 0)
                self.head = (b'' if sent == len(self.head)
                             else memoryview(self.head)[sent:])
            while True:
                while self._left:
                    source = self._source
                    if isinstance(source, bytes):
                        view = memoryview(source)
                        sent = transport.send(
                            view[self._offset:self._offset + self._left], 0)
                    else:
                        source.check()
                        fd = source.fd
                        if fd is not None:
                            left = self._left
                            sent = transport.send_file(
                                fd, self._offset,
                                left if left < _CHUNK else _CHUNK)
                            if not sent:
                                raise bodies.TruncatedError(
                                    'a file became shorter meanwhile')
                        elif self._supplied:
                            sent = transport.send(self._supplied, 0)
                            self._supplied = self._supplied[sent:]
                        else:
                            return ELSEWHERE
                    self._offset += sent
                    self._left -= sent
                    self.total += sent
                    if self._position >= 0:
                        self._position += sent
                    budget -= sent
                    if budget <= 0 and self._left:
                        return BLOCKED
                piece = next(self.pieces, None) if self.pieces else None
                if piece is None:
                    if self._noted >= 0:
                        self.note()
                        self._position = self._noted = -1
                    self.pieces = None
                    self._source = self._supplied = b''
                    return DONE
                self._source, self._offset, self._left, position = piece
                if position != self._position:
                    if self._noted >= 0:
                        self.note()
                    self._position = self._noted = position
        except BlockingIOError:
            return BLOCKED

    def wanted(self) -> tuple[bodies.Source, int, int]:
        """Return the source, offset and length to be supplied."""
        assert not isinstance(self._source, bytes)
        return self._source, self._offset, min(self._left, REMOTE_CHUNK)

    def supply(self, data: bytes) -> None:
        """Take the bytes that were wanted; they are sent next."""
        self._supplied = memoryview(data)

    def note(self, lost: int = 0) -> None:
        """Note what went out since the last time.

        :param lost: bytes of it that the peer will never get.
        """
        end = self._position - lost
        if end > self._noted >= 0 and self.reader is not None:
            self.reader.add(self._noted, end)
            self._noted = self._position

    def drop(self) -> None:
        """Forget the answer; the connection is at its end."""
        self.head = b''
        self.pieces = None
        self._source = self._supplied = b''
        self._left = 0
