# SPDX-License-Identifier: Apache-2.0

"""Counters that all workers share, and how Prometheus sees them.

They lie in shared memory, one row for each worker, so that counting costs
an addition, a worker's death loses nothing, and any process can answer.
"""

import collections.abc
import mmap
import typing

#: name -> help; those that end in _total only grow.
_HELP = {
    'connections_total': 'Connections accepted',
    'open_connections': 'Connections open now',
    'refused_connections_total': 'Connections of clients that had as many '
                                 'as they may',
    'sent_bytes_total': 'Bytes of images sent',
    'remote_bytes_total': 'Bytes that came from an image\'s source because '
                          'this host did not have them yet',
    'lookups_total': 'Tokens looked up in the records of media',
    # Monitoring knows it by that name.
    'catalogue_errors_total': 'Calls that the records of media did not '
                              'answer',
    'timeouts_total': 'Connections closed because the peer was too slow',
    'cut_total': 'Responses ended early: revoked, expired, base changed',
    'tls_errors_total': 'TLS handshakes that failed',
    'crashes_total': 'Workers that were started again',
}
STATUSES = (200, 206, 304, 400, 403, 404, 405, 408, 410, 412, 416, 431, 500,
            503, 505)
#: The process that writes a row; 0 when it is not at work.
PID = 'pid'
_NAMES = (PID, *_HELP, *(f'responses_{status}' for status in STATUSES))
_INDEX = {name: index for index, name in enumerate(_NAMES)}
_STATUS_INDEX = {status: _INDEX[f'responses_{status}']
                 for status in STATUSES}


class Metric(typing.NamedTuple):
    """One number, summed over the workers."""

    name: str
    labels: collections.abc.Mapping[str, str]
    value: int
    help: str


class SharedCounters:
    """The table; create it before the workers are forked."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, workers * len(_NAMES) * 8)
        self._table = memoryview(self._memory).cast('q')
        self._workers = workers

    def row(self, worker: int) -> 'Counters':
        """Return the counters that one worker writes."""
        start = worker * len(_NAMES)
        return Counters(self._table[start:start + len(_NAMES)])

    def pids(self) -> list[int]:
        """Return the processes that have not said that they are done."""
        pid = _INDEX[PID]
        return [self._table[row * len(_NAMES) + pid]
                for row in range(self._workers)
                if self._table[row * len(_NAMES) + pid]]

    def read(self) -> list[Metric]:
        """Return all numbers."""
        rows = [self._table[worker * len(_NAMES):(worker + 1) * len(_NAMES)]
                for worker in range(self._workers)]
        sums = {name: sum(row[index] for row in rows)
                for name, index in _INDEX.items()}
        return [Metric(name, {}, sums[name], text)
                for name, text in _HELP.items()] + [
            Metric('responses_total', {'status': str(status)},
                   sums[f'responses_{status}'], 'Responses by status code')
            for status in STATUSES]


class Counters:
    """One worker's row."""

    __slots__ = ('_row',)

    def __init__(self, row: memoryview) -> None:
        self._row = row

    def add(self, name: str, count: int = 1) -> None:
        """Add to a counter."""
        self._row[_INDEX[name]] += count

    def response(self, status: int) -> None:
        """Count a response."""
        self._row[_STATUS_INDEX[status]] += 1

    def set(self, name: str, value: int) -> None:
        """Set a gauge."""
        self._row[_INDEX[name]] = value
