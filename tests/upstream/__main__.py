# SPDX-License-Identifier: Apache-2.0

"""Run the tests of one upstream project, and tell what is not expected.

In a process of its own: the classes stay replaced.
"""

import argparse
import collections.abc
import io
import os
import sys
import typing
import unittest

from tests.upstream import expected
from tests.upstream import stand_ins


class _Result(unittest.TestResult):
    """Keeps what did not pass: name of the test -> the end of why."""

    def __init__(self) -> None:
        super().__init__()
        self.why: dict[str, str] = {}

    def _note(self, test: unittest.TestCase, error: typing.Any) -> None:
        self.why[test.id()] = f'{error[0].__name__}: {error[1]}'[-500:]

    def addError(self, test: unittest.TestCase, err: typing.Any) -> None:
        """Note it."""
        self._note(test, err)

    def addFailure(self, test: unittest.TestCase, err: typing.Any) -> None:
        """Note it."""
        self._note(test, err)


def _tests(suite: unittest.TestSuite
           ) -> collections.abc.Iterator[unittest.TestCase]:
    """Return the tests of suites in suites."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from _tests(each)
        else:
            yield each


def main() -> int:
    """Run, and return the exit code: 1 when something is not expected."""
    parser = argparse.ArgumentParser(prog='python -m tests.upstream')
    parser.add_argument('project', choices=sorted(stand_ins.ALL))
    project = parser.parse_args().project
    # Ironic ends the process after a minute of one test.
    os.environ.setdefault('BASE_TEST_TIMEOUT', '900')
    # Theirs write a lot, to the stream of errors.
    told, sys.stderr = sys.stderr, io.StringIO()
    try:
        found = _tests(unittest.defaultTestLoader.loadTestsFromNames(
            stand_ins.ALL[project]()))
        result = _Result()
        unittest.TestSuite(test for test in found if test.id()
                           not in expected.LEFT_OUT).run(result)
    finally:
        sys.stderr = told
    differing = expected.ALL[project]
    wrong = [f'{name} differs: {why}' for name, why in result.why.items()
             if name not in differing]
    wrong += [f'{name} passes by now: it is no difference any more'
              for name in differing if name not in result.why]
    print(f'{project}: {result.testsRun} tests, '
          f'{result.testsRun - len(result.why)} pass, '
          f'{len(result.why)} differ, of which {len(differing)} are '
          'expected', *wrong, sep='\n')
    # Of an empty run nothing is known.
    return 1 if wrong or not result.testsRun else 0


if __name__ == '__main__':
    sys.exit(main())
