# SPDX-License-Identifier: Apache-2.0

"""Readers beside the first one of a download, each with its connection.

They are a bonus: one that fails gives its piece back and ends, the first
reader fetches it then, with all the patience it has.
"""

import collections.abc
import threading

from ironic_ext.images import errors
from ironic_ext.images.http import errors as http_errors
from ironic_ext.images.http import pieces
from ironic_ext.images.http import session

#: Bytes that a reader asks for at a time when there are several. Requests
#: cost a round trip each; a digest in order may lag a piece per reader.
PIECE = 32 << 20

Ask = collections.abc.Callable[[pieces.Piece], session.Answer]
Stopped = collections.abc.Callable[[], bool]
Stream = collections.abc.Callable[
    [session.Answer, pieces.Piece, Stopped], None]


class Crew:
    """The further readers of one version of an image.

    :param missing: where pieces come from.
    :param ask: sends the request for a piece, and judges the answer.
    :param stream: reads an answer into the target, until it is told to
        stop: what is read after an interruption is no data.
    :param leave: called in a thread that ends.
    """

    def __init__(self, missing: pieces.Missing, ask: Ask,
                 stream: Stream, leave: collections.abc.Callable[[], None]
                 ) -> None:
        self._missing = missing
        self._ask = ask
        self._stream = stream
        self._leave = leave
        self._changed = threading.Condition()
        self._active = 0
        self._reading: set[session.Answer] = set()
        self._stopped = False
        #: Readers that may go on, the first one included.
        self.wanted = 1
        #: What the target raised, for the first reader to raise.
        self.failure: BaseException | None = None
        #: The server does not want more readers.
        self.refused = False

    @property
    def active(self) -> int:
        """How many there are beside the first."""
        return self._active

    def raise_failure(self) -> None:
        """Raise what the target raised in a thread of the crew."""
        if self.failure is not None:
            raise self.failure

    def grow(self, wanted: int) -> None:
        """Let there be so many readers, the first one included."""
        with self._changed:
            self.wanted = wanted
            for number in range(self._active + 1, wanted):
                self._active += 1
                threading.Thread(target=self._work, args=(number,),
                                 name=f'image-part-{number}',
                                 daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until a reader has ended."""
        with self._changed:
            if self._active:
                self._changed.wait(seconds)

    def stop(self) -> None:
        """Return once nobody writes any more.

        Who still waits for an answer finds out when it comes.
        """
        with self._changed:
            self._stopped = True
            for answer in self._reading:
                answer.interrupt()
            while self._reading:
                self._changed.wait()

    def _work(self, number: int) -> None:
        try:
            while number < self.wanted and not self._stopped and (
                    piece := self._missing.take(PIECE)):
                try:
                    self._fetch(piece)
                finally:
                    self._missing.give_back([piece])
        except (http_errors.TransientError, errors.ImageError):
            self.refused = True
        except BaseException as exc:
            self.failure = exc
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()
            self._leave()

    def _fetch(self, piece: pieces.Piece) -> None:
        with self._ask(piece) as answer:
            with self._changed:
                if self._stopped:
                    return
                self._reading.add(answer)
            try:
                self._stream(answer, piece, lambda: self._stopped)
            finally:
                with self._changed:
                    self._reading.discard(answer)
                    self._changed.notify_all()
