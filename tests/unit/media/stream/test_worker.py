# SPDX-License-Identifier: Apache-2.0

"""Tests that no client takes the connections of others."""

import http.client
import pathlib
import socket

import fixtures
import testtools

from tests.unit.media.stream import worker as stream_worker


class ClientConnectionsTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'image.iso'
        self.path.write_bytes(b'0123456789')

    def _serve(self, **options):
        server = self.useFixture(stream_worker.RunningWorker(**options))
        server.serve(self.path)
        return server

    def _connect(self, server, address='127.0.0.1', receive_buffer=None):
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.settimeout(stream_worker.PATIENCE)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                            receive_buffer)
        sock.bind((address, 0))
        sock.connect(('127.0.0.1', server.port))
        return sock

    def _send(self, sock):
        sock.sendall(f'GET {stream_worker.PATH} HTTP/1.1\r\n'
                     'Host: x\r\n\r\n'.encode())

    def _read(self, sock):
        self._send(sock)
        response = http.client.HTTPResponse(sock)
        response.begin()
        return response.read()

    def test_a_client_with_idle_ones_shuts_nobody_else_out(self):
        server = self._serve(max_connections=6, max_client_connections=4)
        held = [self._connect(server) for _ in range(12)]
        other = self._connect(server, '127.0.0.9')
        self.assertEqual(b'0123456789', self._read(other))
        # Of the same client the newest are there, the oldest have gone.
        self.assertEqual(b'', held[0].recv(1))
        self.assertEqual(b'0123456789', self._read(held[-1]))

    def test_a_reader_is_not_cut_off_for_a_new_connection(self):
        server = self._serve(max_client_connections=1)
        with open(self.path, 'r+b') as file:
            file.truncate(64 << 20)
        server.serve(self.path, base_digest='sha256:cc')
        reading = self._connect(server, receive_buffer=4096)
        self._send(reading)
        reading.recv(1)
        self.assertEqual(b'', self._connect(server).recv(1))
        self.assertEqual(1, server.count('refused_connections_total'))
        self.assertTrue(reading.recv(1))
