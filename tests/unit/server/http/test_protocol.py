# SPDX-License-Identifier: Apache-2.0

"""Requests and answers over real connections, and the end of a server."""

import contextlib
import itertools
import socket
import struct
import time

from tests.unit.server.http import served


class ProtocolTestCase(served.ServerTestCase):
    """Requests and answers."""

    def test_a_connection_is_kept_for_more_requests(self):
        connection = self.connect()
        for _number in range(3):
            head, body = self.ask(connection)
            self.assertTrue(head.startswith(b'HTTP/1.1 200 OK\r\n'))
            self.assertIn(b'\r\nserver: ironic-boot-server\r\n', head)
            self.assertIn(b'\r\ndate: ', head)
            self.assertEqual(b'hello', body)

    def test_the_last_request_ends_the_connection(self):
        for request in (served.CLOSE, served.GET.replace(b'1.1', b'1.0')):
            connection = self.connect()
            head, _body = self.ask(connection, request + served.GET)
            self.assertIn(b'\r\nconnection: close\r\n', head)
            self.assertClosed(connection)
        self.assertEqual(['/', '/'], self.paths)

    def test_requests_in_a_row_are_answered_in_a_row(self):
        connection = self.connect()
        names = [b'/slow', b'/a', b'/body', b'/b']
        connection.sendall(b''.join(
            served.GET.replace(b'/', name, 1) for name in names))
        self.assertTrue(self.begun.acquire(timeout=60))
        self.assertEqual(['/slow'], self.paths)
        self.go_on()
        for name in names:
            _head, body = self.answered(connection)
            self.assertEqual(64 if name == b'/body' else 5, len(body))
        self.ask(connection)
        self.assertEqual([*(name.decode() for name in names), '/'],
                         self.paths)

    def test_only_some_requests_wait_for_an_answer(self):
        connection = self.connect()
        connection.sendall(served.GET * 1000)
        found = b''
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(1 << 16):
                found += more
        self.assertEqual(16, found.count(b'200 OK'))
        self.assertEqual(16, len(self.paths))

    def test_head_and_body_come_together(self):
        connection = self.connect()
        connection.sendall(served.GET)
        self.assertTrue(connection.recv(1 << 16).endswith(b'\r\n\r\nhello'))

    def test_lines_come_as_they_are_made(self):
        connection = self.connect()
        head, _body = self.ask(
            connection, served.GET.replace(b'/', b'/lines', 1))
        self.assertIn(b'\r\ntransfer-encoding: chunked\r\n', head)
        self.assertEqual(b'4\r\none\n\r\n', connection.recv(100))
        self.go_on()
        found = b''
        while not found.endswith(b'0\r\n\r\n'):
            found += connection.recv(100)
        self.assertEqual(b'4\r\ntwo\n\r\n0\r\n\r\n', found)
        self.ask(connection)

    def test_a_head_that_comes_in_pieces_is_answered(self):
        connection = self.connect()
        for number in range(len(served.GET)):
            connection.sendall(served.GET[number:number + 1])
        self.assertEqual(b'hello', self.answered(connection)[1])

    def test_a_fault_of_ours_is_told_and_ends_no_other_connection(self):
        other = self.connect()
        self.ask(other)
        head, body = self.ask(self.connect(),
                              served.GET.replace(b'/', b'/fault', 1))
        self.assertTrue(head.startswith(b'HTTP/1.1 500 '))
        self.assertNotIn(b'a fault', body)
        self.assertIn('a fault', self.log.output)
        self.ask(other)

    def test_a_client_that_sends_no_more_is_answered(self):
        connection = self.connect()
        connection.sendall(served.GET.replace(b'/', b'/slow', 1))
        connection.shutdown(socket.SHUT_WR)
        self.assertTrue(self.begun.acquire(timeout=60))
        self.go_on()
        self.assertEqual(b'hello', self.answered(connection)[1])
        self.assertClosed(connection)

    def test_a_client_that_leaves_is_forgotten(self):
        for request, linger in itertools.product(
                (b'', b'GET', served.GET,
                 served.GET.replace(b'/', b'/large', 1),
                 served.POST + b'Content-Length: 5\r\n\r\nab'), (0, 1)):
            connection = self.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack('ii', linger, 0))
            connection.sendall(request)
            connection.close()
        self.ask(self.connect())
        self.await_count(1)

    def test_a_large_answer_goes_out_as_it_is_taken(self):
        connection = self.connect()
        connection.sendall(served.GET.replace(b'/', b'/large', 1))
        self.ask(self.connect())
        _head, body = self.answered(connection)
        self.assertEqual(32 << 20, len(body))
        self.ask(connection)


class TurnsTestCase(served.ServerTestCase):
    """Requests that come together."""

    async def answer(self, scope, receive, send):
        self.together.append(len(self.server.server.server_state.tasks))
        await super().answer(scope, receive, send)

    def connected(self):
        """Return clients that were answered before."""
        self.together = []
        clients = [self.connect() for _number in range(20)]
        for client in clients:
            self.ask(client)
        self.together.clear()
        return clients

    def at_a_time(self, act, clients):
        """Have clients act while the server does nothing else."""
        loop = self.server.server.servers[0].get_loop()
        loop.call_soon_threadsafe(
            lambda: [act(client) for client in clients])

    def test_they_are_begun_one_after_the_other(self):
        clients = self.connected()
        self.at_a_time(lambda client: client.sendall(served.GET), clients)
        for client in clients:
            self.assertEqual(b'hello', self.answered(client)[1])
        self.assertEqual(20, len(self.together))
        # Whoever comes meanwhile is heard between two of them.
        self.assertLess(max(self.together), 5)

    def test_who_leaves_before_its_turn_has_none(self):
        self.at_a_time(
            lambda client: (client.sendall(served.GET), client.close()),
            self.connected())
        self.await_count(0)
        self.assertEqual(b'hello', self.ask(self.connect())[1])
        self.assertEqual('', self.log.output.partition('Traceback')[2])


class AtOnceTestCase(served.ServerTestCase):
    """What is answered without a task."""

    def setUp(self):
        super().setUp()
        self.asked = []

    def at_once(self, scope):
        self.asked.append(scope['path'])
        if not scope['path'].startswith('/now'):
            return None
        body = bytes(8 << 20) if scope['path'] == '/now/large' else b'now'
        return 200, b'content-length: %d\r\n' % len(body), body

    def get(self, path, method=b'GET'):
        return method + served.GET[3:].replace(b'/', path, 1)

    def test_it_is_as_any_other(self):
        connection = self.connect()
        for _number in range(3):
            head, body = self.ask(connection, self.get(b'/now'))
            self.assertIn(b'\r\ndate: ', head)
            self.assertNotIn(b'\r\nconnection: ', head)
            self.assertEqual(b'now', body)
        self.assertEqual(b'hello', self.ask(connection)[1])
        connection.sendall(self.get(b'/now', b'HEAD'))
        found = connection.recv(1 << 16)
        self.assertIn(b'\r\ncontent-length: 3\r\n', found)
        self.assertTrue(found.endswith(b'\r\n\r\n'))
        self.assertEqual(b'now', self.ask(connection, self.get(b'/now'))[1])
        self.assertEqual(['/'], self.paths)

    def test_the_last_one_ends_the_connection(self):
        connection = self.connect()
        head, body = self.ask(connection, served.CLOSE.replace(
            b'/', b'/now', 1) + served.GET)
        self.assertIn(b'\r\nconnection: close\r\n', head)
        self.assertEqual(b'now', body)
        self.assertClosed(connection)
        self.assertEqual([], self.paths)

    def test_the_order_of_requests_is_that_of_answers(self):
        connection = self.connect()
        connection.sendall(self.get(b'/slow') + self.get(b'/now'))
        self.assertTrue(self.begun.acquire(timeout=60))
        connection.sendall(self.get(b'/now'))
        self.go_on()
        self.assertEqual(b'hello', self.answered(connection)[1])
        for _number in range(2):
            self.assertIn(b' 200 ', self.answered(connection)[0])
        self.assertEqual('/slow', self.asked[0])
        self.assertEqual('/slow', self.paths[0])

    def test_of_a_row_one_is_answered_before_others_have_their_turn(self):
        connection = self.connect()
        connection.sendall(self.get(b'/now') * 5)
        for _number in range(5):
            self.answered(connection)
        self.assertEqual(['/now'], self.asked)
        self.assertEqual(['/now'] * 4, self.paths)

    def test_a_body_that_is_not_here_is_not_passed_over(self):
        connection = self.connect()
        connection.sendall(self.get(b'/now')[:-2]
                           + b'Content-Length: 5\r\n\r\nab')
        head, body = self.answered(connection)
        self.assertEqual((b'hello', []), (body, self.asked))
        self.assertIn(b'\r\nconnection: close\r\n', head)

    def test_who_takes_nothing_is_answered_no_further(self):
        connection = self.connect()
        for _number in range(3):
            connection.sendall(self.get(b'/now/large'))
        sizes = [len(self.answered(connection)[1]) for _number in range(3)]
        self.assertNotIn(0, sizes)
        self.ask(connection)

    def test_a_fault_of_ours_is_told(self):
        self.at_once = None
        head, _body = self.ask(self.connect())
        self.assertTrue(head.startswith(b'HTTP/1.1 500 '))
        self.assertIn('A request fails', self.log.output)


class EndTestCase(served.ServerTestCase):
    """The end of a server."""

    def test_what_was_asked_is_answered(self):
        idle, busy = self.connect(), self.connect()
        self.ask(idle)
        busy.sendall(served.GET.replace(b'/', b'/slow', 1))
        self.assertTrue(self.begun.acquire(timeout=60))
        self.server.server.stop()
        self.assertClosed(idle)
        self.go_on()
        head, body = self.answered(busy)
        self.assertEqual(b'hello', body)
        self.assertIn(b'\r\nconnection: close\r\n', head)
        self.server.stop()

    def test_who_cannot_listen_any_more_ends(self):
        self.ask(self.connect())
        loop = self.server.server.servers[0].get_loop()
        loop.call_soon_threadsafe(loop.call_exception_handler, {
            'message': 'Fatal error on server TCPServer (error status in '
            'uv_stream_t.listen callback)', 'exception': OSError(12, 'x')})
        self.server.thread.join(60)
        self.assertFalse(self.server.thread.is_alive())
        self.assertIn('No connection can be accepted', self.log.output)

    def test_the_end_does_not_wait_for_a_body(self):
        connection = self.connect()
        connection.sendall(served.POST + b'Content-Length: 5001\r\n\r\n'
                           + bytes(5000))
        self.assertTrue(self.begun.acquire(timeout=60))
        began = time.monotonic()
        self.server.stop()
        self.assertLess(time.monotonic() - began, 15)
        # Not half an answer.
        self.assertNotIn(b'200 OK', self.answered(connection)[0])
