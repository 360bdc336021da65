# SPDX-License-Identifier: Apache-2.0

"""A child process with a deadline."""

import os
import time

import testtools

from ironic_python_agent_ext.bootc import process
from lab import process as lab_process

_ENVIRONMENT = {'PATH': os.environ['PATH']}
_LONG = 120


class ProcessTest(testtools.TestCase):

    def run_shell(self, script, seconds=_LONG, **arguments):
        return process.run(['sh', '-c', script], _ENVIRONMENT,
                           time.monotonic() + seconds, **arguments)

    def test_lines_come_as_they_are_printed(self):
        lines = []
        outcome = self.run_shell(
            r'echo one; echo two >&2; printf "a\rb\n"; exit 3',
            on_line=lines.append)
        self.assertEqual(3, outcome.code)
        self.assertEqual(['one', 'two', 'a', 'b'], lines)
        self.assertEqual(('one', 'two', 'a', 'b'), outcome.lines)

    def test_a_line_without_an_end_counts(self):
        self.assertEqual(('end',), self.run_shell('printf end').lines)

    def test_an_endless_output_is_not_kept(self):
        outcome = self.run_shell('yes | head -n 100000; echo last')
        self.assertLess(len(outcome.lines), 1000)
        self.assertEqual('last', outcome.lines[-1])

    def test_an_endless_line_is_not_kept(self):
        outcome = self.run_shell('head -c 10000000 /dev/zero; echo; echo end')
        self.assertEqual('end', outcome.lines[-1])
        self.assertLess(sum(map(len, outcome.lines)), 100000)

    def test_the_environment_of_the_agent_is_not_inherited(self):
        os.environ['SECRET_OF_THE_AGENT'] = 'yes'
        self.addCleanup(os.environ.pop, 'SECRET_OF_THE_AGENT')
        self.assertNotIn('SECRET_OF_THE_AGENT',
                         ' '.join(self.run_shell('env').lines))

    def test_a_process_that_takes_too_long_is_killed_with_its_children(self):
        # A slow machine needs longer to start a shell.
        for seconds in (1, 10, 60):
            numbers = []
            self.assertRaises(
                process.DeadlineError, self.run_shell,
                'sleep 1000 & echo $!; echo $$; wait', seconds=seconds,
                on_line=lambda line: numbers.append(int(line)))
            if len(numbers) == 2:
                break
        self.assertEqual(2, len(numbers))
        # A signal takes its time to end a process.
        for number in numbers:
            lab_process.await_condition(lambda: not _lives(number),
                                        f'process {number} to end',
                                        timeout=60)

    def test_a_child_that_keeps_the_output_open_is_not_waited_for(self):
        outcome = self.run_shell('sleep 1000 & echo started')
        self.assertEqual(('started',), outcome.lines)

    def test_a_missing_program_is_an_error(self):
        self.assertRaises(FileNotFoundError, process.run,
                          ['/nonexistent/program'], {},
                          time.monotonic() + _LONG)


def _lives(number):
    try:
        with open(f'/proc/{number}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False
