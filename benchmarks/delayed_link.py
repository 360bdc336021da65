# SPDX-License-Identifier: Apache-2.0

"""Two network namespaces and a link with latency between them. Needs root.

netem delays the packets of a veth pair where the kernel has it. Elsewhere
each end is a TUN device, and a process per direction hands packets over
when their time has come; a large MTU lets Python carry hundreds of MB/s.
"""

import argparse
import collections
import contextlib
import ctypes
import fcntl
import os
import select
import signal
import struct
import subprocess
import time
import traceback
import typing

# linux/if_tun.h
_TUNSETIFF = 0x400454ca
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_MTU = 65000
_PR_SET_PDEATHSIG = 1
# Packets that a direction holds back at most: 64 MB of full ones.
_QUEUE = 1024

SERVER, CLIENT = '10.83.0.1', '10.83.0.2'


class LinkError(Exception):
    """The link cannot be had here."""


def _ip(*words: str) -> None:
    done = subprocess.run(['ip', *words], capture_output=True, text=True)
    if done.returncode:
        raise LinkError(f'ip {" ".join(words)}: {done.stderr.strip()}')


class DelayedLink:
    """A link for the time of a ``with`` block.

    :param delay: seconds, each way.
    :ivar kind: how packets are delayed: ``netem`` or ``tun``.
    """

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.kind = ''
        mark = os.getpid()
        self._spaces = [f'delay-{mark}-server', f'delay-{mark}-client']
        self._ends = [f'dl{mark % 10 ** 6}s', f'dl{mark % 10 ** 6}c']
        self._stack = contextlib.ExitStack()

    def on_server(self, *command: str) -> list[str]:
        """Return the command line that runs a command at SERVER's end."""
        return ['ip', 'netns', 'exec', self._spaces[0], *command]

    def on_client(self, *command: str) -> list[str]:
        """Return the command line that runs a command at CLIENT's end."""
        return ['ip', 'netns', 'exec', self._spaces[1], *command]

    def __enter__(self) -> typing.Self:
        with contextlib.ExitStack() as stack:
            for space in self._spaces:
                _ip('netns', 'add', space)
                stack.callback(subprocess.run,
                               ['ip', 'netns', 'delete', space], check=False)
            fds = [] if self._with_netem() else self._with_tun(stack)
            for space, end, address in zip(
                    self._spaces, self._ends, (SERVER, CLIENT)):
                inside = ('-n', space)
                _ip(*inside, 'link', 'set', 'lo', 'up')
                _ip(*inside, 'address', 'add', f'{address}/30', 'dev', end)
                _ip(*inside, 'link', 'set', end, 'up')
            if fds:
                self._start_carriers(fds, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _with_netem(self) -> bool:
        one, other = self._ends
        try:
            _ip('link', 'add', one, 'netns', self._spaces[0], 'type', 'veth',
                'peer', 'name', other, 'netns', self._spaces[1])
        except LinkError:
            return False
        try:
            for space, end in zip(self._spaces, self._ends):
                subprocess.run(
                    ['tc', '-n', space, 'qdisc', 'add', 'dev', end, 'root',
                     'netem', 'delay', f'{self.delay * 1e3:g}ms',
                     'limit', '100000'], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            _ip('-n', self._spaces[0], 'link', 'delete', one)
            return False
        self.kind = 'netem'
        return True

    def _with_tun(self, stack: contextlib.ExitStack) -> list[int]:
        self.kind = 'tun'
        fds = []
        for space, end in zip(self._spaces, self._ends):
            fd = _tun(end)
            stack.callback(os.close, fd)
            fds.append(fd)
            _ip('link', 'set', end, 'mtu', str(_MTU), 'txqueuelen',
                str(_QUEUE))
            # The descriptor stays with the device, wherever that goes.
            _ip('link', 'set', end, 'netns', space)
        return fds

    def _start_carriers(self, fds: list[int], stack: contextlib.ExitStack
                        ) -> None:
        # Only now: a device that is not up cannot be read.
        for source, sink in (fds, reversed(fds)):
            pid = os.fork()
            if not pid:
                _carry_until_killed(source, sink, self.delay)
            stack.callback(os.waitpid, pid, 0)
            stack.callback(os.kill, pid, signal.SIGKILL)


def _tun(name: str) -> int:
    try:
        fd = os.open('/dev/net/tun', os.O_RDWR | os.O_CLOEXEC
                     | os.O_NONBLOCK)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack(
            '16sH22x', name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as exc:
        raise LinkError(f'no TUN device: {exc.strerror}') from exc
    return fd


def _carry_until_killed(source: int, sink: int, delay: float
                        ) -> typing.NoReturn:
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _carry(source, sink, delay)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _carry(source: int, sink: int, delay: float) -> typing.NoReturn:
    """Hand packets from one device to the other when they are due."""
    waiting: collections.deque[tuple[float, bytes]] = collections.deque()
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            # A full queue drops the packet, as a router would.
            with contextlib.suppress(BlockingIOError):
                os.write(sink, waiting[0][1])
            waiting.popleft()
        patience = max(0.0, waiting[0][0] - now) if waiting else None
        full = len(waiting) >= _QUEUE
        if not select.select([] if full else [source], [], [], patience)[0]:
            continue
        # A few at a time: those that are due meanwhile must not wait long.
        for _ in range(16):
            try:
                packet = os.read(source, _MTU + 1)
            except BlockingIOError:
                break
            waiting.append((time.monotonic() + delay, packet))


def main() -> None:
    """Run a command at the client's end, with a server at the other one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--rtt', type=float, default=20, help='milliseconds')
    parser.add_argument('command', nargs='+')
    args = parser.parse_args()
    with DelayedLink(args.rtt / 2e3) as link:
        print(f'{link.kind}: {SERVER} <-> {CLIENT}', flush=True)
        subprocess.run(link.on_client(*args.command), check=True)


if __name__ == '__main__':
    main()
