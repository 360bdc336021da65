# SPDX-License-Identifier: Apache-2.0

"""One process that plans injections with the engine, as a conductor does.

Every plan is for another node: other arguments, another file. Prints one
JSON object: milliseconds of opening and planning, of the first time in the
process and in the median of the later ones, which find the parsed boot
configurations in memory, for every boot path and for the one of a machine
whose firmware is known; peak memory, and the cost of many nodes.
"""

import argparse
import json
import pathlib
import statistics
import time
import typing

from benchmarks import tools

#: A boot path of the base: what a conductor asks for.
_KNOWN = ('uefi-x64 from cd',)


def _peak() -> int:
    """Peak resident bytes of this process."""
    status = pathlib.Path('/proc/self/status').read_text()
    return int(status.partition('VmHWM:')[2].split()[0]) * 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument('base')
    parser.add_argument('directory', type=pathlib.Path)
    parser.add_argument('--repeat', type=int, default=50)
    parser.add_argument('--nodes', type=int, default=100)
    args = parser.parse_args()
    idle = _peak()
    started = time.perf_counter()
    from ironic_ext import iso
    imported = time.perf_counter() - started

    def plan(node: int, **how: typing.Any
             ) -> tuple[float, float, iso.SegmentMap]:
        injection = iso.Injection(
            append_args=tools.APPEND.replace('n-1', f'n-{node}'),
            files={tools.NEW_FILE: b'{"uuid": "n-%d"}\n' % node})
        begin = time.perf_counter()
        with iso.IsoImage.open(args.base) as image:
            opened = time.perf_counter()
            smap = iso.inject(image, injection, **how)
        return opened - begin, time.perf_counter() - opened, smap

    times = []
    busy = []
    for node in range(1 + args.repeat):
        begin = time.process_time()
        opening, planning, smap = plan(node)
        busy.append(time.process_time() - begin)
        smap.close()
        times.append((opening, planning))
    first = sum(times.pop(0))
    busy.pop(0)
    known = []
    for node in range(args.repeat):
        opening, planning, smap = plan(node, for_=_KNOWN, about=_KNOWN)
        smap.close()
        known.append(opening + planning)
    started = time.perf_counter()
    written = 0
    for node in range(args.nodes):
        smap = plan(node)[2]
        overlay = args.directory / f'node-{node}.overlay'
        smap.save(overlay)
        smap.close()
        written += overlay.stat().st_blocks * 512
    nodes_seconds = time.perf_counter() - started
    print(json.dumps({
        'import_ms': imported * 1e3,
        'first_ms': first * 1e3,
        'open_ms': statistics.median(t[0] for t in times) * 1e3,
        'inject_ms': statistics.median(t[1] for t in times) * 1e3,
        'total_ms': statistics.median(map(sum, times)) * 1e3,
        'known_ms': statistics.median(known) * 1e3,
        'cpu_ms': statistics.median(busy) * 1e3,
        'worst_ms': max(map(sum, times)) * 1e3,
        'memory': _peak(), 'idle_memory': idle,
        'nodes': args.nodes, 'nodes_seconds': nodes_seconds,
        'nodes_disk': written}))


if __name__ == '__main__':
    main()
