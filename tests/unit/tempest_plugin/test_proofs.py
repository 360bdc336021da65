# SPDX-License-Identifier: Apache-2.0

"""What counts as a proof."""

import pathlib

import fixtures
from tempest.lib import exceptions
import testtools

from ironic_ext_tempest_plugin import proofs


class ConsoleTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'console'

    def test_only_what_comes_after_its_beginning_counts(self):
        self.path.write_text('a.probe\n')
        console = proofs.Console(str(self.path))
        self.assertFalse(console.shows('a.probe'))
        with self.path.open('ab') as file:
            file.write(b'\xff\x00BOOT_IMAGE=x a.probe\n')
        self.assertTrue(console.shows('a.probe'))

    def test_a_machine_that_was_never_on_has_no_console(self):
        console = proofs.Console(str(self.path))
        self.assertFalse(console.shows('x'))
        self.path.write_text('x')
        self.assertTrue(console.shows('x'))


class ReadsTestCase(testtools.TestCase):

    def test_the_newest_medium_of_the_instance_counts(self):
        media = [{'purpose': 'instance', 'read': {'requests': 7}},
                 {'purpose': 'instance', 'read': {'requests': 0}},
                 {'purpose': 'data image', 'read': {'requests': 9}}]
        self.assertEqual(0, proofs.requests_of(media))
        self.assertEqual(7, proofs.requests_of(media[:1]))
        self.assertEqual(0, proofs.requests_of([{'purpose': 'instance',
                                                 'read': None}]))
        self.assertEqual(9, proofs.requests_of(media, 'data image'))

    def test_a_phase_may_have_no_reason(self):
        self.assertTrue(proofs.is_in_phase({'phase': 'detached'}, 'detached'))
        status = {'phase': 'waiting', 'reason': 'until it is started'}
        self.assertTrue(proofs.is_in_phase(status, 'waiting', 'started'))
        self.assertFalse(proofs.is_in_phase(status, 'waiting', 'failed'))
        self.assertFalse(proofs.is_in_phase(status, 'attached'))


class AwaitTestCase(testtools.TestCase):

    def test_what_does_not_come_is_named(self):
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext_tempest_plugin.proofs._INTERVAL', 0.01))
        answers = iter([None, None, 'it'])
        self.assertEqual('it', proofs.await_condition(
            lambda: next(answers), 'x', 60))
        exc = self.assertRaises(
            exceptions.TimeoutException, proofs.await_condition,
            lambda: None, 'the medium', 0.02)
        self.assertIn('the medium', str(exc))
