# SPDX-License-Identifier: Apache-2.0

"""What Prometheus is told."""

import collections
import datetime
import socket
import types
import urllib.request

import prometheus_client
import testtools

from ironic_ext.server import figures
from ironic_ext.server.mirror import feed as feeds
from ironic_ext.server.mirror import host_index


class FiguresTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.index = host_index.HostIndex()
        self.figures = figures.Figures(
            collections.Counter({('machine', 200): 3, ('operator', 404): 1}),
            self.index, types.SimpleNamespace(feed=feeds.Feed(10)),
            types.SimpleNamespace(resync_requests=402, resync_seconds=1.5,
                                  hints=types.SimpleNamespace(heard=7)),
            types.SimpleNamespace(requests=500), [1, 2])

    def lines(self):
        known = prometheus_client.CollectorRegistry()
        known.register(self.figures)
        return prometheus_client.generate_latest(known).decode().splitlines()

    def test_all_is_told(self):
        found = self.lines()
        for line in ('responses_total{status="200",to="machine"} 3.0',
                     'responses_total{status="404",to="operator"} 1.0',
                     'ironic_requests_total 500.0',
                     'notifications_total 7.0', 'hosts 0.0', 'ready 0.0',
                     'hosts_stale_seconds 0.0', 'resync_requests 402.0',
                     'resync_seconds 1.5', 'open_connections 2.0'):
            self.assertIn(f'ironic_ext_boot_{line}', found)

    def test_old_knowledge_has_its_age(self):
        self.index.loaded.set()
        self.index.feed.note_unseen('Ironic is away', datetime.datetime.now(
            datetime.UTC) - datetime.timedelta(seconds=100))
        found = dict(line.rsplit(' ', 1) for line in self.lines())
        self.assertGreaterEqual(
            float(found['ironic_ext_boot_hosts_stale_seconds']), 100)
        self.assertEqual('1.0', found['ironic_ext_boot_ready'])
        self.index.problem = 'it sees no nodes'
        self.assertIn('ironic_ext_boot_ready 0.0', self.lines())

    def test_they_are_served_and_a_taken_port_is_a_sentence(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            port = taken.getsockname()[1]
            refusal = str(self.assertRaises(
                OSError, figures.serve, self.figures, '127.0.0.1', port))
        self.assertIn(f'127.0.0.1 port {port}', refusal)
        self.assertIn('[ext_server]metrics_port', refusal)
        self.addCleanup(figures.serve(self.figures, '127.0.0.1', port))
        with urllib.request.urlopen(
                f'http://127.0.0.1:{port}/metrics', timeout=30) as answer:
            self.assertIn(b'ironic_ext_boot_hosts 0.0', answer.read())
