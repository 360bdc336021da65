# SPDX-License-Identifier: Apache-2.0

"""How fast the boot server answers machines, lists hosts and tells changes.

``python -m benchmarks.boot_server`` starts a server before a stand-in for
Ironic with 10,000 nodes, 1,000 configs in the catalog, and asks at a
constant rate: over connections that are kept, and as machines do that boot,
over a new one each time. nginx is asked for a fixed text in between. With
``--against COMMIT`` that commit is installed apart and runs at the same
time; each window of one is followed by one of the other. ``--attack`` has a
thousand clients dribble, and tells what becomes of everybody else.

The client keeps one processor busy, so the server has the others; amid an
attack it sleeps, so that server and attackers have two. Windows in which
other processes or virtual machines took more than ``--others`` percent do not
count, and it goes on until there are ``--windows`` that do.
"""

import argparse
import collections.abc
import contextlib
import json
import os
import pathlib
import re
import statistics
import tempfile
import time
import typing

from benchmarks.boot_server import commits
from benchmarks.boot_server import constant_rate
from benchmarks.boot_server import dribble
from benchmarks.boot_server import sides
from benchmarks.boot_server import watchers
from benchmarks.boot_server import windows

from lab import process

_MIB = 1 << 20
Row = dict[str, typing.Any]


class _Run:
    """Everything that runs for some measurements: plain, or by TLS."""

    def __init__(self, given: argparse.Namespace, stack: contextlib.ExitStack,
                 tls: bool) -> None:
        folder = pathlib.Path(stack.enter_context(
            tempfile.TemporaryDirectory(prefix='boot-server-')))
        self.given, self.tls = given, tls
        certificate = sides.Certificate(folder) if tls else None
        self.client = constant_rate.Client()
        stack.callback(self.client.stop)
        ironic = sides.Ironic(folder, given.hosts)
        stack.callback(ironic.stop)
        ironic.start()
        self.servers: dict[str, sides.Server] = {}
        programs = {'now': sides.programs()}
        if given.against:
            programs[given.against] = commits.installed(given.against)
        self.ours = [self.client.pid, _pid(ironic)]
        for name, found in programs.items():
            directory = folder / name.replace('/', '-')
            directory.mkdir()
            server = self.servers[name] = sides.Server(
                directory, ironic.url, found, certificate, given.resync)
            stack.callback(server.stop)
            server.start()
            server.fill(given.configs)
            self.ours.append(_pid(server))
        self.sides: dict[str, windows.Side] = dict(self.servers)
        if sides.has_nginx():
            nginx = self.sides['nginx'] = sides.Nginx(folder, certificate)
            stack.callback(nginx.stop)
            nginx.start()
            self.ours.append(_pid(nginx))

    def cases(self) -> list[windows.Case]:
        """Return what is asked of whom, one side after the other."""
        given, scheme = self.given, ', TLS' if self.tls else ''
        asked = [(what, path, is_template)
                 for what, path, is_template in (
                     ('config', '/api/v1/bootconfig', False),
                     ('ipxe', '/ipxe', False),
                     ('template', '/api/v1/bootconfig', True))
                 if not self.tls or what == 'config']
        found = []
        for what, path, is_template in asked:
            paths = [f'{path}?mac={mac}' for mac in self._macs(is_template)]
            for keep in (True, False):
                for name, side in self.sides.items():
                    found.append(windows.Case(
                        name, side, what + scheme,
                        given.rate if not self.tls or keep
                        else given.handshakes,
                        paths if name in self.servers else ['/'], keep))
        return [case for case in found if re.search(
            given.only, f'{case.what} {case.connections}')]

    def _macs(self, is_template: bool) -> list[str]:
        return [f'52:54:00:00:{number >> 8:02x}:{number & 255:02x}'
                for number in range(self.given.hosts)
                if (number % 10 == sides.TEMPLATE) == is_template
                and number % 1000 < self.given.configs]


def _pid(service: process.Service) -> int:
    assert service.pid is not None
    return service.pid


def measure(run: _Run) -> list[Row]:
    """Ask until enough windows were undisturbed; return what was found."""
    given, cases = run.given, run.cases()
    limit = given.others / 100
    for number in range(given.rounds):
        missing = [case for case in cases
                   if len(case.quiet(limit)) < given.windows]
        if not missing:
            break
        # Whoever is first in a pair may be better off.
        for case in missing if number % 2 else reversed(missing):
            case.ask(run.client, given.seconds, run.ours)
        print(f'round {number + 1}: {len(missing)} of {len(cases)} cases, '
              f'load {os.getloadavg()[0]:.1f}', flush=True)
    return [case.row(limit) for case in cases]


def measure_others(run: _Run) -> list[Row]:
    """Return what servers take for nothing, for lists and watches."""
    found = []
    for _number in range(run.given.windows):
        for name, server in run.servers.items():
            found.append((name, windows.idle(server, run.given.seconds)))
    rows = []
    for name, server in run.servers.items():
        spent = [value for side, value in found if side == name]
        times = []
        for _number in range(5):
            began = time.perf_counter()
            sides.required(server.call(
                'GET', '/api/v1/baremetalhosts?limit=500'), 200)
            times.append(time.perf_counter() - began)
        seen = watchers.told(server, run.given.watchers)
        rows.append({
            'side': name, 'idle CPU ms/s': statistics.median(spent),
            'least idle': min(spent),
            'page of 500 hosts ms': min(times) * 1e3,
            'watchers': len(seen), 'first told ms': seen[0] * 1e3,
            'last told ms': seen[-1] * 1e3,
            'resident MiB': server.resident() / _MIB})
    return rows


def attacked(run: _Run) -> list[Row]:
    """Return what becomes of everybody else, before and meanwhile."""
    rows = []
    given = run.given
    paths = ['/api/v1/bootconfig?mac=52:54:00:00:00:01']
    for name, server in run.servers.items():
        for kind in dribble.KINDS:
            if not re.search(given.only, kind):
                continue
            address = server.host, server.port
            row: Row = {'side': name, 'attack': kind + (
                ', TLS' if run.tls else '')}

            def others(when: str, keep: bool, seconds: float,
                       row: Row = row, server: sides.Server = server
                       ) -> None:
                found = run.client.ask(
                    (server.host, server.port),
                    paths * int(given.attack_rate * seconds),
                    given.attack_rate, keep=keep,
                    authority=server.authority, sleeps=True)
                times = [time * 1e3 for time in found.times]
                word = f'{when} {"kept" if keep else "new"}'
                row[f'{word} p99'] = windows.p99(times)
                row['failed'] = row.get('failed', 0) + found.failed

            for keep in (True, False):
                others('before', keep, given.seconds)
            before = server.resident()
            attack = dribble.Attack(address, kind, given.attackers,
                                    given.pace, server.authority)
            attack.start()
            with windows.Meter([*run.ours, attack.pid]) as meter:
                # They come all at once meanwhile.
                others('begin', False, given.seconds)
                row['all connected s'] = attack.await_all()
                for keep in (True, False):
                    others('attacked', keep, given.attack_seconds / 2)
            row['MiB before'] = before / _MIB
            row['MiB attacked'] = server.resident() / _MIB
            counts = attack.stop()
            row.update(counts)
            row['others %'] = meter.others * 100
            rows.append(row)
            print(table([row]), flush=True)
    return rows


def table(rows: collections.abc.Sequence[Row]) -> str:
    """Return rows as a text, one line each under the names of columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = [names, *([_text(row.get(name, '')) for name in names]
                      for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return '\n'.join('  '.join(
        text.rjust(width) if number else text.ljust(width)
        for number, (text, width) in enumerate(
            zip(line, widths, strict=True))) for line in texts)


def _text(value: object) -> str:
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def ratios(rows: collections.abc.Sequence[Row]) -> list[Row]:
    """Return what this commit costs, as a multiple of the other one."""
    spent = {(row['side'], row['what'], row['connections']): row
             for row in rows}
    return [{
        'what': what, 'connections': connections, 'against': name,
        **{column: spent['now', what, connections][column] / row[column]
           for column in ('least CPU ms', 'CPU ms', 'p50 ms', 'p99 ms')}}
        for (name, what, connections), row in spent.items()
        if name not in ('now', 'nginx')]


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--against', metavar='COMMIT', default='')
    parser.add_argument('--attack', action='store_true',
                        help='measure attacks, and nothing else')
    parser.add_argument('--plain-only', action='store_true',
                        help='leave TLS out')
    parser.add_argument('--only', default='', metavar='REGEX',
                        help='of cases, such as "config new", or of attacks')
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--hosts', type=int, default=10000)
    parser.add_argument('--configs', type=int, default=1000)
    parser.add_argument('--rate', type=float, default=500)
    parser.add_argument('--handshakes', type=float, default=100,
                        help='requests a second over new connections of TLS')
    parser.add_argument('--seconds', type=float, default=4,
                        help='of each window')
    parser.add_argument('--windows', type=int, default=5)
    parser.add_argument('--others', type=float, default=5,
                        help='percent of the processors that others may '
                        'take in a window that counts')
    parser.add_argument('--rounds', type=int, default=15,
                        help='after which there is no waiting for more')
    parser.add_argument('--watchers', type=int, default=200)
    parser.add_argument('--resync', type=float, default=3600,
                        help='seconds between two looks at all of Ironic')
    parser.add_argument('--attackers', type=int, default=1000)
    parser.add_argument('--pace', type=float, default=1,
                        help='seconds between two bytes of an attacker')
    parser.add_argument('--attack-rate', type=float, default=100,
                        help='requests a second of everybody else')
    parser.add_argument('--attack-seconds', type=float, default=20)
    given = parser.parse_args()
    found: dict[str, list[Row]] = {}

    def told(name: str, rows: list[Row]) -> None:
        found.setdefault(name, []).extend(rows)
        print(table(rows), flush=True)

    for tls in (False,) if given.plain_only else (False, True):
        with contextlib.ExitStack() as stack:
            run = _Run(given, stack, tls)
            if given.attack:
                found.setdefault('attacks', []).extend(attacked(run))
                continue
            told('answers', measure(run))
            if not tls:
                told('others', measure_others(run))
    if given.attack:
        print(table(found['attacks']))
    elif given.against:
        told('ratios', ratios(found['answers']))
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(found, indent=1))


if __name__ == '__main__':
    main()
