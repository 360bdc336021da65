# SPDX-License-Identifier: Apache-2.0

"""What it costs to customise an ISO: ours beside the usual tools.

    python -m benchmarks.injection [--sizes 100M,1.5G,5G] [--runs 3]

prints, for each size, seconds, bytes written and peak memory of one
customised image and of many of one base. Needs the packages of bindep's
profile "test", pycdlib, and free space of about twice the largest size.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from benchmarks import measure
from benchmarks import tools

from ironic_ext.cli import progress
from tests import isos

_UNITS = {'M': 10 ** 6, 'G': 10 ** 9}


def parse_size(text: str) -> int:
    """Return bytes for a text such as ``100M`` or ``1.5G``."""
    try:
        return int(float(text[:-1]) * _UNITS[text[-1:].upper()])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a size such as 100M or 1.5G') from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        '--sizes', default='100M,1.5G,5G', metavar='LIST',
        type=lambda text: [parse_size(size) for size in text.split(',')],
        help='payload sizes')
    parser.add_argument('--runs', type=int, default=3,
                        help='runs of each tool; medians are printed')
    parser.add_argument('--nodes', type=int, default=100,
                        help='customised images of one base')
    parser.add_argument(
        '--tools', default=','.join(tools.TOOLS), metavar='LIST',
        type=lambda text: text.split(','), help='what to compare')
    parser.add_argument('--directory', metavar='DIR',
                        help='where to work; the default is TMPDIR')
    args = parser.parse_args()
    unknown = set(args.tools) - set(tools.TOOLS)
    if unknown:
        parser.error(f'unknown tools: {", ".join(sorted(unknown))}')
    return args


def _prepare(directory: pathlib.Path, size: int) -> tools.Job:
    """Build the base and the files that the peers put into it."""
    base = isos.lorax_like(directory, payload=size)
    config = subprocess.run(
        ['isoinfo', '-i', base, '-R', '-x', tools.CONFIGS[0]], check=True,
        capture_output=True).stdout
    edited = directory / 'grub.cfg'
    edited.write_bytes(config.replace(
        b' quiet', b' quiet ' + tools.APPEND.encode()))
    added = directory / 'meta_data.json'
    added.write_bytes(b'{"uuid": "n-1"}\n')
    # Everything is read once, so that no tool pays for a cold cache. That
    # favours those that read it all.
    with base.open('rb') as stream:
        while stream.read(1 << 22):
            pass
    return tools.Job(base, directory / 'output', edited, added)


def _compare(job: tools.Job, names: list[str], runs: int
             ) -> dict[str, list[measure.Cost] | str]:
    """Run every tool in turn, ``runs`` times; a failure is its message."""
    costs: dict[str, list[measure.Cost] | str] = {
        name: [] for name in names}
    directory = job.base.parent
    for run in range(-1, runs):           # the first round only warms up
        for name, found in costs.items():
            if isinstance(found, str):
                continue
            try:
                cost = measure.run(tools.TOOLS[name](job), directory)
                if run >= 0:
                    found.append(cost)
            except measure.ToolError as exc:
                costs[name] = str(exc)
            job.output.unlink(missing_ok=True)
    return costs


def _in_process(job: tools.Job, nodes: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=job.base.parent) as overlays:
        done = subprocess.run(
            [sys.executable, '-m', 'benchmarks.in_process', job.base,
             overlays, '--nodes', str(nodes)],
            check=True, capture_output=True, text=True,
            env=measure.child_environment(job.base.parent))
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _print_row(cells: list[str]) -> None:
    print(f'{cells[0]:<20}' + ''.join(f'{cell:>13}' for cell in cells[1:]),
          flush=True)


def _report(job: tools.Job, costs: dict[str, list[measure.Cost] | str],
            plan: dict[str, float], nodes: int) -> None:
    text = progress.size_text
    print(f'\nBase ISO of {text(job.base.stat().st_size)}')
    _print_row(['', 'time', 'ratio', 'written', 'memory',
                f'{nodes} nodes', 'written'])
    medians = {name: measure.median(found) for name, found in costs.items()
               if not isinstance(found, str)}
    # The first tool, ours unless --tools says otherwise, is the measure.
    unit = next(iter(medians.values()), measure.Cost(1.0, 0, 0)).seconds
    for name, found in costs.items():
        if isinstance(found, str):
            print(f'{name:<20}  failed: {found}')
            continue
        cost = medians[name]
        _print_row([name, f'{cost.seconds:.2f} s',
                    f'{cost.seconds / unit:.1f} x', text(cost.written),
                    text(cost.memory), f'{cost.seconds * nodes:.0f} s *',
                    text(cost.written * nodes) + ' *'])
    _print_row(['engine in a process', f'{plan["total_ms"]:.2f} ms', '', '',
                text(plan['memory']), f'{plan["nodes_seconds"]:.2f} s',
                text(plan['nodes_disk'])])
    print(f'  open {plan["open_ms"]:.2f} ms + plan '
          f'{plan["inject_ms"]:.2f} ms, {plan["cpu_ms"]:.2f} ms of them on '
          f'the CPU (medians, each for another node), worst '
          f'{plan["worst_ms"]:.2f} ms; {plan["known_ms"]:.2f} ms for one '
          f'boot path; the first in the process '
          f'{plan["first_ms"]:.1f} ms, after an import of '
          f'{plan["import_ms"]:.0f} ms; {text(plan["idle_memory"])} of the '
          f'memory is Python\'s own')


def main() -> None:
    """Run the comparison and print it."""
    args = _arguments()
    print(f'Medians of {args.runs} interleaved runs on {os.cpu_count()} '
          f'CPUs, load {os.getloadavg()[0]:.1f}. Every tool is a child '
          f'process, ended by a sync of its output.\n'
          f'* computed: one image times {args.nodes}. "engine in a process" '
          f'is measured: as overlays, one process.')
    for size in args.sizes:
        directory = pathlib.Path(tempfile.mkdtemp(
            prefix='ironic-ext-bench-', dir=args.directory))
        try:
            job = _prepare(directory, size)
            _report(job, _compare(job, args.tools, args.runs),
                    _in_process(job, args.nodes), args.nodes)
        finally:
            shutil.rmtree(directory)


if __name__ == '__main__':
    main()
