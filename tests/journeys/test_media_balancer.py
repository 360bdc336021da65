# SPDX-License-Identifier: Apache-2.0

"""Two media servers behind HAProxy, of which one at a time is killed."""

import threading

from lab import media_server
from tests.cluster import engines
from tests.cluster import reading
from tests.journeys import test_media_replicas

_READERS = 6
#: Bytes after which a reader waits for what is to come.
_EARLY = 1 << 20
_EXTRA = """
[ext_images]
cache_dir = {store}

[ext_media]
connection = {connection}
max_client_connections = 0
"""


class BalancerTest(test_media_replicas.Hosts):

    @classmethod
    def setUpClass(cls):
        engines.require(rabbitmq=False)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.servers = [self.server, self.another()]
        folder = self.directory / 'balancer'
        folder.mkdir()
        balancer = engines.Balancer(folder, {
            'media': [server.port for server in self.servers]})
        self.addCleanup(balancer.stop)
        balancer.start()
        self.port = balancer.ports['media']

    def another(self):
        """Start a media server with a store of its own."""
        server = media_server.MediaServer(
            'second', self.directory, self.directory, extra=_EXTRA.format(
                store=self.directory / 'second-store',
                connection=self.connection))
        self.addCleanup(server.stop)
        server.start()
        return server

    def test_readers_go_on_where_a_killed_server_cut_them_off(self):
        delivered, wanted = self.deliver()
        url = delivered.url.replace(f':{self.server.port}/',
                                    f':{self.port}/')
        for server in self.servers:
            # The base is there, so that nobody waits for that.
            self.assertEqual(wanted, reading.fetch(delivered.url.replace(
                f':{self.server.port}/', f':{server.port}/')))
        for server in self.servers:
            with self.subTest(server=server.name):
                self.read_while(url, wanted, server)
            server.start()

    def read_while(self, url, wanted, server):
        """Read by several clients, and kill a server when all have begun."""
        begun = threading.Barrier(_READERS + 1)
        killed = threading.Event()
        local = threading.local()

        def watch(count):
            if count >= _EARLY and not getattr(local, 'waited', False):
                local.waited = True
                begun.wait(60)
                killed.wait(60)

        found = {}

        def read(number):
            download = reading.Download(url, watch)
            found[number] = download.finish(), download.attempts

        readers = [threading.Thread(target=read, args=(number,))
                   for number in range(_READERS)]
        for reader in readers:
            reader.start()
        begun.wait(60)
        server.kill()
        killed.set()
        for reader in readers:
            reader.join()
        self.assertEqual(
            [True] * _READERS,
            [data == wanted for data, _attempts in found.values()])
        # HAProxy gives each server half of them.
        attempts = [attempts for _data, attempts in found.values()]
        self.assertIn(2, attempts)
        self.assertLessEqual(max(attempts), 2)
