# SPDX-License-Identifier: Apache-2.0

"""Tests for what is known of reads: ranges, reports, the log, Prometheus."""

import dataclasses
import os
import socket
import threading
import urllib.request

import fixtures
import testtools

from ironic_ext.media.stream import contract
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import reads
from ironic_ext.media.stream import recorder
from ironic_ext.media.stream import settings
from tests import media_streams
from tests.unit.media.stream import worker as stream_worker

MEDIUM = media_streams.stream({
    'id': 'medium-1', 'name': 'node-1.iso', 'digest': 'sha256:aa',
    'size': 1000, 'base_digest': 'sha256:aa', 'base_size': 1000})


def report(**fields):
    return contract.ReadReport(**{
        'medium_id': 'medium-1', 'first_at': 100.0, 'last_at': 102.0,
        'sent': 20, 'ranges': ((0, 10), (20, 30)), 'requests': 2,
        'client': '192.0.2.1', 'node': 'node-1', 'size': 1000, **fields})


class ReadLogTest(testtools.TestCase):

    def test_each_reader_of_a_medium_has_a_report(self):
        log = reads.ReadLog()
        # Of one client there are two connections.
        readers = [log.reader(MEDIUM, client) for client in 'aba']
        for number, first in ((0, 0), (1, 50), (2, 10), (0, 90)):
            readers[number].requests += 1
            readers[number].add(first, first + 10)
        found = {entry.client: entry for entry in log.drain()}
        self.assertEqual(((0, 20), (90, 100)), found['a'].ranges)
        self.assertEqual((30, 3), (found['a'].sent, found['a'].requests))
        self.assertEqual((10, 1), (found['b'].sent, found['b'].requests))
        self.assertEqual([], log.drain())

    def test_a_reader_that_goes_on_is_reported_again(self):
        log = reads.ReadLog()
        reader = log.reader(MEDIUM, 'a')
        reader.requests += 1
        reader.add(0, 10)
        first, = log.drain()
        reader.add(10, 20)
        second, = log.drain()
        self.assertEqual((1, 0), (first.requests, second.requests))
        self.assertEqual(((10, 20),), second.ranges)
        self.assertLessEqual(first.last_at, second.first_at)

    def test_a_reader_that_jumps_for_ever_costs_no_more_memory(self):
        log = reads.ReadLog()
        reader = log.reader(MEDIUM, 'a')
        for number in range(30000):
            reader.add(number * 10, number * 10 + 1)
        found, = log.drain()
        self.assertEqual(30000, found.sent)
        self.assertEqual(reads.MAX_RANGES, len(found.ranges))

    def test_reports_of_one_reader_become_one(self):
        merged = reads.merged([
            report(), report(client='other'),
            report(first_at=99.0, last_at=101.0, ranges=((10, 20),))])
        self.assertEqual(2, len(merged))
        self.assertEqual(dataclasses.replace(
            report(), first_at=99.0, sent=40, requests=4,
            ranges=((0, 30),)), merged[0])


class _Media:
    def __init__(self):
        self.reports = []
        self.failure = None
        self.attempts = 0

    def record_reads(self, reports):
        self.attempts += 1
        if self.failure:
            raise self.failure
        self.reports += reports


class RecorderTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.logger = self.useFixture(fixtures.FakeLogger())
        self.media = _Media()
        self.counters = metrics.SharedCounters(2)
        self.pairs = [socket.socketpair(socket.AF_UNIX,
                                        socket.SOCK_SEQPACKET)
                      for _ in range(2)]
        for pair in self.pairs:
            for end in pair:
                end.setblocking(False)
                self.addCleanup(end.close)
        self.recorder = recorder.Recorder(
            [pair[1] for pair in self.pairs], self.counters, self.media,
            settings.ServerSettings(session_gap=30, stop_timeout=0.5,
                                    metrics_port=0, tick=0.05))

    def _start(self):
        self.thread = threading.Thread(target=self.recorder.run, daemon=True)
        self.thread.start()
        self.addCleanup(self._stop)

    def _stop(self):
        self.recorder.stop()
        self.thread.join(stream_worker.PATIENCE)
        self.assertFalse(self.thread.is_alive())

    def test_reports_of_all_workers_are_recorded_together(self):
        for pair in self.pairs:
            self.assertEqual(2, recorder.send(
                pair[0], [report(), report(medium_id='medium-2')]))
        self._start()
        self._stop()
        self.assertEqual(
            [(40, 'medium-1'), (40, 'medium-2')],
            [(entry.sent, entry.medium_id)
             for entry in self.media.reports])

    def test_a_report_arrives_as_it_was(self):
        large = report(ranges=tuple((n * 10 ** 12, n * 10 ** 12 + 1)
                                    for n in range(reads.MAX_RANGES)))
        self.assertEqual(1, recorder.send(self.pairs[0][0], [large]))
        self._start()
        self._stop()
        self.assertEqual([large], self.media.reports)

    def test_a_worker_never_waits_for_the_recorder(self):
        many = [report(medium_id=f'medium-{n}') for n in range(5000)]
        taken = recorder.send(self.pairs[0][0], many)
        self.assertLess(taken, 5000)
        self.assertGreater(taken, 10)
        self.pairs[0][1].close()
        self.assertEqual(0, recorder.send(self.pairs[0][0], many))

    def test_nothing_is_lost_while_the_records_are_away(self):
        self.media.failure = contract.UnavailableError('down')
        self._start()
        recorder.send(self.pairs[0][0], [report()])
        stream_worker.await_true(lambda: self.media.attempts, 'a try')
        recorder.send(self.pairs[0][0], [report(ranges=((500, 510),))])
        self.media.failure = None
        stream_worker.await_true(lambda: self.media.reports, 'a report')
        self._stop()
        self.assertEqual(40, sum(entry.sent
                                 for entry in self.media.reports))
        self.assertIn('cannot be recorded at the moment: down',
                      self.logger.output)

    def test_it_waits_for_workers_that_are_at_work(self):
        self.counters.row(1).set(metrics.PID, os.getpid())
        self._start()
        self.recorder.stop()
        recorder.send(self.pairs[1][0], [report()])
        self.assertTrue(self.thread.is_alive())
        self.counters.row(1).set(metrics.PID, 0)
        self._stop()
        self.assertEqual(20, self.media.reports[0].sent)

    def test_it_does_not_wait_for_them_for_ever(self):
        self.counters.row(1).set(metrics.PID, os.getpid())
        self._start()
        self._stop()

    def test_a_reader_that_has_gone_is_one_line(self):
        for part in (report(), report(ranges=((10, 20),), last_at=110.0)):
            recorder.send(self.pairs[0][0], [part])
        self._start()
        stream_worker.await_true(lambda: 'Medium' in self.logger.output,
                                 'the line')
        self._stop()
        self.assertEqual(
            'Medium medium-1 of node node-1: 192.0.2.1 read 30 bytes (3%) '
            'in 1 ranges by 4 requests, 40 bytes sent from '
            '1970-01-01T00:01:40Z to 1970-01-01T00:01:50Z (0.00 MB/s)\n',
            self.logger.output)

    def test_prometheus_gets_the_sum_of_the_workers(self):
        self.counters.row(0).response(206)
        self.counters.row(1).response(206)
        self.counters.row(1).response(404)
        self.counters.row(0).set('open_connections', 3)
        self.counters.row(1).add('sent_bytes_total', 5 << 10)
        listener = socket.create_server(('127.0.0.1', 0))
        port = listener.getsockname()[1]
        self.recorder.answer(listener)
        self._start()
        with urllib.request.urlopen(
                f'http://127.0.0.1:{port}/metrics') as response:
            page = response.read().decode()
        for line in (
                'ironic_ext_media_responses_total{status="206"} 2.0',
                'ironic_ext_media_responses_total{status="404"} 1.0',
                'ironic_ext_media_open_connections 3.0',
                f'ironic_ext_media_sent_bytes_total {float(5 << 10)}',
                '# TYPE ironic_ext_media_open_connections gauge'):
            self.assertIn(line + '\n', page)

    def test_the_port_is_free_before_the_last_reader_has_gone(self):
        self.counters.row(1).set(metrics.PID, os.getpid())
        listener = socket.create_server(('127.0.0.1', 0))
        address = listener.getsockname()
        self.recorder.answer(listener)
        self._start()
        self.recorder.stop()
        stream_worker.await_true(lambda: listener.fileno() == -1, 'its end')
        socket.create_server(address).close()
        self.counters.row(1).set(metrics.PID, 0)
        self._stop()


class CountersTest(testtools.TestCase):

    def test_every_status_that_is_answered_is_counted(self):
        counters = metrics.SharedCounters(1)
        for status in metrics.STATUSES:
            counters.row(0).response(status)
        self.assertEqual(
            len(metrics.STATUSES),
            sum(metric.value for metric in counters.read()))

    def test_another_process_counts_along(self):
        counters = metrics.SharedCounters(1)
        child = os.fork()
        if not child:
            counters.row(0).add('crashes_total', 7)
            os._exit(0)
        os.waitpid(child, 0)
        self.assertIn(7, [metric.value for metric in counters.read()])
