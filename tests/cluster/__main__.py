# SPDX-License-Identifier: Apache-2.0

"""``make test-cluster``: a site, kills, and a report of what is wrong."""

import argparse
import dataclasses
import json
import pathlib
import random
import signal
import sys
import time
import unittest

from lab import process
from tests.cluster import run
from tests.cluster import scenarios
from tests.cluster import site as sites


def main() -> int:
    """Run, and return the exit code: 1 when something is wrong."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.cluster',
        description='Run a site of several hosts on MariaDB and RabbitMQ, '
                    'kill its processes at random, and tell what is wrong '
                    'when it is at rest.')
    parser.add_argument('--minutes', type=float, default=10,
                        help='of kills')
    parser.add_argument('--nodes', type=int, default=100)
    parser.add_argument('--conductors', type=int, default=3)
    parser.add_argument('--seed', type=int, default=None,
                        help='of what is random; printed in any case')
    parser.add_argument('--scenario', action='append', metavar='NAME',
                        choices=['none', *scenarios.all_of_them()],
                        help='that goes before the kills; by default all '
                             f'of {", ".join(scenarios.all_of_them())}')
    parser.add_argument('--skew', type=int, default=60,
                        help='seconds between the clocks of hosts, by which '
                             'Ironic\'s heartbeat_timeout is longer; needs a '
                             'compiler of C')
    parser.add_argument('--json-rpc', action='store_true',
                        help='instead of RabbitMQ')
    parser.add_argument('--json', metavar='FILE',
                        help='write the report there, too')
    parser.add_argument('--logs', metavar='FOLDER', type=pathlib.Path,
                        help='keep the logs of all processes there')
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(10 ** 6)
    began = time.monotonic()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(2))

    def tell(text: str) -> None:
        print(f'{time.monotonic() - began:6.0f} s  {text}', flush=True)

    try:
        report = run.run(
            sites.Size(nodes=args.nodes, conductors=args.conductors,
                       moody=max(1, args.nodes // 25),
                       rabbitmq=not args.json_rpc, skew=args.skew),
            seed, args.minutes * 60, tell,
            [name for name in args.scenario or scenarios.all_of_them()
             if name != 'none'], args.logs)
    except (unittest.SkipTest, process.LabError) as exc:
        print(f'seed {seed}: {exc}', file=sys.stderr)
        return 2
    print(report.text())
    if args.json:
        with open(args.json, 'w') as file:
            json.dump(dataclasses.asdict(report), file, indent=1)
    return 1 if report.findings else 0


if __name__ == '__main__':
    sys.exit(main())
