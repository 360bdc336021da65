# SPDX-License-Identifier: Apache-2.0

"""What Prometheus is told of a boot server: counts, and nothing of hosts."""

import collections
import collections.abc
import datetime
import errno
import logging
import typing

import prometheus_client
from prometheus_client import core as prometheus
from prometheus_client import registry

from ironic_ext.server.mirror import catalog as catalog_mirror
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.mirror import host_index
from ironic_ext.server.mirror import host_poller
from ironic_ext.server.mirror import ironic_api

LOG = logging.getLogger(__name__)

_PREFIX = 'ironic_ext_boot_'

#: By who asked ("machine" or "operator") and status.
Answered: typing.TypeAlias = 'collections.Counter[tuple[str, int]]'


class Figures(registry.Collector):
    """The figures of one server as Prometheus wants them."""

    def __init__(self, answered: Answered, index: host_index.HostIndex,
                 mirror: catalog_mirror.CatalogMirror,
                 poller: host_poller.HostPoller, api: ironic_api.IronicApi,
                 connections: collections.abc.Sized) -> None:
        """Take where the figures are."""
        self._answered = answered
        self._index = index
        self._mirror = mirror
        self._poller = poller
        self._api = api
        self._connections = connections

    def collect(self) -> collections.abc.Iterator[prometheus.Metric]:
        """Return all figures as of now."""
        answers = prometheus.CounterMetricFamily(
            f'{_PREFIX}responses_total', 'Answers, by who asked and status',
            labels=['to', 'status'])
        # A copy in one step: another thread counts on.
        for (who, status), count in sorted(self._answered.copy().items()):
            answers.add_metric([who, str(status)], count)
        yield answers
        yield prometheus.CounterMetricFamily(
            f'{_PREFIX}ironic_requests_total', 'Requests to Ironic\'s API',
            value=self._api.requests)
        yield prometheus.CounterMetricFamily(
            f'{_PREFIX}notifications_total', 'Notifications of Ironic\'s '
            'that nodes have changed', value=self._poller.hints.heard)
        for name, text, value in (
                ('hosts', 'Hosts that are known', len(self._index)),
                ('ready', 'Whether machines can be answered',
                 int(self._index.loaded.is_set()
                     and not self._index.problem)),
                ('hosts_stale_seconds', 'Seconds since Ironic was seen, 0 '
                 'while it is', _age(self._index.feed)),
                ('catalog_stale_seconds', 'Seconds since the database was '
                 'seen, 0 while it is', _age(self._mirror.feed)),
                ('resync_requests', 'Requests to Ironic of the last look at '
                 'all nodes', self._poller.resync_requests),
                ('resync_seconds', 'Seconds that it took',
                 self._poller.resync_seconds),
                ('open_connections', 'Connections open now',
                 len(self._connections))):
            yield prometheus.GaugeMetricFamily(f'{_PREFIX}{name}', text,
                                               value=value)


def serve(figures: Figures, host: str, port: int
          ) -> collections.abc.Callable[[], None]:
    """Answer Prometheus in threads of its own; return what ends that.

    :raises: OSError when the port is taken
    """
    known = prometheus_client.CollectorRegistry()
    known.register(figures)
    try:
        server, _thread = prometheus_client.start_http_server(
            port, host, known)
    except OSError as exc:
        raise OSError(
            f'cannot listen on {host} port {port}: {exc.strerror}: '
            + ('end what has the port, or set another '
               '[ext_server]metrics_port' if exc.errno == errno.EADDRINUSE
               else 'look at [ext_server]metrics_host_ip')) from exc
    LOG.info('Metrics at http://%s:%d/metrics', host, server.server_port)

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end


def _age(feed: feeds.Feed) -> float:
    if feed.staleness is None:
        return 0.0
    return max(0.0, (datetime.datetime.now(datetime.UTC)
                     - feed.seen).total_seconds())
