# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""How fast the boot server answers machines, lists hosts and tells changes.

``python -m benchmarks.boot_server`` starts a server before a stand-in for
Ironic with 10,000 nodes, 1,000 configs in the catalogue, and asks at a
constant rate: over connections that are kept, and as machines do that boot,
over a new one each time. ``--resync 5`` has the server look at all nodes
meanwhile.
"""

import argparse
import contextlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks import constant_rate

from lab import process
from tests import boot_server


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
    """Make the catalogue that the nodes refer to."""
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


def asked(server: boot_server.Process, name: str, paths: list[str],
          rate: float, seconds: float, keep: bool) -> None:
    """Ask at a rate, and print how long answers took."""
    random.Random(1).shuffle(paths)
    address = server.host, server.port
    constant_rate.ask(address, paths[:int(rate)], rate / 2, keep=keep)
    before = _processor_time(server.pid)
    own = time.process_time()
    count = int(rate * seconds)
    found = constant_rate.ask(address, (paths * (count // len(paths) + 1))[
        :count], rate, keep=keep)
    own = time.process_time() - own
    spent = _processor_time(server.pid) - before
    print(f'{name}: {rate:g}/s, median {found[count // 2] * 1e3:.1f} ms, '
          f'p99 {found[int(count * 0.99)] * 1e3:.1f} ms, worst '
          f'{found[-1] * 1e3:.1f} ms; {spent / count * 1e3:.2f} ms of a '
          f'processor each, {own / count * 1e3:.2f} for the client; load '
          f'{os.getloadavg()[0]:.1f}')


def _processor_time(pid: int | None) -> float:
    """Return the seconds that a process has computed."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(
        ')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--hosts', type=int, default=10000)
    parser.add_argument('--configs', type=int, default=1000)
    parser.add_argument('--rate', type=float, default=500)
    parser.add_argument('--seconds', type=float, default=10)
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
        for name, path, keep in (
                ('bootconfig', '/api/v1/bootconfig', True),
                ('bootconfig, new connections', '/api/v1/bootconfig', False),
                ('ipxe', '/ipxe', True),
                ('ipxe, new connections', '/ipxe', False)):
            asked(server, name, [f'{path}?mac={mac}' for mac in macs],
                  given.rate, given.seconds, keep)
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
