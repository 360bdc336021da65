# SPDX-License-Identifier: Apache-2.0

"""The process that hears of all reads: one writer to the records, the
log line when a reader has gone, and Prometheus' page.

Workers send a report as one packet of a Unix socket, JSON, and never wait.
"""

import collections.abc
import dataclasses
import json
import logging
import os
import selectors
import socket
import socketserver
import threading
import time
import wsgiref.simple_server
import wsgiref.types

import prometheus_client
from prometheus_client import core as prometheus
from prometheus_client import registry as prometheus_registry

from ironic_ext.media.stream import contract
from ironic_ext.media.stream import metrics
from ironic_ext.media.stream import reads
from ironic_ext.media.stream import settings as server_settings
from ironic_ext import spans

LOG = logging.getLogger(__name__)

#: Bytes of a report: its ranges are limited.
_PACKET = 1 << 16
#: Reports that wait to be recorded while nobody answers.
_MAX_WAITING = 10000
_PREFIX = 'ironic_ext_media_'


def send(channel: socket.socket,
         reports: collections.abc.Sequence[contract.ReadReport]) -> int:
    """Send reports without waiting; return how many there was room for."""
    for count, report in enumerate(reports):
        packet = json.dumps(dataclasses.astuple(report)).encode()
        try:
            channel.send(packet)
        except OSError:                 # full, or nobody there just now
            return count
    return len(reports)


def _received(packet: bytes) -> contract.ReadReport:
    medium_id, first, last, sent, ranges, *others = json.loads(packet)
    return contract.ReadReport(
        medium_id, first, last, sent,
        tuple((begin, end) for begin, end in ranges), *others)


def session_line(report: contract.ReadReport) -> str:
    """Return the sentence about a reader that has gone."""
    distinct = spans.total(report.ranges)
    seconds = max(report.last_at - report.first_at, 0.001)
    percent = f'{100 * distinct / report.size:.0f}%' if report.size else '?'
    return (
        f'Medium {report.medium_id} of node {report.node or "?"}: '
        f'{report.client} read {distinct} bytes ({percent}) in '
        f'{len(report.ranges)} ranges by {report.requests} requests, '
        f'{report.sent} bytes sent from {_clock(report.first_at)} to '
        f'{_clock(report.last_at)} ({report.sent / seconds / 1e6:.2f} MB/s)')


def _clock(seconds: float) -> str:
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))


class _Page(prometheus_registry.Collector):
    """The shared counters as Prometheus wants them."""

    def __init__(self, counters: metrics.SharedCounters) -> None:
        self._counters = counters

    def collect(self) -> collections.abc.Iterator[prometheus.Metric]:
        families: dict[str, prometheus.CounterMetricFamily
                       | prometheus.GaugeMetricFamily] = {}
        for metric in self._counters.read():
            name = _PREFIX + metric.name
            family = families.get(name)
            if family is None:
                labels = list(metric.labels)
                family = families[name] = (
                    prometheus.CounterMetricFamily(
                        name, metric.help, labels=labels)
                    if name.endswith('_total')
                    else prometheus.GaugeMetricFamily(
                        name, metric.help, labels=labels))
            family.add_metric(list(metric.labels.values()), metric.value)
        yield from families.values()


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """A handler that writes no line for a request."""

    # Seconds that a client may keep its thread waiting.
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class _PageServer(socketserver.ThreadingMixIn,
                  wsgiref.simple_server.WSGIServer):
    """Answers on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket,
                 app: wsgiref.types.WSGIApplication) -> None:
        address = listener.getsockname()
        super().__init__(address, _Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = address[:2]
        self.setup_environ()
        self.set_app(app)


class Recorder:
    """Gathers the reports of all workers until :meth:`stop`."""

    def __init__(self, channels: collections.abc.Sequence[socket.socket],
                 counters: metrics.SharedCounters,
                 media: contract.Media,
                 settings: server_settings.ServerSettings) -> None:
        """Prepare; nothing is gathered yet.

        :param channels: the receiving ends, one for each worker.
        """
        self._counters = counters
        self._media = media
        self._settings = settings
        self._stopping = False
        self._waiting: list[contract.ReadReport] = []
        self._sessions: dict[tuple[str, str], contract.ReadReport] = {}
        self._failing = False
        self._page: wsgiref.simple_server.WSGIServer | None = None
        self._selector = selectors.DefaultSelector()
        for channel in channels:
            channel.setblocking(False)
            self._selector.register(channel, selectors.EVENT_READ)

    def answer(self, listener: socket.socket) -> None:
        """Begin to answer Prometheus.

        :param listener: is closed in the end.
        """
        registry = prometheus_client.CollectorRegistry()
        registry.register(_Page(self._counters))
        self._page = _PageServer(listener, prometheus_client.make_wsgi_app(
            registry))
        threading.Thread(target=self._page.serve_forever, daemon=True,
                         name='metrics').start()

    def run(self) -> None:
        """Gather until stopped and until the workers are done."""
        tick = self._settings.tick
        due = time.monotonic()
        end = float('inf')
        while True:
            self._receive(max(0.0, min(due - time.monotonic(), tick)))
            if time.monotonic() >= due:
                due = time.monotonic() + tick
                self._record()
                self._end_sessions(self._settings.session_gap)
            if self._stopping:
                # The port is for who comes after, readers may stay a while.
                self._end_page()
                end = min(end, time.monotonic()
                          + self._settings.stop_timeout)
                if not self._at_work() or time.monotonic() > end:
                    break
                due = min(due, time.monotonic() + 0.1)
        self._receive(0)
        self._record()
        self._end_sessions(float('-inf'))
        self._end_page()

    def stop(self) -> None:
        """Return from :meth:`run` when the workers are done."""
        self._stopping = True

    def _end_page(self) -> None:
        page, self._page = self._page, None
        if page is not None:
            page.shutdown()
            page.server_close()

    def _at_work(self) -> bool:
        for pid in self._counters.pids():
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                continue
            return True
        return False

    def _receive(self, seconds: float) -> None:
        for key, _events in self._selector.select(seconds):
            channel = key.fileobj
            assert isinstance(channel, socket.socket)
            while True:
                try:
                    packet = channel.recv(_PACKET)
                except OSError:
                    break
                if not packet:
                    break
                self._take(_received(packet))

    def _take(self, report: contract.ReadReport) -> None:
        self._waiting.append(report)
        key = report.medium_id, report.client
        known = self._sessions.get(key)
        self._sessions[key] = (reads.merged((known, report))[0] if known
                               else report)

    def _record(self) -> None:
        if not self._waiting:
            return
        reports = reads.merged(self._waiting)[-_MAX_WAITING:]
        self._waiting = []
        try:
            self._media.record_reads(reports)
        except Exception as exc:
            # Whatever it is: the next attempt has them again.
            self._waiting = reports
            if not self._failing:
                LOG.error('Reads cannot be recorded at the moment: %s', exc)
            self._failing = True
        else:
            self._failing = False

    def _end_sessions(self, gap: float) -> None:
        limit = time.time() - gap
        for key, report in list(self._sessions.items()):
            if report.last_at < limit:
                del self._sessions[key]
                LOG.info('%s', session_line(report))
