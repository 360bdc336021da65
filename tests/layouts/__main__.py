# SPDX-License-Identifier: Apache-2.0

"""Fills the table of boot layouts: minutes with machines, seconds without."""

import argparse
import collections.abc
import datetime
import functools
import json
import pathlib
import subprocess
import sys
import tempfile
import typing
import unittest

from lab import process
from tests import guest
from tests.layouts import cells
from tests.layouts import initrds
from tests.layouts import kinds
from tests.layouts import systems
from tests.layouts import table

_CACHE = pathlib.Path(__file__).parents[2] / '.cache'
_PACKAGES = {'ISOLINUX': 'isolinux', 'GRUB': 'grub-efi-amd64-bin',
             'systemd-boot': 'systemd-boot-efi', 'SeaBIOS': 'seabios',
             'OVMF': 'ovmf', 'QEMU': 'qemu-system-x86'}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m tests.layouts',
                                     description=__doc__)
    parser.add_argument('--no-machines', action='store_true',
                        help='have other programs read what could be booted')
    parser.add_argument('--only', metavar='LAYOUT', action='append',
                        choices=[one.name for one in kinds.LAYOUTS],
                        help='leave the results of the others as they are')
    parser.add_argument('--initrds', metavar='RELEASE', action='append',
                        choices=initrds.RELEASES, default=[],
                        help='start kernels of Debian releases alone, with '
                        'initrds that got a file')
    parser.add_argument('--system', metavar='NAME', action='append',
                        choices=systems.SYSTEMS, default=[],
                        help='build and boot a whole system of Debian, as '
                        'root: one of %(choices)s')
    return parser.parse_args()


def _versions() -> collections.abc.Iterator[tuple[str, str]]:
    for name, package in _PACKAGES.items():
        done = subprocess.run(
            ['dpkg-query', '-W', '-f', '${Version}', package],
            capture_output=True, text=True)
        if done.returncode == 0:
            yield name, done.stdout


def _judged(layout: kinds.Layout, boot: bool) -> dict[str, cells.Cell]:
    """Return the row of a layout."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if boot and layout.boots:
            kernel, initrd = guest.make(folder, _CACHE)
            # Of no length that suits what comes behind it.
            with initrd.open('ab') as file:
                file.write(bytes((2 - file.tell()) % 4))
            base = layout.build(folder, kernel, initrd)
        else:
            base = layout.shared()
        image = folder / 'customised.iso'
        row = cells.planned(base, image)
        if layout.large:
            cells.keeps_files(base, image)
        for way, cell in row.items():
            firmware, _, medium = way.partition(' from ')
            if (firmware, medium) not in cells.COLUMNS or (
                    cell['how'] in ('dead', 'refused')):
                continue
            if boot and layout.boots:
                cells.booted(image, firmware, medium, cell)
                cell['seen'] = 'booted'
            else:
                cell['seen'] = cells.read(image, way, folder)
            print(f'{layout.name}: {way}: {cell["seen"]}', flush=True)
    return row


def _unpacked(release: str) -> dict[str, str]:
    """Return the packers behind which a kernel found the file."""
    kernel = initrds.kernel(release, _CACHE)
    row = {}
    for packer in initrds.PACKERS:
        with tempfile.TemporaryDirectory() as folder:
            row[packer] = initrds.unpacks(kernel, packer,
                                          pathlib.Path(folder))
        print(f'{release}: {packer}: {row[packer]}', flush=True)
    return row


def _keep(part: str, name: str, row: dict[str, typing.Any]) -> None:
    """Keep a row of the results, and write the page anew."""
    results: dict[str, typing.Any] = (
        table.load() if table.RESULTS.exists() else {})
    # The ways in which a system boots take turns.
    kept = results.setdefault(part, {}).get(name, {})
    results[part][name] = {**kept, **row} if part == 'systems' else row
    results |= {'date': f'{datetime.datetime.now(datetime.UTC):%Y-%m-%d}',
                'loaders': dict(_versions())}
    table.RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True)
                             + '\n')
    table.PAGE.write_text(table.page(results))


def main() -> int:
    """Judge, keep the results, write the page; 1 where somebody disagrees."""
    args = _arguments()
    every = not (args.only or args.initrds or args.system)
    work: list[tuple[str, str, collections.abc.Callable[[], typing.Any]]] = [
        ('layouts', one.name, functools.partial(
            _judged, one, not args.no_machines))
        for one in kinds.LAYOUTS if every or one.name in (args.only or ())]
    work += [('initrds', release, functools.partial(_unpacked, release))
             for release in initrds.RELEASES if release in args.initrds
             or every and not args.no_machines]
    work += [('systems', name, functools.partial(
        systems.judged, name, _CACHE, *way))
        for name in args.system for way in systems.WAYS]
    wrong = 0
    for part, name, judge in work:
        try:
            _keep(part, name, judge())
        except unittest.SkipTest as exc:
            print(f'{name}: skipped: {exc}', flush=True)
        except (AssertionError, process.LabError,
                subprocess.CalledProcessError) as exc:
            wrong += 1
            print(f'{name}: WRONG: {exc}', flush=True)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
