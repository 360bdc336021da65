# SPDX-License-Identifier: Apache-2.0

"""The results as the table of the documentation."""

import collections.abc
import json
import pathlib
import textwrap
import typing

from tests.layouts import cells
from tests.layouts import initrds
from tests.layouts import kinds
from tests.layouts import systems

RESULTS = pathlib.Path(__file__).with_name('results.json')
PAGE = (pathlib.Path(__file__).parents[2]
        / 'doc/source/reference/boot-layouts.rst')
_HEAD = """\
============
Boot layouts
============

..
   Written by "make e2e-loaders" from what its machines and readers said:
   change the layouts of the tests, not this page.

What ``ironic-iso inject`` puts into an ISO is met by the machine or refused,
for the ISO as it boots. Each row is an ISO laid out like those of the systems
named, with their own boot loaders as Debian packages them; kernel arguments,
a file and, where it is taken, a file in the initrd were injected.

*booted*
   A machine (QEMU) started it, and its kernel showed all of it.
*read*
   Other programs found it where the loader reads: those that are named.
*refused*
   The injection is refused for that boot path, with that sentence.
*does not start*
   The ISO boots nothing that way, injected or not.

"""


def load() -> dict[str, typing.Any]:
    """Return the results that are kept."""
    found: dict[str, typing.Any] = json.loads(RESULTS.read_text())
    return found


def page(results: collections.abc.Mapping[str, typing.Any]) -> str:
    """Return the page of the documentation."""
    lines = [
        _fill(f'Last run: {results["date"]}, with ' + ', '.join(
            f'{name} {version}' for name, version
            in sorted(results['loaders'].items())) + '.'), '',
        '.. list-table::', '   :header-rows: 1', '   :stub-columns: 1',
        '   :widths: 24 19 19 19 19', '',
        '   * - Layout', '     - BIOS, CD', '     - BIOS, disk',
        '     - UEFI, CD', '     - UEFI, disk']
    rows = [(layout.title, results['layouts'][layout.name])
            for layout in kinds.LAYOUTS
            if layout.name in results['layouts']]
    rows += [(system.title, results['systems'][name])
             for name, system in systems.SYSTEMS.items()
             if name in results.get('systems', {})]
    for title, row in rows:
        lines.append(f'   * - {title}')
        lines += [_fill(_text(row.get(f'{firmware} from {medium}')),
                        '     - ') for firmware, medium in cells.COLUMNS]
    return _HEAD + '\n'.join([*lines, *_initrds(
        results.get('initrds', {}))]) + '\n'


def _initrds(rows: collections.abc.Mapping[str, dict[str, str]]
             ) -> list[str]:
    """Return which kernels unpacked what was added to an initrd."""
    if not rows:
        return []
    lines = ['', _fill(
        'A file was added to an initrd that is packed by each of '
        + ', '.join(initrds.PACKERS) + ', and a kernel of each of these '
        'Debian releases started with it:'), '']
    for release in initrds.RELEASES:
        row = rows.get(release, {})
        seen = [name for name in initrds.PACKERS if name in row]
        if seen:
            lines.append(_fill(
                f'{release} ({row[seen[0]]}): it had the file behind '
                + ', '.join(seen) + '.', '* '))
    return lines


def _text(cell: cells.Cell | None) -> str:
    if cell is None:
        return '\\-'
    if cell['how'] == 'dead':
        return f'does not start: {_escaped(cell["why"])}'
    if cell['how'] == 'refused':
        return f'*refused*: {_escaped(cell["why"])}'
    seen = ('**booted**' if cell.get('seen') == 'booted' else
            f'read by {cell["seen"]}' if cell.get('seen') else 'not judged')
    if cell['how'] == 'partly':
        seen += f'; no files in the initrd: {_escaped(cell["why"])}'
    return seen


def _escaped(text: str) -> str:
    return text.replace('\\', '\\\\').replace('*', '\\*').replace(
        '`', '\\`').replace('_', '\\_')


def _fill(text: str, lead: str = '') -> str:
    return textwrap.fill(text, 79, initial_indent=lead,
                         subsequent_indent=' ' * len(lead),
                         break_long_words=False, break_on_hyphens=False)
