# SPDX-License-Identifier: Apache-2.0

"""What a console tells of a deployment, put into phases and figures."""

import pathlib
import tempfile

import testtools

from lab import story

_LOG = '2026-01-02 INFO root [-] '


class StoryTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.story = story.Story()

    def _hear(self, *lines):
        return [self.story.hear(line, now) for now, line in lines]

    def test_a_phase_lasts_until_the_next_one(self):
        self.story.enter('booting the ramdisk', 0)
        told = self._hear(
            (30, _LOG + 'bootc install: pulling'),
            (45, _LOG + 'bootc install: pulling, 96 MiB stored, layer 1'),
            (70, _LOG + 'bootc install: installing'))
        self.story.end(100)
        self.assertEqual(
            ['pulling', 'pulling, 96 MiB stored, layer 1', 'installing'],
            told)
        self.assertEqual(
            [('booting the ramdisk', 30), ('pulling', 40),
             ('installing', 30)],
            [(phase.name, phase.seconds) for phase in self.story.phases])

    def test_memory_is_told_over_time_and_at_the_least_in_a_phase(self):
        self.story.enter('booting', 0)
        self._hear((1, 'LAB-MEMORY 2048000 4096000'),
                   (2, _LOG + 'bootc install: installing'),
                   (3, 'x LAB-MEMORY 1024000 4096000\r'),
                   (5, 'LAB-MEMORY 1536000 4096000'))
        self.assertEqual([2000, 1000],
                         [phase.least for phase in self.story.phases])
        found = self.story.to_dict()
        self.assertEqual([[1, 2000], [3, 1000], [5, 1500]], found['memory'])
        self.assertEqual(4000, found['memory_mib'])
        self.assertIn('1000', self.story.table().splitlines()[2])

    def test_what_bootc_says_is_kept_without_colours(self):
        self._hear((4, _LOG + 'bootc: \x1b[1mInstalling image\x1b[0m'))
        self.assertEqual([[4, 'Installing image']],
                         self.story.to_dict()['told'])

    def test_what_is_no_word_of_an_install_is_no_phase(self):
        self.assertEqual([None, None], self._hear(
            (1, 'Debian login:'), (2, 'LAB-MEMORY x y')))
        self.assertEqual([], self.story.phases)


class ConsoleTestCase(testtools.TestCase):

    def test_lines_come_once_and_whole_and_a_prompt_is_seen(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / 'console'
            console = story.Console(path)
            self.assertEqual([], [*console.lines()])
            path.write_bytes(b'one\r\ntw')
            self.assertEqual(['one'], [*console.lines()])
            with open(path, 'ab') as file:
                file.write(b'o\r\n\nhost login: ')
            self.assertEqual(['two'], [*console.lines()])
            self.assertEqual('host login: ', console.rest)
            self.assertEqual([], [*console.lines()])

    def test_a_prompt_of_before_a_restart_can_be_forgotten(self):
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / 'console'
            console = story.Console(path)
            path.write_bytes(b'host login: ')
            console.forget()
            self.assertEqual('', console.rest)
            with open(path, 'ab') as file:
                file.write(b'\r\nStopped\r\n')
            self.assertEqual(['Stopped'], [*console.lines()])
