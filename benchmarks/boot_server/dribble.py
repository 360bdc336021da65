# SPDX-License-Identifier: Apache-2.0

"""Clients of many addresses that send a byte now and then.

Each comes from an address of its own of 127.0.0.0/8, and comes again when it
was sent away. As a program it reads one job, tells when all were connected,
goes on until its input ends, and tells what became of it.
"""

import collections
import contextlib
import dataclasses
import heapq
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import time
import typing

HANDSHAKES, HEADS, BODIES = KINDS = 'handshakes', 'heads', 'bodies'
_HEAD = b'GET /ipxe?mac=52:54:00:00:00:01 HTTP/1.1\r\nHost: a\r\nX: '
_BODY = (b'POST /api/v1/bootconfigs HTTP/1.1\r\nHost: a\r\nContent-Type: '
         b'application/json\r\nContent-Length: 1000000\r\n\r\n')


class Attack:
    """The program: attacks from start() to stop()."""

    def __init__(self, address: tuple[str, int], kind: str, clients: int,
                 pace: float, authority: str) -> None:
        """Take whom to attack, and how.

        :param pace: seconds between two bytes of one client.
        :param authority: file of certificates; '' for no TLS.
        """
        self._job = [address, kind, clients, pace, authority]

    def start(self) -> None:
        """Begin, and return."""
        self._process = subprocess.Popen(
            [sys.executable, '-m', __name__], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(self._job) + '\n')
        self._process.stdin.flush()

    def await_all(self) -> float:
        """Wait until all were connected; return the seconds it took."""
        assert self._process.stdout is not None
        return float(json.loads(self._process.stdout.readline()))

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> dict[str, int]:
        """End it; return how often it connected, was sent away, sent."""
        with self._process as running:
            assert running.stdin and running.stdout
            running.stdin.close()
            found: dict[str, int] = json.loads(running.stdout.readline())
            return found


@dataclasses.dataclass
class _Client:
    """One of them."""

    source: str
    connection: typing.Any = None
    #: Bytes that were sent of its connection, in all.
    sent: int = 0
    is_open: bool = False


class _Crowd:
    """All of them."""

    def __init__(self, address: tuple[str, int], kind: str, clients: int,
                 pace: float, authority: str) -> None:
        self._address, self._kind, self._pace = address, kind, pace
        self._tls = (ssl.create_default_context(cafile=authority)
                     if authority else None)
        self._hello = _hello() if self._tls else b''
        self._clients = [_Client(
            f'127.{1 + number // 62500}.{number // 250 % 250}.'
            f'{1 + number % 250}') for number in range(clients)]
        self._poll = select.epoll()
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        self._by_number: dict[int, _Client] = {}
        self._count: collections.Counter[str] = collections.Counter()
        self._missing = set(range(clients))

    def run(self) -> None:
        """Go on until the input ends."""
        began = time.monotonic()
        # All at once is part of it.
        turns = [(began, number) for number in range(len(self._clients))]
        while True:
            due, number = turns[0]
            now = time.monotonic()
            for file, _mask in self._poll.poll(max(0.0, due - now)):
                if file == sys.stdin.fileno():
                    print(json.dumps(self._count))
                    return
                self._receive(self._by_number[file])
            if time.monotonic() >= due:
                heapq.heapreplace(turns, (
                    max(due, now - 1) + self._pace, number))
                self._turn(self._clients[number])
                if self._missing and self._clients[number].is_open:
                    self._missing.discard(number)
                    if not self._missing:
                        print(json.dumps(time.monotonic() - began),
                              flush=True)

    def _turn(self, client: _Client) -> None:
        """Connect, or send one more byte."""
        try:
            if client.connection is None:
                self._connect(client)
            elif client.is_open:
                client.connection.send(self._next(client))
                client.sent += 1
                self._count['bytes'] += 1
        except BlockingIOError:
            pass
        except OSError:
            self._end(client)

    def _connect(self, client: _Client) -> None:
        made = client.connection = socket.socket()
        made.setblocking(False)
        made.bind((client.source, 0))
        made.connect_ex(self._address)
        self._by_number[made.fileno()] = client
        # It is told when it is connected.
        self._poll.register(made, select.EPOLLIN | select.EPOLLOUT)
        self._count['connections'] += 1

    def _next(self, client: _Client) -> bytes:
        """Return the next byte."""
        if self._kind == HANDSHAKES:
            # Without TLS there is none, and it says nothing of a request.
            text = self._hello or b'\r\n'
            return text[client.sent % len(text):][:1]
        return b'x'

    def _receive(self, client: _Client) -> None:
        """Go on with TLS, begin the request, or note the end."""
        try:
            if client.is_open:
                if not client.connection.recv(1 << 16):
                    self._end(client)
            else:
                self._open(client)
                client.is_open = True
                self._poll.modify(client.connection, select.EPOLLIN)
        except (BlockingIOError, ssl.SSLWantReadError):
            if isinstance(client.connection, ssl.SSLSocket):
                self._poll.modify(client.connection, select.EPOLLIN)
        except OSError:
            self._end(client)

    def _open(self, client: _Client) -> None:
        if self._kind == HANDSHAKES:
            return
        if self._tls is not None:
            if not isinstance(client.connection, ssl.SSLSocket):
                client.connection = self._tls.wrap_socket(
                    client.connection, server_hostname=self._address[0],
                    do_handshake_on_connect=False)
            client.connection.do_handshake()
        client.connection.send(_HEAD if self._kind == HEADS else _BODY)

    def _end(self, client: _Client) -> None:
        """Note that it was sent away; it comes again at its turn."""
        del self._by_number[client.connection.fileno()]
        client.connection.close()
        client.connection, client.sent, client.is_open = None, 0, False
        self._count['ends'] += 1


def _hello() -> bytes:
    """Return what a client of TLS says first."""
    said = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), said, server_hostname='localhost')
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return said.read()


def main() -> None:
    """Do the job that is read."""
    # Not more than was read: poll() tells the rest.
    text = b''
    while not text.endswith(b'\n'):
        text += os.read(sys.stdin.fileno(), 1)
    job: typing.Any = json.loads(text)
    job[0] = tuple(job[0])
    _Crowd(*job).run()


if __name__ == '__main__':
    main()
