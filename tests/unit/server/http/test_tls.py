# SPDX-License-Identifier: Apache-2.0

"""HTTP over TLS."""

import contextlib
import hashlib
import os
import socket
import ssl
import tempfile
import time

import trustme

from ironic_ext.server.http import connections
from tests.unit.server.http import served


class _Counting(ssl.SSLContext):
    """What counts those for whom OpenSSL has done something."""

    count = 0

    def wrap_bio(self, *arguments, **more):
        self.count += 1
        return super().wrap_bio(*arguments, **more)


class TlsTestCase(served.ServerTestCase):
    """The same over TLS."""

    limits = connections.Limits(head=5.0)

    def setUp(self):
        authority = trustme.CA()
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)
        self.tls = _Counting(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            authority.issue_cert(
                '127.0.0.1').private_key_and_cert_chain_pem.write_to_path(
                    file.name)
            self.tls.load_cert_chain(file.name)
        super().setUp()

    def secured(self):
        made = self.context.wrap_socket(self.connect(),
                                        server_hostname='127.0.0.1')
        self.addCleanup(made.close)
        return made

    def test_a_large_answer_comes_over_a_connection_that_is_kept(self):
        connection = self.secured()
        for _number in range(2):
            _head, body = self.ask(connection,
                                   served.GET.replace(b'/', b'/large', 1))
            self.assertEqual(32 << 20, len(body))

    def test_answers_do_not_wait_for_what_clients_send_next(self):
        connection = self.secured()
        self.ask(connection)
        found, = self.server.server.server_state.connections
        self.assertTrue(found.transport.get_extra_info('socket').getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_requests_of_one_record_are_all_answered(self):
        padded = served.GET.replace(b'a\r', b'a\r\nX: ' + b'x' * 4500 + b'\r')
        connection = self.secured()
        connection.sendall(padded * 3)
        for _number in range(3):
            self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_request_comes_with_the_last_words_of_tls(self):
        # All that the client says, at once.
        for _number in range(20):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = self.context.wrap_bio(incoming, outgoing,
                                           server_hostname='127.0.0.1')
            connection = self.connect()
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(1 << 16))
            client.write(served.GET)
            connection.sendall(outgoing.read())
            found = b''
            while b'hello' not in found:
                more = connection.recv(1 << 16)
                self.assertNotEqual(b'', more)
                incoming.write(more)
                with contextlib.suppress(ssl.SSLWantReadError):
                    while True:
                        found += client.read(1 << 16)

    def test_a_large_body_goes_through(self):
        connection = self.secured()
        body = os.urandom(8 << 20)
        connection.sendall(served.POST + b'Content-Length: %d\r\n\r\n' % len(
            body) + body)
        self.assertEqual(hashlib.sha256(body).hexdigest().encode(),
                         self.answered(connection)[1])

    def test_those_who_do_not_speak_hold_nobody_up_and_are_sent_away(self):
        silent = [self.connect() for _number in range(50)]
        while len(self.server.shared) < len(silent):
            time.sleep(0.01)
        known = list(self.server.server.server_state.connections)
        self.assertEqual(b'hello', self.ask(self.secured())[1])
        for connection in silent:
            self.assertClosed(connection)
        self.await_count(1)
        self.assertEqual({False}, {one.was_served for one in known})
        served, = self.server.server.server_state.connections
        self.assertIs(True, served.was_served)

    def hello(self):
        """Return what a client says first."""
        outgoing = ssl.MemoryBIO()
        client = self.context.wrap_bio(ssl.MemoryBIO(), outgoing,
                                       server_hostname='127.0.0.1')
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        return outgoing.read()

    def test_who_has_not_said_the_first_word_costs_nothing(self):
        hello = self.hello()
        dribbling = [self.connect() for _number in range(3)]
        for length, connection in zip((1, 5, len(hello) - 1), dribbling,
                                      strict=True):
            connection.sendall(hello[:length])
        self.ask(self.secured())
        self.assertEqual(1, self.tls.count)
        # The last byte of it is answered.
        dribbling[-1].sendall(hello[-1:])
        self.assertEqual(b'\x16', dribbling[-1].recv(1))
        self.assertEqual(2, self.tls.count)

    def test_a_hello_that_comes_in_pieces_is_answered(self):
        connection = self.connect()
        for byte in self.hello():
            connection.send(bytes([byte]))
        self.assertEqual(b'\x16', connection.recv(1))

    def test_a_record_of_no_length_that_tls_has_is_not_waited_for(self):
        connection = self.connect()
        connection.sendall(b'\x16\x03\x01\xff\xff')
        with contextlib.suppress(ConnectionError):
            while connection.recv(1 << 16):
                pass
        self.assertEqual(1, self.tls.count)

    def test_who_speaks_no_tls_is_left(self):
        stranger = self.connect()
        stranger.sendall(served.GET)
        with contextlib.suppress(ConnectionError):
            while stranger.recv(1 << 16):
                pass
        self.ask(self.secured())
        self.assertEqual(['/'], self.paths)

    def test_who_leaves_amid_tls_is_forgotten(self):
        hello = self.hello()
        for said in (b'', hello[:10], hello):
            connection = self.connect()
            connection.sendall(said)
            connection.close()
        self.ask(self.secured())
        self.await_count(1)
