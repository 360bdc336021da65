# SPDX-License-Identifier: Apache-2.0

"""A thread that keeps something in step until it is told to end."""

import abc
import threading

#: Seconds that a look which has begun gets for its end.
_PATIENCE = 10


class Follower(abc.ABC):
    """Looks again and again at what tells nobody of its changes.

    :ivar ending: set when it is time to go.
    """

    def __init__(self, name: str) -> None:
        """Prepare; nothing is followed yet.

        :param name: of the thread, in logs.
        """
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self.run, daemon=True,
                                        name=name)

    def start(self) -> None:
        """Begin to follow, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more, in a moment; what is known stays."""
        self.ending.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    @abc.abstractmethod
    def run(self) -> None:
        """Look until ``ending`` is set; raise nothing."""
