# SPDX-License-Identifier: Apache-2.0

"""How fast the boot server answers machines, lists hosts and tells changes.

``python -m benchmarks.boot_server`` starts a server before a stand-in for
Ironic with 10,000 nodes, 1,000 configs in the catalog, and asks at a
constant rate: over connections that are kept, and as machines do that boot,
over a new one each time. The client keeps one processor busy, so the server
has the others. nginx is asked for a fixed text in between.

A virtual machine shares its processors with others. Windows in which these
took more than ``--stolen`` percent are told by themselves, and it goes on
until there are ``--windows`` others. ``--resync 5`` has the server look at
all nodes meanwhile.
"""

import argparse
import collections.abc
import contextlib
import dataclasses
import gc
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks import constant_rate

from lab import process
from tests import boot_server

_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "{text}"; }}
    }}
}}
"""


class _Ironic(process.Service):
    """The stand-in as a process of its own."""

    start_timeout = 120.0

    def __init__(self, directory: pathlib.Path, nodes: int) -> None:
        super().__init__('ironic-stand-in', directory)
        self.port = process.free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._nodes = nodes

    def command(self) -> list[str]:
        """Return the command line."""
        return [sys.executable, '-c', (
            f'import sys; sys.path.insert(0, {str(_root())!r}); '
            f'sys.argv = ["", "{self.port}", "{self._nodes}"]; '
            'from tests import ironic_stand_in; ironic_stand_in.main()')]

    def is_ready(self) -> bool:
        """It answers."""
        return process.http_answers(self.url + '/v1/ports?limit=1')


def _root() -> pathlib.Path:
    return pathlib.Path(__file__).parents[1]


def fill(server: boot_server.Process, configs: int) -> None:
    """Make the catalog that the nodes refer to."""
    for number in range(configs):
        text = '{"ignition": {"version": "3.4.0"}, "passwd": {"users": [' \
            + ', '.join(f'{{"name": "user{n}"}}' for n in range(20)) + ']}}'
        _require(server.call('POST', '/api/v1/bootconfigs', {
            'metadata': {'name': f'config{number:04}'},
            'spec': {'format': 'ignition', 'data': {'config.ign': text}}}),
            201)
    for number in range(10):
        _require(server.call('POST', '/api/v1/iscsi-cdroms', {
            'metadata': {'name': f'iso{number}'}, 'spec': {
                'isoFile': f'iso{number}.iso', 'bootConfigs': [
                    f'config{config:04}' for config in range(configs)
                    if config % 10 == number]}}), 201)


def _require(answer: boot_server.Answer, code: int) -> None:
    if answer.code != code:
        raise SystemExit(f'{answer.code}: {answer.data!r}')


def watched(server: boot_server.Process, watchers: int) -> list[float]:
    """Return the seconds until each of many watchers saw a change."""
    path = '/api/v1/namespaces/default/baremetalhosts/server00042'
    listed = server.call('GET', '/api/v1/baremetalhosts?limit=1').json
    version = listed['metadata']['resourceVersion']
    seen: list[float] = []
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(server.watch(
            '/api/v1/baremetalhosts', resourceVersion=version))
            for _number in range(watchers)]
        for watch in watches:
            next(iter(watch))

        def look(watch: boot_server.Watch) -> None:
            watch.until(lambda event: event['type'] == 'MODIFIED')
            seen.append(time.perf_counter())

        threads = [threading.Thread(target=look, args=(watch,))
                   for watch in watches]
        for thread in threads:
            thread.start()
        began = time.perf_counter()
        _require(server.call('PATCH', path,
                             {'spec': {'bootMode': 'once'}}), 200)
        for thread in threads:
            thread.join()
    return sorted(moment - began for moment in seen)


class _Nginx(process.Service):
    """nginx that answers a text as long as a config, from its memory."""

    program = '/usr/sbin/nginx'

    def __init__(self, directory: pathlib.Path) -> None:
        super().__init__('nginx', directory)
        self.host, self.port = '127.0.0.1', process.free_port()
        self._config = directory / 'nginx.conf'
        self._config.write_text(_NGINX.format(
            directory=directory, port=self.port, text='x' * 500))

    def command(self) -> list[str]:
        """Return the command line."""
        return [self.program, '-e', 'stderr', '-p', str(self.directory),
                '-c', str(self._config)]

    def is_ready(self) -> bool:
        """It answers."""
        return process.http_answers(f'http://{self.host}:{self.port}/')


@dataclasses.dataclass(frozen=True)
class Window:
    """Some seconds of requests.

    :ivar times: milliseconds until the answers were there, sorted.
    :ivar spent: milliseconds of a processor for each.
    :ivar stolen: share of the processors' time that others had, in percent.
    """

    times: list[float]
    spent: float
    stolen: float


class Case:
    """What is asked, and how: the windows of it."""

    def __init__(self, name: str, server: boot_server.Process | _Nginx,
                 paths: collections.abc.Iterable[str], keep: bool) -> None:
        self.name = f'{name}, {"kept" if keep else "new"} connections'
        self.keep = keep
        self._windows: list[Window] = []
        self._server = server
        self._paths = list(paths)
        random.Random(1).shuffle(self._paths)

    def ask(self, rate: float, seconds: float) -> None:
        """Ask for some time at some rate, after a moment of it unmeasured."""
        address = self._server.host, self._server.port
        count = int(rate * seconds)
        constant_rate.ask(address, self._some(int(rate)), rate / 2,
                          keep=self.keep)
        server, stolen = self._clocks()
        found = constant_rate.ask(address, self._some(count), rate,
                                  keep=self.keep)
        server, stolen = (after - before for before, after in zip(
            (server, stolen), self._clocks(), strict=True))
        processors = len(os.sched_getaffinity(0))
        self._windows.append(Window(
            [time * 1e3 for time in found], server / count * 1e3,
            stolen / seconds / processors * 100))

    def quiet(self, limit: float) -> list[Window]:
        """Return the windows in which others took little.

        :param limit: percent of the processors' time.
        """
        return [window for window in self._windows if window.stolen <= limit]

    def told(self, limit: float) -> str:
        """Return what is to be printed.

        :param limit: see quiet().
        """
        quiet = self.quiet(limit)
        lines = [f'{self.name}: {len(quiet)} windows']
        if quiet:
            times = sorted(time for window in quiet for time in window.times)
            p99s = [_p99(window.times) for window in quiet]
            spent = statistics.mean(window.spent for window in quiet)
            lines.append(
                f'  median {statistics.median(times):.1f} ms, p99 '
                f'{_p99(times):.1f} ms ({min(p99s):.1f} to {max(p99s):.1f} '
                f'of single windows), worst {times[-1]:.0f} ms; '
                f'{spent:.2f} ms of a processor each')
        loud = sorted((window.stolen, _p99(window.times))
                      for window in self._windows if window not in quiet)
        if loud:
            lines.append(
                f'  p99 where others took more than {limit:.0f} %: '
                + ', '.join(f'{p99:.1f} ms ({stolen:.0f} %)'
                            for stolen, p99 in loud))
        return '\n'.join(lines)

    def _some(self, count: int) -> list[str]:
        return (self._paths * (count // len(self._paths) + 1))[:count]

    def _clocks(self) -> tuple[float, float]:
        return _processor_time(self._server.pid), _stolen_time()


def measure(server: boot_server.Process, nginx: _Nginx | None,
            macs: collections.abc.Sequence[str], given: argparse.Namespace
            ) -> None:
    """Ask for configs and scripts, and print how long answers took."""
    cases = [Case(name, server, [f'{path}?mac={mac}' for mac in macs], keep)
             for keep in (True, False)
             for name, path in (('bootconfig', '/api/v1/bootconfig'),
                                ('ipxe', '/ipxe'))]
    if nginx is not None:
        cases += [Case('nginx', nginx, ['/'], keep)
                  for keep in (True, False)]
    for number in range(given.rounds):
        missing = [case for case in cases
                   if len(case.quiet(given.stolen)) < given.windows]
        if not missing:
            break
        for case in missing:
            case.ask(given.rate, given.seconds)
        print(f'round {number + 1}: load {os.getloadavg()[0]:.1f}',
              flush=True)
    for case in cases:
        print(case.told(given.stolen))


def _p99(times: list[float]) -> float:
    return times[int(len(times) * 0.99)]


def _processor_time(pid: int | None) -> float:
    """Return the seconds that a process has computed."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(
        ')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def _stolen_time() -> float:
    """Return the seconds that other virtual machines computed, proc(5)."""
    fields = pathlib.Path('/proc/stat').read_text().split('\n', 1)[0].split()
    return int(fields[8]) / os.sysconf('SC_CLK_TCK')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--hosts', type=int, default=10000)
    parser.add_argument('--configs', type=int, default=1000)
    parser.add_argument('--rate', type=float, default=500)
    parser.add_argument('--seconds', type=float, default=10,
                        help='of each window')
    parser.add_argument('--windows', type=int, default=5)
    parser.add_argument('--stolen', type=float, default=5,
                        help='percent of the processors that other virtual '
                        'machines may take in a window that counts')
    parser.add_argument('--rounds', type=int, default=25,
                        help='after which there is no waiting for more')
    parser.add_argument('--watchers', type=int, default=200)
    parser.add_argument('--resync', type=float, default=3600,
                        help='seconds between two looks at all of Ironic')
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, \
            contextlib.ExitStack() as stack:
        directory = pathlib.Path(folder)
        ironic = _Ironic(directory, given.hosts)
        stack.callback(ironic.stop)
        ironic.start()
        server = boot_server.Process(directory, ironic.url,
                                     resync=given.resync,
                                     poll=2.0)
        server.start_timeout = 180
        stack.callback(server.stop)
        began = time.perf_counter()
        server.start()
        print(f'load of the machine before: {os.getloadavg()[0]:.1f}')
        print(f'{given.hosts} hosts known after '
              f'{time.perf_counter() - began:.1f} s')
        fill(server, given.configs)
        macs = [f'52:54:00:00:{number >> 8:02x}:{number & 255:02x}'
                for number in range(given.hosts)]
        nginx = None
        if os.path.exists(_Nginx.program):
            nginx = _Nginx(directory)
            stack.callback(nginx.stop)
            nginx.start()
        else:
            print(f'{_Nginx.program} is missing: nothing to compare with')
        # The client is not to count its own pauses.
        gc.collect()
        gc.disable()
        measure(server, nginx, macs, given)
        times = []
        for _number in range(5):
            began = time.perf_counter()
            _require(server.call('GET', '/api/v1/baremetalhosts?limit=500'),
                     200)
            times.append(time.perf_counter() - began)
        print(f'page of 500 hosts: {max(times) * 1e3:.0f} ms at worst')
        seen = watched(server, given.watchers)
        print(f'{len(seen)} watchers saw a change after {seen[0] * 1e3:.0f} '
              f'to {seen[-1] * 1e3:.0f} ms')
        resident = subprocess.run(
            ['ps', '-o', 'rss=', '-p', str(server.pid)],
            capture_output=True, text=True, check=True).stdout
        print(f'resident memory {int(resident) // 1024} MiB')


if __name__ == '__main__':
    main()
