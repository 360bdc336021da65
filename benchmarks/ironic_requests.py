# SPDX-License-Identifier: Apache-2.0

"""What a boot server asks of Ironic, and what its memory takes, by hosts.

    python -m benchmarks.ironic_requests [--hosts 100,1000,10000] [--poll 30]

starts a boot server before a stand-in for Ironic with so many nodes, a port
each, and counts the requests and the bytes of their answers: of the look at
all nodes as it starts, and of the looks for changes after that, while nothing
changes. Its memory and CPU are read from /proc. Half a minute for each
number, and more to start.
"""

import argparse
import os
import pathlib
import tempfile
import time

from ironic_ext.cli import progress
from lab import boot_server
from lab import process
from tests import ironic_stand_in


def _process(pid: int) -> tuple[int, float]:
    """Return resident bytes, and seconds of a processor so far."""
    folder = pathlib.Path(f'/proc/{pid}')
    status = (folder / 'status').read_text()
    # Field 14 of proc_pid_stat(5) on, behind the name in brackets.
    user, system = (folder / 'stat').read_text().rpartition(
        ')')[2].split()[11:13]
    return (int(status.partition('VmRSS:')[2].split()[0]) << 10,
            (int(user) + int(system)) / os.sysconf('SC_CLK_TCK'))


def _measure(hosts: int, poll: float, seconds: float) -> None:
    with (ironic_stand_in.IronicStandIn() as ironic,
          tempfile.TemporaryDirectory(prefix='bench-') as folder):
        known = ironic.known
        known.fill(hosts)
        server = boot_server.Process(pathlib.Path(folder), ironic.url,
                                     poll=poll, resync=1e6)
        server.start_timeout = 300
        server.start()
        try:
            pid = server.pid or 0
            last = ('/api/v1/namespaces/default/baremetalhosts/'
                    f'server{hosts - 1:05}')
            process.await_condition(
                lambda: server.call('GET', last).code == 200,
                'the last of the hosts', timeout=300)
            first, sent = known.answers, known.answered_bytes
            _memory, cpu = _process(pid)
            began = time.monotonic()
            # That is the measurement: so long is looked what comes.
            time.sleep(seconds)
            past = time.monotonic() - began
            memory, cpu_after = _process(pid)
            asked = known.answers - first
            told = known.answered_bytes - sent
        finally:
            server.stop()
        print(f'{hosts:>6} {first:>9} {progress.size_text(sent):>11} '
              f'{asked / past:>11.1f} '
              f'{progress.size_text(int(told / past)):>11} '
              f'{100 * (cpu_after - cpu) / past:>7.1f} % '
              f'{progress.size_text(memory):>11}', flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        '--hosts', default='100,1000,10000', metavar='LIST',
        type=lambda text: [int(number) for number in text.split(',')],
        help='how many there are')
    parser.add_argument('--poll', type=float, default=2.0,
                        help='seconds between two looks for changes')
    parser.add_argument('--seconds', type=float, default=30,
                        help='how long looks for changes are counted')
    args = parser.parse_args()
    print(f'A look for changes every {args.poll:.0f} s; all are looked at as '
          f'it starts\n'
          f'{"hosts":>6} {"all: asked":>10} {"answered":>10} '
          f'{"asked/s":>11} {"answered/s":>11} {"CPU":>9} {"memory":>11}')
    for hosts in args.hosts:
        _measure(hosts, args.poll, args.seconds)


if __name__ == '__main__':
    main()
