# SPDX-License-Identifier: Apache-2.0

"""HTTP requests at a constant rate, by a process that does little else.

A request that is late because of the one before counts from when it was due
(as wrk2 does it): a server that stalls is not asked less. It keeps one
processor busy all the time, if it is not told to sleep: the time that a
processor takes to wake up is the server's once, and not the client's as well.
GET only, answers need a Content-Length.

As a program it reads jobs and writes what it found, both JSON, one a line.
"""

import collections.abc
import contextlib
import dataclasses
import gc
import json
import re
import select
import socket
import ssl
import subprocess
import sys
import time
import typing

_LENGTH = re.compile(rb'\r\ncontent-length: *(\d+)', re.IGNORECASE)
_CLOSE = re.compile(rb'\r\nconnection: *close\r\n', re.IGNORECASE)
_END = b'\r\n\r\n'
#: Seconds after which a server has failed.
_PATIENCE = 60


@dataclasses.dataclass(frozen=True)
class Found:
    """What came of a job.

    :ivar times: seconds until the answers, from when each was due, sorted.
    :ivar failed: how many had no answer, or another one than 200.
    :ivar busy: part of the time in which the client itself had to do
        something: near 1 it, and not the server, is what was measured.
    """

    times: list[float]
    failed: int
    busy: float


class Client:
    """The program, which does one job after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, '-m', __name__], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def ask(self, address: tuple[str, int], paths: collections.abc.Sequence[
            str], rate: float, *, keep: bool, authority: str = '',
            sleeps: bool = False) -> Found:
        """Ask for each path once: see ask() below."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(
            [address, paths, rate, keep, authority, sleeps]) + '\n')
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit('the client has ended')
        return Found(**json.loads(line))

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class _Connection:
    """A connection, and what it waits for.

    :ivar due: when the request on its way was to be sent.
    :ivar is_open: whether requests can be sent.
    """

    def __init__(self, address: tuple[str, int],
                 tls: ssl.SSLContext | None) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)
        self._tls = None
        if tls is not None:
            self._tls = (tls, address[0])
        self.is_open = False
        self.due, self._answer, self._request = 0.0, b'', b''

    def ask(self, request: bytes, due: float) -> None:
        """Send a request, at once or when it can be."""
        self.due, self._answer, self._request = due, b'', request
        if self.is_open:
            self.socket.sendall(request)

    def go_on(self) -> bool:
        """Do what can be done; tell whether the answer is complete.

        :raises: OSError
        """
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            if not self.is_open:
                self._open()
                self.is_open = True
                self.socket.sendall(self._request)
            while not self._is_complete():
                more = self.socket.recv(1 << 16)
                if not more:
                    raise ConnectionResetError('it ended')
                self._answer += more
            return True
        return False

    def _open(self) -> None:
        """Connect, and begin TLS."""
        if self._tls is not None and not isinstance(
                self.socket, ssl.SSLSocket):
            context, name = self._tls
            self.socket = context.wrap_socket(
                self.socket, server_hostname=name,
                do_handshake_on_connect=False)
        if isinstance(self.socket, ssl.SSLSocket):
            self.socket.do_handshake()

    def _is_complete(self) -> bool:
        head, end, body = self._answer.partition(_END)
        if not end:
            return False
        if not head.startswith(b'HTTP/1.1 200 '):
            raise ConnectionError(repr(self._answer[:200]))
        length = _LENGTH.search(head)
        if length is None:
            raise ConnectionError(repr(self._answer[:200]))
        return len(body) >= int(length[1])

    def is_closing(self) -> bool:
        """Tell whether the server takes no more requests here."""
        return bool(_CLOSE.search(self._answer))


def ask(address: tuple[str, int], paths: collections.abc.Sequence[str],
        rate: float, keep: bool, authority: str, sleeps: bool) -> Found:
    """Ask for each path once.

    :param rate: requests a second.
    :param keep: whether connections are used again, else each request has
        one of its own, as from machines that boot.
    :param authority: file of certificates; '' for no TLS.
    :param sleeps: until there is something to do: somebody else needs the
        processor.
    """
    tls = ssl.create_default_context(cafile=authority) if authority else None
    requests = [_request(address[0], path, keep) for path in paths]
    return _Job(address, requests, rate, keep, tls, sleeps).run()


class _Job:
    """Requests on their way."""

    def __init__(self, address: tuple[str, int], requests: list[bytes],
                 rate: float, keep: bool, tls: ssl.SSLContext | None,
                 sleeps: bool) -> None:
        self._address, self._requests, self._tls = address, requests, tls
        self._rate, self._keep, self._sleeps = rate, keep, sleeps
        self._times: list[float] = []
        self._failed = 0
        # By file descriptor; those that wait for an answer, and the others.
        self._open: dict[int, _Connection] = {}
        self._waiting: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._poll = select.epoll()

    def run(self) -> Found:
        """Send them, and wait for the answers."""
        begin, idle, sent = time.perf_counter(), 0.0, 0
        try:
            while sent < len(self._requests) or self._waiting:
                due = begin + sent / self._rate
                now = time.perf_counter()
                if sent < len(self._requests) and now >= due:
                    self._ask(self._requests[sent], due)
                    sent += 1
                    continue
                events = self._poll.poll(self._pause(due - now, sent))
                if not events:
                    idle += time.perf_counter() - now
                    if now - due > _PATIENCE:
                        self._failed += len(self._waiting)
                        break
                for number, _mask in events:
                    self._go_on(self._open[number])
        finally:
            for connection in self._open.values():
                connection.socket.close()
            self._poll.close()
        took = time.perf_counter() - begin
        return Found(sorted(self._times), self._failed, 1 - idle / took)

    def _pause(self, left: float, sent: int) -> float:
        """Return the seconds for which there is nothing to do.

        :param left: seconds until the next request is due, if there is one.
        """
        if not self._sleeps:
            return 0
        return max(left, 0.0) if sent < len(self._requests) else 1.0

    def _ask(self, request: bytes, due: float) -> None:
        if self._idle:
            used = self._idle.pop()
        else:
            used = _Connection(self._address, self._tls)
            number = used.socket.fileno()
            self._open[number] = used
            # At first for when it is there.
            self._poll.register(number, select.EPOLLIN | select.EPOLLOUT)
        used.ask(request, due)
        self._waiting.add(used)

    def _go_on(self, used: _Connection) -> None:
        if used not in self._waiting:
            # The server closes what is kept.
            self._idle.remove(used)
            self._end(used)
            return
        was_open = used.is_open
        try:
            is_answered = used.go_on()
        except OSError:
            self._failed += 1
            self._waiting.remove(used)
            self._end(used)
            return
        if not was_open:
            self._poll.modify(used.socket.fileno(), select.EPOLLIN)
        if is_answered:
            self._times.append(time.perf_counter() - used.due)
            self._waiting.remove(used)
            if self._keep and not used.is_closing():
                self._idle.append(used)
            else:
                self._end(used)

    def _end(self, used: _Connection) -> None:
        del self._open[used.socket.fileno()]
        used.socket.close()


def _request(host: str, path: str, keep: bool) -> bytes:
    end = '' if keep else 'Connection: close\r\n'
    return f'GET {path} HTTP/1.1\r\nHost: {host}\r\n{end}\r\n'.encode()


def main() -> None:
    """Do what is read."""
    # It is not to count its own pauses.
    gc.disable()
    for line in sys.stdin:
        job: typing.Any = json.loads(line)
        job[0] = tuple(job[0])
        print(json.dumps(dataclasses.asdict(ask(*job))), flush=True)
        gc.collect()


if __name__ == '__main__':
    main()
