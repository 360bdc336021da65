# SPDX-License-Identifier: Apache-2.0

"""The table of boot layouts says what was seen, and what holds now."""

import re
import unittest

import testtools

from tests.layouts import cells
from tests.layouts import kinds
from tests.layouts import table


def _said(row: dict[str, cells.Cell]) -> dict[str, tuple[str, str]]:
    """What the engine says of a row, whatever versions of loaders it names."""
    return {way: (cell['how'], re.sub(r'\d+(\.\d+)+', 'N',
                                      cell.get('why', '')))
            for way, cell in row.items()}


class LayoutTest(testtools.TestCase):

    def test_the_page_is_written_from_the_results(self) -> None:
        self.assertEqual(table.page(table.load()), table.PAGE.read_text())

    def test_every_layout_has_results(self) -> None:
        self.assertEqual(
            set(), {layout.name for layout in kinds.LAYOUTS
                    if not layout.large} - set(table.load()['layouts']))

    def test_what_arrives_was_seen_by_somebody_else(self) -> None:
        for name, row in table.load()['layouts'].items():
            for way, cell in row.items():
                self.assertEqual(cell['how'] in ('all', 'partly'),
                                 'seen' in cell, (name, way))

    def test_the_results_hold(self) -> None:
        results = table.load()['layouts']
        missing = []
        for layout in kinds.LAYOUTS:
            if layout.large:
                continue
            try:
                base = layout.shared()
            except unittest.SkipTest as exc:
                missing.append(f'{layout.name}: {exc}')
                continue
            self.assertEqual(_said(results[layout.name]),
                             _said(cells.planned(base)), layout.name)
        if missing:
            self.skipTest('the others hold: ' + '; '.join(missing))
