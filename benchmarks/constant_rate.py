# SPDX-License-Identifier: Apache-2.0

"""HTTP requests at a constant rate, by one thread that does little else.

A request that is late because of the one before counts from when it was due
(as wrk2 does it): a server that stalls is not asked less. It keeps one
processor busy all the time. GET only, answers need a Content-Length.
"""

import collections.abc
import contextlib
import dataclasses
import re
import select
import socket
import time

_LENGTH = re.compile(rb'\r\ncontent-length: *(\d+)', re.IGNORECASE)
_END = b'\r\n\r\n'
#: Seconds after which a server has failed.
_PATIENCE = 60


@dataclasses.dataclass(eq=False)
class _Connection:
    """A connection, and what it waits for.

    :ivar due: when the request on its way was to be sent.
    """

    socket: socket.socket
    path: str = ''
    due: float = 0.0
    answer: bytes = b''

    def ask(self, path: str, request: bytes, due: float) -> None:
        """Send a request."""
        self.path, self.due, self.answer = path, due, b''
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what is there; tell whether that was all.

        :raises: SystemExit for anything but 200
        """
        more = self.socket.recv(1 << 16)
        self.answer += more
        head, end, body = self.answer.partition(_END)
        if not more or end and not head.startswith(b'HTTP/1.1 200 '):
            raise SystemExit(f'{self.path}: {self.answer[:200]!r}')
        length = _LENGTH.search(head)
        return bool(end and length and len(body) >= int(length[1]))

    def is_closing(self) -> bool:
        """Tell whether the server takes no more requests here."""
        return b'\r\nConnection: close\r\n' in self.answer


def ask(address: tuple[str, int], paths: collections.abc.Sequence[str],
        rate: float, *, keep: bool = True) -> list[float]:
    """Ask for each path once; return the seconds until the answers.

    :param rate: requests a second.
    :param keep: whether connections are used again, else each request has
        one of its own, as from machines that boot.
    :returns: from when each was due, sorted.
    """
    found: list[float] = []
    requests = [_request(address[0], path, keep) for path in paths]
    # By file descriptor.
    open_ones: dict[int, _Connection] = {}
    waiting: set[_Connection] = set()
    idle: list[_Connection] = []
    next_one = 0
    with contextlib.ExitStack() as stack:
        poll = stack.enter_context(select.epoll())

        @stack.callback
        def close() -> None:
            for connection in open_ones.values():
                connection.socket.close()

        def connection() -> _Connection:
            if idle:
                return idle.pop()
            # Not create_connection(), which asks for the name each time.
            made = socket.socket()
            new = open_ones[made.fileno()] = _Connection(made)
            made.settimeout(_PATIENCE)
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(made, select.EPOLLIN)
            return new

        begin = time.perf_counter()
        while next_one < len(paths) or waiting:
            due = begin + next_one / rate
            now = time.perf_counter()
            if next_one < len(paths) and now >= due:
                used = connection()
                used.ask(paths[next_one], requests[next_one], due)
                waiting.add(used)
                next_one += 1
                continue
            # Never asleep: the time that a processor takes to wake up is
            # the server's once, and not the client's as well.
            events = poll.poll(0)
            if not events and now - due > _PATIENCE:
                raise SystemExit(f'{len(waiting)} answers are missing')
            for number, _mask in events:
                used = open_ones[number]
                if used in waiting:
                    if not used.is_answered():
                        continue
                    found.append(time.perf_counter() - used.due)
                    waiting.remove(used)
                    if keep and not used.is_closing():
                        idle.append(used)
                        continue
                elif used in idle:
                    idle.remove(used)
                del open_ones[number]
                used.socket.close()
    return sorted(found)


def _request(host: str, path: str, keep: bool) -> bytes:
    end = '' if keep else 'Connection: close\r\n'
    return f'GET {path} HTTP/1.1\r\nHost: {host}\r\n{end}\r\n'.encode()
