# SPDX-License-Identifier: Apache-2.0

"""Runs the fuzzer: for so many seconds, or one input again.

Each input is read in this process, which may have one more GiB of memory,
within so many seconds of its processor. What breaks a rule is kept.
"""

import argparse
import collections
import contextlib
import hashlib
import pathlib
import random
import resource
import signal
import sys
import time
import traceback
import typing

from ironic_ext import iso
from tests.fuzz import targets

_ROOT = pathlib.Path(__file__).parents[2]
#: Seconds on a processor for one input, and bytes of memory beyond what is
#: there before the first.
_SECONDS = 20
_MEMORY = 1 << 30


class _TooSlow(Exception):
    """An input takes longer than it may."""


@contextlib.contextmanager
def _limited() -> typing.Iterator[None]:
    def stop(*args: object) -> typing.NoReturn:
        raise _TooSlow(f'more than {_SECONDS} s of a processor')
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def read(target: targets.Target, data: bytes) -> str:
    """Have a target read an input; returns what is wrong, '' if nothing."""
    try:
        with _limited():
            target.run(data)
    except iso.IsoError as exc:
        return f'an error of two lines: {exc}' if '\n' in str(exc) else ''
    except (Exception, MemoryError):
        return traceback.format_exc()
    return ''


def _fuzz(names: list[str], seconds: float, seed: int,
          kept: pathlib.Path) -> int:
    chosen = [targets.TARGETS[name] for name in names]
    corpora = {target.name: target.corpus() for target in chosen}
    for target in chosen:
        for data in corpora[target.name]:
            wrong = read(target, data)
            if wrong:
                print(f'{target.name}: an input of the corpus: {wrong}')
                return 1
    end = time.monotonic() + seconds
    count: collections.Counter[str] = collections.Counter()
    worst: dict[str, float] = {}
    spent = dict.fromkeys(corpora, 0.0)
    found: dict[str, pathlib.Path] = {}
    number = 0
    while time.monotonic() < end:
        # Each gets as much of the time, however long its inputs take.
        target = min(chosen, key=lambda one: spent[one.name])
        dice = random.Random(f'{seed} {number}')
        number += 1
        data = target.mutate(dice.choice(corpora[target.name]), dice)
        began = time.monotonic()
        wrong = read(target, data)
        took = time.monotonic() - began
        spent[target.name] += took
        count[target.name] += 1
        worst[target.name] = max(worst.get(target.name, 0), took)
        if wrong and _kind(target.name, wrong) not in found:
            kept.mkdir(parents=True, exist_ok=True)
            path = kept / (f'{target.name}-'
                           f'{hashlib.sha256(data).hexdigest()[:12]}')
            path.write_bytes(data)
            found[_kind(target.name, wrong)] = path
            print(f'{target.name}, kept as {path}:\n{wrong}', flush=True)
    for name in names:
        print(f'{name:<11} {count[name]:>7} inputs, the worst '
              f'{worst.get(name, 0):.2f} s')
    print(f'seed {seed}: {number} inputs, {len(found)} findings; again: '
          f'python -m tests.fuzz --replay FILE')
    return 1 if found else 0


def _kind(name: str, wrong: str) -> str:
    """Return what makes two findings one: where and what."""
    lines = [line.strip() for line in wrong.splitlines()
             if line.startswith('  File') or not line.startswith(' ')]
    return name + '\n'.join(lines[-2:])[:300].partition(': ')[0]


def _replay(path: pathlib.Path) -> int:
    wrong = read(targets.TARGETS[path.name.partition('-')[0]],
                 path.read_bytes())
    print(wrong or 'nothing is wrong')
    return 1 if wrong else 0


def main(argv: list[str] | None = None) -> int:
    """Run the fuzzer and return its exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m tests.fuzz', description='Read inputs that are '
        'nearly right; whatever is no sentence of the engine is a finding.')
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    parser.add_argument('--target', action='append',
                        choices=sorted(targets.TARGETS),
                        help='one of the readers; the default is all')
    parser.add_argument('--kept', type=pathlib.Path,
                        default=_ROOT / '.cache/fuzz',
                        help='directory of what is found')
    parser.add_argument('--replay', type=pathlib.Path, metavar='FILE')
    args = parser.parse_args(argv)
    present = int(pathlib.Path('/proc/self/statm').read_text().split()[0])
    limit = present * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if args.replay:
        return _replay(args.replay)
    return _fuzz(args.target or list(targets.TARGETS), args.seconds,
                 args.seed, args.kept)


if __name__ == '__main__':
    sys.exit(main())
