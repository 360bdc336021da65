# SPDX-License-Identifier: Apache-2.0

"""Keep how long tests take, so that a fresh clone balances its workers.

    test_durations.py SUITE          print a subunit stream of what is kept
    test_durations.py SUITE STREAM   keep the durations of a run's stream

What is kept is beside this file: a line for each test that takes longer than
some seconds, which are those of a quiet machine with two cores. They need not
be right, only those of a suite in proportion.
"""

import datetime
import pathlib
import sys

import subunit
import testtools

_KEPT = pathlib.Path(__file__).with_suffix('.txt')
_SHORTEST = 2.0     # seconds
_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


def read(lines):
    """Return test -> seconds."""
    found = {}
    for line in lines:
        seconds, name = line.split()
        found[name] = float(seconds)
    return found


def stream(durations, output):
    """Write a run in which each test takes its time."""
    result = subunit.StreamResultToBytes(output)
    for name, seconds in sorted(durations.items()):
        for status, passed in (('inprogress', 0.0), ('success', seconds)):
            result.status(test_id=name, test_status=status,
                          timestamp=_EPOCH + datetime.timedelta(
                              seconds=passed))


def durations_of(source):
    """Return test -> seconds of a subunit stream."""
    found = {}

    def note(test):
        began, ended = test['timestamps']
        if test['status'] == 'success' and began and ended:
            found[test['id']] = (ended - began).total_seconds()
    result = testtools.StreamToDict(note)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        source, non_subunit_name='output').run(result)
    result.stopTestRun()
    return found


def main(suite, *streams):
    """Do one or the other."""
    begins = f'tests.{suite}.'
    kept = read(_KEPT.read_text().splitlines())
    if not streams:
        stream({name: seconds for name, seconds in kept.items()
                if name.startswith(begins)}, sys.stdout.buffer)
        return
    with open(streams[0], 'rb') as source:
        seen = durations_of(source)
    kept = {name: seconds for name, seconds in kept.items()
            if not name.startswith(begins)}
    kept |= {name: seconds for name, seconds in seen.items()
             if name.startswith(begins) and seconds >= _SHORTEST}
    _KEPT.write_text(''.join(f'{seconds:.0f} {name}\n'
                             for name, seconds in sorted(kept.items())))


if __name__ == '__main__':
    main(*sys.argv[1:])
