# SPDX-License-Identifier: Apache-2.0

"""The media server beside nginx, on one machine, with one client.

    python -m benchmarks.media_server [--size 1G] [--workers 2]

nginx serves the customised image as a file, the media server the same bytes
from the base and an overlay. Both answer the same requests of wrk in turn,
round by round; what is printed is the median of each and of their ratios,
since a busy machine slows both. Then: memory with many open connections,
and what a thousand nodes cost. Needs the packages of bindep's profile
"test", and free space of about four times the size.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import socket
import statistics
import subprocess
import tempfile
import time
import typing

from benchmarks import injection
from benchmarks import measure
from benchmarks import tools

from ironic_ext.cli import progress
from ironic_ext import iso
from lab import process
from tests import isos
from tests import media_streams

_NGINX = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
worker_processes {workers};
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port} reuseport backlog=1024;
        root {directory}/root;
    }}
}}
"""

#: Each thread sends the trace's requests in their order, from a place of
#: its own on. A line is "first last", or "whole".
_SCRIPT = """\
local lines = {{}}
for line in io.lines("{trace}") do lines[#lines + 1] = line end
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
local requests, at = {{}}, 0
function init(args)
   for index, line in ipairs(lines) do
      local first, last = line:match("(%d+) (%d+)")
      requests[index] = "GET {path} HTTP/1.1\\r\\nHost: bench\\r\\n"
      if first then
         requests[index] = requests[index] .. "Range: bytes=" .. first ..
            "-" .. last .. "\\r\\n"
      end
      requests[index] = requests[index] .. "\\r\\n"
   end
   at = number * 997
end
function request()
   at = at % #requests + 1
   return requests[at]
end
function done(summary, latency, requests)
   local failed = summary.errors
   io.write(string.format(
      '{{"seconds": %f, "requests": %d, "bytes": %d, "errors": %d}}\\n',
      summary.duration / 1e6, summary.requests, summary.bytes,
      failed.connect + failed.read + failed.write + failed.status
      + failed.timeout))
end
"""


class _Nginx(process.Service):
    """nginx in the foreground, with as many workers as ours."""

    def __init__(self, directory: pathlib.Path, workers: int) -> None:
        super().__init__('nginx', directory)
        self.port = process.free_port()
        self.path = '/image.iso'
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, workers=workers, port=self.port))

    def command(self) -> typing.Sequence[str]:
        return ['/usr/sbin/nginx', '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self) -> bool:
        return process.http_answers(f'http://127.0.0.1:{self.port}')


class _Ours(media_streams.Server):
    """The media server on one overlay."""

    def __init__(self, directory: pathlib.Path, workers: int,
                 base: pathlib.Path, overlay: pathlib.Path) -> None:
        super().__init__(
            directory,
            {media_streams.TOKEN: media_streams.medium(base, overlay)},
            # All its readers have one address.
            workers=workers, stop_timeout=1, max_client_connections=0)
        self.path = f'/{media_streams.TOKEN}/node-1.iso'


Server = _Nginx | _Ours


@dataclasses.dataclass(frozen=True)
class Work:
    """What the client asks for.

    :ivar trace: (first, last) bytes; empty: the whole image.
    :ivar unit: what is compared: ``requests`` or ``bytes``, per second.
    """

    name: str
    connections: int
    trace: tuple[tuple[int, int], ...]
    unit: str


@dataclasses.dataclass(frozen=True)
class Result:
    """One round: units per second, and the server's CPU for it.

    :ivar busy: microseconds of the server's CPU time for each request or,
        of whole images, for each MiB.
    """

    rate: float
    busy: float


def random_trace(size: int, count: int = 20000, length: int = 1 << 16
                 ) -> tuple[tuple[int, int], ...]:
    """Ranges of one length anywhere, at sector boundaries."""
    rng = random.Random(1)
    starts = (rng.randrange((size - length) // 2048) * 2048
              for _ in range(count))
    return tuple((start, start + length - 1) for start in starts)


def bmc_trace(size: int, count: int = 3000) -> tuple[tuple[int, int], ...]:
    """Ranges as a machine asks for that boots from an ISO and mounts it.

    Descriptors and directories by the sector, then kernel and initrd in
    growing reads ahead, then a compressed root file system: runs that jump.
    """
    rng = random.Random(2)
    out: list[tuple[int, int]] = []

    def add(offset: int, length: int) -> int:
        offset = min(offset, size - length) // 2048 * 2048
        out.append((offset, offset + length - 1))
        return offset + length

    for sector in (16, 17, 18, 19, 20, 16, 17):
        add(sector * 2048, 2048)
    for _ in range(count // 6):                # directories and small files
        add(rng.choice((40, 60, 400, 900)) * 2048
            + rng.randrange(24) * 2048, rng.choice((2048, 2048, 4096, 8192)))
    place = size // 50
    for length in (16384, 32768, 65536, 131072, 262144):
        for _ in range(count // 30):           # kernel, initrd
            place = add(place, length)
    while len(out) < count:                    # the root file system
        place = rng.randrange(size // 5, size - (1 << 24))
        length = rng.choice((4096, 16384, 65536, 131072, 131072, 524288))
        for _ in range(min(rng.randrange(1, 24), count - len(out))):
            place = add(place, length)
    return tuple(out)


def _cpu_seconds(server: Server) -> float:
    ticks = 0
    for pid in media_streams.family(server.pid or 0):
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
        fields = text.rpartition(')')[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')


def _round(server: Server, work: Work, seconds: int) -> Result:
    """Let wrk work on a server.

    :raises: ToolError when a request failed.
    """
    trace = server.directory / 'trace'
    trace.write_text(''.join(
        f'{first} {last}\n' for first, last in work.trace) or 'whole\n')
    script = server.directory / 'script.lua'
    script.write_text(_SCRIPT.format(trace=trace, path=server.path))
    before = _cpu_seconds(server)
    done = subprocess.run(
        ['wrk', '-t2', f'-c{work.connections}', f'-d{seconds}s',
         '--timeout', '60s', '-s', script,
         f'http://127.0.0.1:{server.port}'],
        capture_output=True, text=True, check=True)
    busy = _cpu_seconds(server) - before
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found['errors']:
        raise measure.ToolError(
            f'{found["errors"]} requests to {server.name} failed')
    share = (found['requests'] if work.unit == 'requests'
             else found['bytes'] / (1 << 20))
    return Result(found[work.unit] / found['seconds'],
                  busy / max(share, 1) * 1e6)


def _compare(works: list[Work], servers: dict[str, Server], rounds: int,
             seconds: int) -> None:
    print(f'\n{"":<36}{"nginx":>12}{"ours":>12}{"ratio":>8}'
          f'{"of rounds":>14}{"CPU nginx":>12}{"CPU ours":>12}')
    for work in works:
        found: dict[str, list[Result]] = {name: [] for name in servers}
        for number in range(rounds + 1):
            for name, server in servers.items():
                result = _round(server, work, seconds if number else 1)
                if number:              # the first one only warms up
                    found[name].append(result)
        ratios = [ours.rate / theirs.rate for ours, theirs
                  in zip(found['ours'], found['nginx'])]
        rates = {name: statistics.median(result.rate for result in results)
                 for name, results in found.items()}
        busy = {name: statistics.median(result.busy for result in results)
                for name, results in found.items()}
        shown = {name: f'{rate:,.0f}/s' if work.unit == 'requests'
                 else f'{progress.size_text(int(rate))}/s'
                 for name, rate in rates.items()}
        print(f'{work.name:<36}{shown["nginx"]:>12}{shown["ours"]:>12}'
              f'{statistics.median(ratios):>8.2f}'
              f'{f"{min(ratios):.2f}-{max(ratios):.2f}":>14}'
              f'{busy["nginx"]:>9.0f} us{busy["ours"]:>9.0f} us',
              flush=True)


def _open_connections(server: Server, count: int) -> int:
    """Memory with so many readers in the middle of the image.

    Each asked for everything and took a little.
    """
    request = (f'GET {server.path} HTTP/1.1\r\nHost: bench\r\n\r\n').encode()
    with contextlib.ExitStack() as stack:
        readers = []
        for _ in range(count):
            reader = stack.enter_context(socket.socket())
            # Else the kernel would hold megabytes of each stream.
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
            reader.connect(('127.0.0.1', server.port))
            reader.sendall(request)
            readers.append(reader)
        for reader in readers:
            reader.settimeout(60)
            if not reader.recv(4096):
                raise measure.ToolError(f'{server.name} hung up')
        return media_streams.memory(server.pid or 0)


def _nodes(directory: pathlib.Path, size: int, nodes: int) -> None:
    """Overlays of many nodes on one base, and one full copy beside."""
    base = isos.lorax_like(directory, payload=size)
    overlays = directory / 'overlays'
    overlays.mkdir()
    started = time.perf_counter()
    used = 0
    for node in range(nodes):
        with iso.IsoImage.open(base) as image, iso.inject(
                image, iso.Injection(
                    append_args=tools.APPEND.replace('n-1', f'n-{node}'),
                    files={tools.NEW_FILE: b'{"uuid": "n-%d"}\n' % node,
                           '/openstack/latest/user_data':
                           b'#cloud-config\n' * 2000})) as customised:
            overlay = overlays / f'{node}.overlay'
            customised.save(overlay)
            used += overlay.stat().st_blocks * 512
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    copy = directory / 'copy.iso'
    subprocess.run(['cp', '--reflink=never', base, copy], check=True)
    subprocess.run(['sync', copy], check=True)
    one = time.perf_counter() - started
    text = progress.size_text
    print(f'\n{nodes} nodes with configs of their own on one base of '
          f'{text(base.stat().st_size)}')
    print(f'  overlays:     {seconds:8.1f} s    '
          f'{text(used)} of disk beyond the base')
    print(f'  a copy each:  {one * nodes:8.0f} s *  '
          f'{text(copy.stat().st_size * nodes)} *')
    print(f'  * computed from one copy of {one:.1f} s')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--size', type=injection.parse_size, default='1.07G',
                        help='payload of the image')
    parser.add_argument('--workers', type=int, default=os.cpu_count(),
                        help='worker processes of either server')
    parser.add_argument('--connections', type=int, default=256,
                        help='of the client, for ranges')
    parser.add_argument('--streams', type=int, default=32,
                        help='of the client, for whole images')
    parser.add_argument('--open', type=int, default=2000, metavar='N',
                        help='connections when memory is measured')
    parser.add_argument('--seconds', type=int, default=4,
                        help='length of a round')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--nodes', type=int, default=1000)
    parser.add_argument('--nodes-size', type=injection.parse_size,
                        default='1.61G', help='payload of their base')
    parser.add_argument('--only', default='speed,memory,nodes',
                        help='parts to run')
    parser.add_argument('--directory', metavar='DIR',
                        help='where to work; the default is TMPDIR')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = _arguments()
    parts = args.only.split(',')
    with tempfile.TemporaryDirectory(dir=args.directory) as name:
        directory = pathlib.Path(name)
        if 'speed' in parts or 'memory' in parts:
            _servers(args, directory, parts)
        if 'nodes' in parts:
            _nodes(directory, args.nodes_size, args.nodes)


def _servers(args: argparse.Namespace, directory: pathlib.Path,
             parts: list[str]) -> None:
    base = isos.lorax_like(directory, payload=args.size)
    overlay = directory / 'node-1.overlay'
    root = directory / 'root'
    root.mkdir()
    with iso.IsoImage.open(base) as image, iso.inject(
            image, iso.Injection(
                append_args=tools.APPEND,
                files={tools.NEW_FILE: b'{"uuid": "n-1"}\n'})) as customised:
        customised.save(overlay)
        customised.write(root / 'image.iso')
        size = customised.size
    # nginx' workers may be another user's.
    for path in (directory, *directory.parents):
        if path == pathlib.Path(tempfile.gettempdir()):
            break
        path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        servers: dict[str, Server] = {
            'nginx': _Nginx(directory, args.workers),
            'ours': _Ours(directory, args.workers, base, overlay)}
        for server in servers.values():
            server.start()
            stack.callback(server.stop)
        print(f'{args.workers} workers each, image of '
              f'{progress.size_text(size)}, {args.rounds} rounds of '
              f'{args.seconds} s')
        if 'speed' in parts:
            many = args.connections
            works = [
                Work(f'whole image, {args.streams} clients', args.streams,
                     (), 'bytes'),
                Work(f'random 64 KiB, {many} connections', many,
                     random_trace(size), 'requests'),
                Work(f'BMC-like trace, {many} connections', many,
                     bmc_trace(size), 'requests')]
            _compare(works, servers, args.rounds, args.seconds)
        if 'memory' in parts:
            idle = {name: media_streams.memory(server.pid or 0)
                    for name, server in servers.items()}
            print(f'\nMemory of all processes, idle and with {args.open} '
                  f'readers under way')
            for name, server in servers.items():
                busy = _open_connections(server, args.open)
                print(f'  {name:<6}{progress.size_text(idle[name]):>12}'
                      f'{progress.size_text(busy):>12}')


if __name__ == '__main__':
    main()
