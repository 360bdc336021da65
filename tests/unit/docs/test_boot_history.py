# SPDX-License-Identifier: Apache-2.0

"""Tests that the page on a host's history has the events that there are."""

import ast
import inspect
import re

import testtools

from ironic_ext.data_image import record
from ironic_ext import host_records
from ironic_ext.node import boot_state
from ironic_ext.node import changes
from ironic_ext.node import host as hosts
from ironic_ext.server.mirror import history
from ironic_ext.server.mirror import media_reads
from tests.unit.docs import pages

_ROW = re.compile(r'^   \* - ``(.+)``\n     - ``(.+)``\n', re.MULTILINE)


class _Kept:
    """A database that takes everything."""

    def __init__(self):
        self.events = []

    def add(self, events):
        self.events += events


class BootHistoryPageTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.page = pages.read('admin/boot-history')
        self.rows = {(kind, pages.template(text))
                     for kind, text in _ROW.findall(self.page)}
        self.fetched = {row for row in self.rows
                        if row[0] in (changes.SCRIPT, changes.CONFIG)}
        self.read = {row for row in self.rows if row[0] == changes.READ}

    def test_events_of_nodes_are_those_that_are_made(self):
        module = ast.parse(inspect.getsource(changes))
        made = {(getattr(changes, call.args[0].id), text)
                for call in ast.walk(module)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id == 'Change'
                for text in pages.sentences(call.args[1], module)}
        self.assertEqual(made, self.rows - self.fetched - self.read)

    def test_events_of_machines_are_those_that_are_noted(self):
        kept = _Kept()
        writer = history.HistoryWriter(kept)
        host = hosts.Host('u', 'web')
        writer.note_fetched(host, changes.SCRIPT, 'the iPXE script', '{}')
        writer.note_fetched(host, changes.CONFIG, '{}', '{}')
        writer.stop()
        self.assertEqual({(event.kind, event.text) for event in kept.events},
                         self.fetched)

    def test_events_of_media_are_those_that_are_noted(self):
        module = ast.parse(inspect.getsource(media_reads))
        made = {(changes.READ, text) for call in ast.walk(module)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id == 'Note'
                for text in pages.sentences(call.args[1], module)}
        self.assertEqual(made, self.read)
        for name in media_reads.NAMES.values():
            self.assertIn(f'``{name}``', self.page)

    def test_causes_and_phases_are_all_there(self):
        text = self.page.partition('What ends a boot (')[2]
        causes, phases = text.partition('Phases of a data image (')[::2]
        self.assertEqual({cause.value for cause in boot_state.Cause},
                         set(re.findall('``([^`]+)``', causes)))
        self.assertEqual({phase.value for phase in record.Phase}, set(
            re.findall('``([^`]+)``', phases.partition('\n\n')[0])))

    def test_it_keeps_as_many_as_it_says(self):
        self.assertIn(f'the newest {host_records.MOST} events', self.page)
